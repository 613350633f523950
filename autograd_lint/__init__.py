"""autograd-lint: finds the places where a PyTorch program misuses autograd, and proves what it says."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"

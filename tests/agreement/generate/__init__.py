"""Random programs that are readable and fit in shape: straight lines, functions and classes, training loops."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import torch

from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.straight import straight_program

KINDS: Final[dict[str, Callable[[Sketch], None]]] = {
    "straight": straight_program,
}


def generate(kind: str, *, seed: int, number: int) -> str:
    """The program of this kind, seed and number; the same on every machine with the same torch."""
    sketch = Sketch(random.Random(f"{kind}:{seed}:{number}"))
    torch.manual_seed(0)
    with torch.enable_grad():
        KINDS[kind](sketch)
    return sketch.text()

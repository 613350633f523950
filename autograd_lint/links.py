"""Where a rule's documentation can be read; the one place that knows the address."""

from __future__ import annotations

from typing import Final

_RULES: Final = "https://autograd-lint.example/rules"


def rule_url(code: str, name: str) -> str:
    """The page about a rule."""
    return f"{_RULES}/{code.lower()}-{name}"

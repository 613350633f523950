"""How often loops run: all rounds where they are known and few, else the first ones."""

from __future__ import annotations

from typing import Final

from autograd_lint.static.model.values import Dict, Foreign, RangeValue, Seq, Tensor, Unknown, Value

ROUNDS: Final = 2
"""How often a loop of unknown length runs: what breaks in training loops breaks in the second round."""
_MOST_ELEMENTS: Final = 64
"""The elements of a list that a loop visits; the rest of a longer one may be touched (`escape`)."""
MOST_ROUNDS: Final = 12
"""A loop of known length runs at most so often; the rest of a longer one is left out."""


def is_open(value: Value) -> bool:
    """Iterating `value` may give other elements than those that are known."""
    if isinstance(value, Seq | Dict):
        return value.open
    if type(value) is Tensor:
        return value.layout is None
    return type(value) is Unknown or type(value) is Foreign


def most_rounds(source: Value) -> int:
    """How often a loop over `source` runs at most: all its known elements, so that all parameters are cleared."""
    if isinstance(source, Seq):
        known = len(source.items)
        return max(ROUNDS, min(known + source.open, _MOST_ELEMENTS))
    return ROUNDS if is_open(source) else MOST_ROUNDS


def is_cut_short(source: Value, limit: int) -> bool:
    """A loop over `source` has more rounds than are run."""
    if isinstance(source, Seq):
        return len(source.items) > limit
    return type(source) is RangeValue and len(source.values) > limit

"""How the table of facts sees an argument: a short kind string, looked at more or less closely.

A kind is `T2` (a floating-point tensor of rank 2; `T` when the rank is not known), `I1` (an integer or Boolean tensor),
`L2` (a sequence of two tensors; `L` of a number not known), `i` and `i1` (a sequence of numbers; of nothing but ones),
`0`, `1`, `n`, `#` (zero, one, another number, a number not known), `True`, `False`, `None`, a string's `repr`, `-`
(not given), `?` (not known); indices are `basic`, `full` or `advanced`.
"""

from __future__ import annotations

import enum
from typing import Final

ABSENT: Final = "-"
UNKNOWN: Final = "?"


class Look(enum.IntEnum):
    """How closely a kind is looked at; each looks closer than the one before."""

    GIVEN = 0
    CLASS = 1
    VALUE = 2
    RANK = 3


_CLASSES: Final = {
    "T": "T",
    "I": "T",
    "L": "L",
    "i": "i",
    "0": "n",
    "1": "n",
    "n": "n",
    "#": "n",
    "'": "s",
    '"': "s",
}
SOME_NUMBER: Final = "#"
"""A number that is not known: it shows any of `NUMBERS`."""
NUMBERS: Final = frozenset({"0", "1", "n"})
_WHOLE: Final = {"True": "b", "False": "b", "None": ABSENT, ABSENT: ABSENT}
_MOST_RANK: Final = 5


def tensor_kind(*, floating: bool, rank: int | None) -> str:
    """The kind of a tensor; ranks from 5 on are one."""
    return ("T" if floating else "I") + ("" if rank is None else str(min(rank, _MOST_RANK)))


def tensors_kind(count: int | None) -> str:
    """The kind of a sequence of tensors."""
    return "L" if count is None else f"L{count}"


def constant_kind(value: object) -> str:
    """The kind of a Python constant."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return "0" if value == 0 else "1" if value == 1 else "n"
    return repr(value) if isinstance(value, str) else UNKNOWN


def look(kind: str, closeness: Look) -> str | None:
    """What `kind` shows when looked at so closely; None when that is not known.

    An argument that is given but not known is taken not to be None.
    """
    if closeness is Look.GIVEN:
        return ABSENT if kind in ("None", ABSENT) else "+"
    if kind == UNKNOWN:
        return None
    broad = _WHOLE.get(kind) or _CLASSES.get(kind[0]) or kind
    if closeness is Look.CLASS:
        return broad
    if closeness is Look.VALUE:
        if broad == "n":
            return kind
        return kind[0] if broad in ("T", "L") else kind
    if broad in ("T", "L"):
        return kind[1:] or None
    return kind

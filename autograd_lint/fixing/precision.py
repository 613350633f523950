"""Tensors made in double precision."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.calls import with_keyword
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of, name_for

_CONVERSIONS: Final = frozenset({"float", "half", "bfloat16"})


def in_double(code: Code, made: cst.Call) -> Fix | None:
    """`dtype=torch.double` where a tensor is made, and where those beside it are; `.double()` for a conversion."""
    if isinstance(made.func, cst.Attribute) and not made.args and made.func.attr.value in _CONVERSIONS:
        return code.unsafe("check in double precision", code.replace(made.func.attr, "double"))
    double = name_for(code, "torch.double", made)
    if double is None or not meaning_of(code, made.func).startswith("torch."):
        return None
    edits: list[Edit] = [with_keyword(code, call, "dtype", double.text) for call in _beside(code, made)]
    return code.unsafe("check in double precision", *double.imports, *edits)


def _beside(code: Code, made: cst.Call) -> list[cst.Call]:
    """The call, and those in the same tuple or list that make tensors as it does."""
    element = code.parent(made)
    display = code.parent(element) if isinstance(element, cst.Element) else None
    if not isinstance(display, cst.Tuple | cst.List):
        return [made]
    values = [item.value for item in display.elements]
    return [
        value for value in values if isinstance(value, cst.Call) and meaning_of(code, value.func).startswith("torch.")
    ]

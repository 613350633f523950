"""Arguments as shape rules need them: constant ints and sizes, layouts of operands."""

from __future__ import annotations

from collections.abc import Mapping

from autograd_lint.static.model.values import Const, Seq, Tensor, Unknown, Value
from autograd_lint.static.shapes.layout import Layout

Params = Mapping[str, Value]
Operands = Mapping[str, list[Tensor]]


def integer(value: Value | None, default: int | None = None) -> int | None:
    """A constant int."""
    if value is None:
        return default
    found = value.value if type(value) is Const else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def integers(value: Value | None) -> tuple[int, ...] | None:
    """A constant int or sequence of ints."""
    if isinstance(value, Seq):
        if value.open:
            return None
        found = [integer(item) for item in value.items]
        return None if None in found else tuple(i for i in found if i is not None)
    single = integer(value)
    return None if single is None else (single,)


def first(operands: Operands) -> Layout | None:
    """The layout of the tensor an operation is about, its first one as a rule."""
    for key in ("self", "input", "x", "a", "A", "tensor"):
        if operands.get(key):
            return operands[key][0].layout
    group = next(iter(operands.values()), None)
    return group[0].layout if group else None


def sizes(params: Params, *names: str) -> tuple[int, ...] | None:
    """The constant sizes in the first of these arguments that was given."""
    for name in names:
        if name in params:
            return integers(params[name])
    return None


def group_shapes(operands: Operands) -> list[tuple[int, ...]] | None:
    """The shapes of a sequence of tensors, when all are known."""
    group = operands.get("tensors") or next(iter(operands.values()), [])
    shapes = [t.layout.shape for t in group if t.layout is not None]
    return shapes if shapes and len(shapes) == len(group) else None


def layout_of(operands: Operands, *names: str) -> Layout | None:
    """The layout of the first of these operands that is there."""
    for name in names:
        if operands.get(name):
            return operands[name][0].layout
    return None


def is_open(params: Params) -> bool:
    """Some argument is not known, or a sequence may have more elements."""
    return any(isinstance(v, Seq) and v.open for v in params.values()) or any(
        type(v) is Unknown for v in params.values()
    )

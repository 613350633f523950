"""The shapes of results: the measured shape rules, and the few families whose shape hangs on their arguments.

Only shapes are computed here; what is saved, aliased or written comes from the measured facts.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

from autograd_lint.facts.model import Alias, Output
from autograd_lint.static.model.values import Const, Seq, SliceValue, Tensor, Value
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import SCALAR, Layout
from autograd_lint.static.shapes.shape_arguments import Operands, Params, integer
from autograd_lint.static.shapes.shape_layers import LAYERS
from autograd_lint.static.shapes.shape_matrices import MATRICES
from autograd_lint.static.shapes.shape_results import RESULTS, broadcast
from autograd_lint.static.shapes.shape_views import VIEWS, Family

_SOMEWHERE: Final = itertools.count(1 << 40, 1 << 20)
"""Offsets of views whose place is not known: no two of them are found to overlap."""
_OF_THEIR_OWN: Final = frozenset({"as_strided", "repeat_interleave", "rot90", "svd", "pinverse", "pinv", "eigh"})
"""Shapes that hang on numbers or change as those of torch's square samples do not show."""
_FAMILIES: Final[dict[str, Family]] = {
    name: family for table in (VIEWS, RESULTS, LAYERS, MATRICES) for family, names in table.items() for name in names
}


def result_layout(name: str, out: Output, index: int, params: Params, operands: Operands) -> Layout | None:
    """The layout of one output, or None when not known."""
    short = name.rpartition(".")[2]
    rule = _FAMILIES.get(short.rstrip("_") if not short.startswith("__") else short)
    if rule is not None:
        found = rule(params, operands, index)
        if found is not None:  # torch refuses a size below zero: `x.repeat(-1)`
            return found if min(found.shape, default=0) >= 0 else None
    if short in _OF_THEIR_OWN:
        return None
    if out.shape == "scalar":
        return SCALAR
    if out.shape.startswith("same:"):
        source = operands.get(out.shape[5:])
        layout = source[0].layout if source else None
        return layouts.like([layout], layout.shape) if layout else None
    if out.shape == "broadcast":
        return broadcast(operands)
    return None


def is_elementwise(name: str, out: Output) -> bool:
    """The result has the shape that its operands have together, and is computed element by element."""
    return name.rpartition(".")[2] not in _FAMILIES and (out.shape == "broadcast" or out.shape.startswith("same:"))


def is_unreduced(name: str, out: Output, params: Params, operands: Operands) -> bool:
    """A loss that was told `reduction="none"`, or what is computed from one element by element."""
    reduction = params.get("reduction")
    if type(reduction) is Const:
        return reduction.value == "none"
    return any(t.unreduced for group in operands.values() for t in group) and is_elementwise(name, out)


def _several(args: Value | None) -> bool:
    """An equation, and more than one tensor."""
    return isinstance(args, Seq) and len(args.items) > 2


def settled_alias(name: str, out: Output, source: Tensor, params: Params, shape: Layout | None) -> Output:
    """Whether what "may alias" does: a reshape of a known layout is a view or a copy for certain."""
    short = name.rpartition(".")[2]
    if short == "real":  # measured with real numbers, whose real part is the tensor itself
        return replace(out, alias=Alias.VIEW) if (source.dtype or "").startswith("complex") else out
    layout = source.layout
    if short == "einsum" and _several(params.get("args")):
        return replace(out, alias=Alias.FRESH)  # a product
    if layout is None:
        return out
    if short == "contiguous" and not params.keys() - {"self", "input"}:
        return replace(out, alias=Alias.SELF if layout.contiguous else Alias.FRESH)
    if short == "einsum":
        return replace(out, alias=Alias.VIEW if shape is not None and layout.numel == shape.numel else Alias.FRESH)
    if short == "ravel":
        return replace(out, alias=Alias.VIEW if layout.contiguous else Alias.FRESH)
    if short.startswith("atleast_") and shape is not None:
        return replace(out, alias=Alias.SELF if shape.shape == layout.shape else Alias.VIEW)
    if short in ("mT", "mH", "H") and not layout.shape:
        return replace(out, alias=Alias.SELF)
    if short in ("reshape", "flatten", "Flatten", "reshape_as", "view", "unflatten") and shape is not None:
        if short in ("flatten", "Flatten") and layout.shape == shape.shape:
            return replace(out, alias=Alias.SELF)
        viewable = layouts.view(layout, shape.shape) is not None
        return replace(out, alias=Alias.VIEW if viewable else Alias.FRESH)
    if short in ("expand", "expand_as", "broadcast_to") and shape is not None:
        return replace(out, alias=Alias.VIEW)
    return out


# -------------------------------------------------------------------- indexing


def indexed_layout(layout: Layout | None, index: Value) -> Layout | None:
    """The layout of `x[index]`; None when not known."""
    if layout is None:
        return None
    items = list(index.items) if isinstance(index, Seq) and index.kind == "tuple" else [index]
    ellipsis = next((i for i, item in enumerate(items) if type(item) is Const and item.value is Ellipsis), None)
    consumed = sum(1 for item in items if not _is_new_axis(item)) - (ellipsis is not None)
    if ellipsis is not None:
        full = SliceValue(Const(None), Const(None), Const(None))
        items[ellipsis : ellipsis + 1] = [full] * (len(layout.shape) - consumed)
    if consumed > len(layout.shape):
        return None
    result: Layout | None = layout
    picks: list[tuple[int, tuple[int, ...]]] = []
    dim = 0
    for item in items:
        picked = _picked(item)
        if picked is not None:
            picks.append((dim, picked))
            dim += 1
            continue
        if result is None:
            return None
        result, advance = _index_one(result, dim, item)
        dim += advance
    return result if result is None or not picks else _picked_layout(result, picks)


def _picked_layout(layout: Layout, picks: list[tuple[int, tuple[int, ...]]]) -> Layout | None:
    """The copy that lists of indices pick: their common shape comes where they stand, or first if they stand apart."""
    shape = layouts.broadcast([picked for _, picked in picks])
    dims = [dim for dim, _ in picks]
    if shape is None or not layout.contiguous:
        return None
    together = dims == list(range(dims[0], dims[0] + len(dims)))
    at = dims[0] if together else 0
    rest = [size for dim, size in enumerate(layout.shape) if dim not in dims]
    return layouts.fresh((*rest[:at], *shape, *rest[at:])) if together else None


def _is_new_axis(item: Value) -> bool:
    return type(item) is Const and item.value is None


def _index_one(layout: Layout, dim: int, item: Value) -> tuple[Layout | None, int]:
    if _is_new_axis(item):
        return layouts.insert(layout, dim), 1
    number = integer(item)
    if number is not None:
        return layouts.select(layout, dim, number), 0
    if isinstance(item, SliceValue):
        bounds = [b.value if type(b) is Const else item for b in (item.lower, item.upper, item.step)]
        if all(b is None or isinstance(b, int) for b in bounds):
            return layouts.cut(layout, dim, slice(*bounds)), 1
    if type(item) is Tensor and item.layout is not None and not item.layout.shape and item.dtype == "int64":
        first = layouts.select(layout, dim, 0)
        return None if first is None else replace(first, offset=next(_SOMEWHERE)), 0
    return None, 0


def _picked(item: Value) -> tuple[int, ...] | None:
    """The shape an index list or integer tensor picks; a Boolean tensor's count is not known."""
    if isinstance(item, Seq) and not item.open and all(type(i) is Const for i in item.items):
        flags = [i.value for i in item.items if type(i) is Const]
        if flags and all(isinstance(flag, bool) for flag in flags):
            return (sum(bool(flag) for flag in flags),)
        return (len(flags),)
    if type(item) is Tensor and item.layout is not None and item.dtype not in ("bool", "uint8", None):
        return item.layout.shape or None
    return None

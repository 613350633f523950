"""The shapes of results: the measured shape rules, and the few families whose shape hangs on their arguments.

Only shapes are computed here; what is saved, aliased or written comes from the measured facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from autograd_lint.facts.model import Alias, Output
from autograd_lint.static import layout as layouts
from autograd_lint.static.layout import SCALAR, Layout
from autograd_lint.static.values import Const, Seq, SliceValue, Tensor, Unknown, Value

Params = Mapping[str, Value]
Operands = Mapping[str, list[Tensor]]


def result_layout(name: str, out: Output, index: int, params: Params, operands: Operands) -> Layout | None:
    """The layout of one output, or None when not known."""
    short = name.rpartition(".")[2]
    rule = _FAMILIES.get(short.rstrip("_") if not short.startswith("__") else short)
    if rule is not None:
        found = rule(params, operands, index)
        if found is not None:
            return found
    if out.shape == "scalar":
        return SCALAR
    if out.shape.startswith("same:"):
        source = operands.get(out.shape[5:])
        layout = source[0].layout if source else None
        return layouts.like([layout], layout.shape) if layout else None
    if out.shape == "broadcast":
        return _broadcast(operands)
    return None


def _broadcast(operands: Operands) -> Layout | None:
    found = [t.layout for group in operands.values() for t in group]
    shape = layouts.broadcast([x.shape if x else None for x in found])
    return layouts.like(found, shape) if shape is not None and found else None


def settled_alias(name: str, out: Output, source: Tensor, params: Params, shape: Layout | None) -> Output:
    """Whether what "may alias" does: a reshape of a known layout is a view or a copy for certain."""
    short = name.rpartition(".")[2]
    layout = source.layout
    if layout is None:
        return out
    if short == "contiguous" and not params.keys() - {"self", "input"}:
        return replace(out, alias=Alias.SELF if layout.contiguous else Alias.FRESH)
    if short in ("reshape", "flatten", "ravel", "reshape_as", "view", "unflatten") and shape is not None:
        if short in ("flatten", "ravel") and layout.shape == shape.shape:
            return replace(out, alias=Alias.SELF if short == "flatten" or layout.contiguous else Alias.FRESH)
        viewable = layouts.view(layout, shape.shape) is not None
        return replace(out, alias=Alias.VIEW if viewable else Alias.FRESH)
    if short in ("expand", "expand_as", "broadcast_to") and shape is not None:
        return replace(out, alias=Alias.VIEW)
    return out


# ------------------------------------------------------------ argument access


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


def _first(operands: Operands) -> Layout | None:
    for key in ("self", "input", "x", "a", "A", "tensor"):
        if operands.get(key):
            return operands[key][0].layout
    group = next(iter(operands.values()), None)
    return group[0].layout if group else None


def _sizes(params: Params, *names: str) -> tuple[int, ...] | None:
    for name in names:
        if name in params:
            return integers(params[name])
    return None


# -------------------------------------------------------------------- families


def _view(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, sizes = _first(operands), _sizes(params, "size", "shape", "sizes")
    if layout is None or sizes is None:
        return None
    shape = layouts.resolve_sizes(layout.numel, sizes)
    if shape is None:
        return None
    return layouts.view(layout, shape) or layouts.fresh(shape)


def _like_other(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    other = operands.get("other")
    shape = other[0].layout if other else None
    if layout is None or shape is None:
        return None
    return layouts.view(layout, shape.shape) or layouts.fresh(shape.shape)


def _flatten(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    start, end = integer(params.get("start_dim"), 0), integer(params.get("end_dim"), -1)
    if layout is None or start is None or end is None:
        return None
    shape = layouts.flatten(layout, start, end)
    return None if shape is None else layouts.view(layout, shape) or layouts.fresh(shape)


def _ravel(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    return None if layout is None else layouts.view(layout, (layout.numel,)) or layouts.fresh((layout.numel,))


def _transpose(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    first = integer(params.get("dim0", params.get("axis0")))
    second = integer(params.get("dim1", params.get("axis1")))
    return None if layout is None or first is None or second is None else layouts.transpose(layout, first, second)


def _reverse(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    return None if layout is None else layouts.permute(layout, range(len(layout.shape))[::-1])


def _last_two(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    return None if layout is None or len(layout.shape) < 2 else layouts.transpose(layout, -1, -2)


def _permute(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dims = _first(operands), _sizes(params, "dims")
    return None if layout is None or dims is None else layouts.permute(layout, dims)


def _unsqueeze(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dim = _first(operands), integer(params.get("dim"))
    return None if layout is None or dim is None else layouts.insert(layout, dim)


def _squeeze(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    dims = integers(params["dim"]) if "dim" in params else None
    if layout is None or ("dim" in params and dims is None):
        return None
    return layouts.squeeze(layout, dims)


def _expand(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, sizes = _first(operands), _sizes(params, "size", "shape", "sizes")
    return None if layout is None or sizes is None else layouts.expand(layout, sizes)


def _expand_as(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, other = _first(operands), operands.get("other")
    shape = other[0].layout if other else None
    return None if layout is None or shape is None else layouts.expand(layout, shape.shape)


def _narrow(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    dim, start, length = (integer(params.get(key)) for key in ("dim", "start", "length"))
    if layout is None or dim is None or start is None or length is None:
        return None
    return layouts.cut(layout, dim, slice(start, start + length))


def _select(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dim, at = _first(operands), integer(params.get("dim")), integer(params.get("index"))
    return None if layout is None or dim is None or at is None else layouts.select(layout, dim, at)


def _reduce(params: Params, operands: Operands, index: int) -> Layout | None:
    """Reductions over all dimensions, or over `dim`."""
    layout = _first(operands)
    if layout is None:
        return None
    keep = params.get("keepdim")
    keepdim = type(keep) is Const and keep.value is True
    if keep is not None and type(keep) is not Const:
        return None
    given = params.get("dim", params.get("axis"))
    if isinstance(given, Tensor):
        return None
    dims = None if given is None or (type(given) is Const and given.value is None) else integers(given)
    if given is not None and dims is None and not (type(given) is Const and given.value is None):
        return None
    shape = layouts.reduced(layout.shape, dims, keepdim=keepdim)
    return None if shape is None else layouts.fresh(shape)


def _matmul(params: Params, operands: Operands, index: int) -> Layout | None:
    tensors = [group[0] for group in operands.values()][:2]
    shapes = [t.layout.shape for t in tensors if t.layout is not None]
    if len(shapes) != 2:
        return None
    shape = layouts.matmul(shapes[0], shapes[1])
    return None if shape is None else layouts.fresh(shape)


def _reflected_matmul(params: Params, operands: Operands, index: int) -> Layout | None:
    return None


def _linear(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, weight = operands.get("input", [None])[0], operands.get("weight", [None])[0]
    if layout is None or weight is None or layout.layout is None or weight.layout is None:
        return None
    if not layout.layout.shape or len(weight.layout.shape) != 2:
        return None
    return layouts.fresh((*layout.layout.shape[:-1], weight.layout.shape[0]))


def _outer(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes = [group[0].layout.shape for group in operands.values() if group[0].layout is not None]
    return (
        layouts.fresh((shapes[0][0], shapes[1][0])) if len(shapes) == 2 and all(len(s) == 1 for s in shapes) else None
    )


def _group(operands: Operands) -> list[tuple[int, ...]] | None:
    group = operands.get("tensors") or next(iter(operands.values()), [])
    shapes = [t.layout.shape for t in group if t.layout is not None]
    return shapes if shapes and len(shapes) == len(group) else None


def _cat(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes, dim = _group(operands), integer(params.get("dim", params.get("axis")), 0)
    if (
        _is_open(params)
        or shapes is None
        or dim is None
        or not shapes[0]
        or not -len(shapes[0]) <= dim < len(shapes[0])
    ):
        return None
    at = dim % len(shapes[0])
    if any(len(s) != len(shapes[0]) for s in shapes):
        return None
    total = sum(s[at] for s in shapes)
    return layouts.fresh((*shapes[0][:at], total, *shapes[0][at + 1 :]))


def _stack(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes, dim = _group(operands), integer(params.get("dim"), 0)
    if _is_open(params) or shapes is None or dim is None:
        return None
    at = dim % (len(shapes[0]) + 1)
    return layouts.fresh((*shapes[0][:at], len(shapes), *shapes[0][at:]))


def _is_open(params: Params) -> bool:
    return any(isinstance(v, Seq) and v.open for v in params.values()) or any(
        type(v) is Unknown for v in params.values()
    )


def _repeat(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, times = _first(operands), _sizes(params, "repeats", "dims")
    if layout is None or times is None or len(times) < len(layout.shape):
        return None
    shape = (1,) * (len(times) - len(layout.shape)) + layout.shape
    return layouts.fresh(tuple(s * t for s, t in zip(shape, times, strict=True)))


def _same(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = _first(operands)
    return layouts.like([layout], layout.shape) if layout else None


def _broadcast_family(params: Params, operands: Operands, index: int) -> Layout | None:
    return _broadcast(operands)


Family = Callable[[Params, Operands, int], Layout | None]
_NAMES: Final[dict[Family, Sequence[str]]] = {
    _view: ("view", "reshape"),
    _like_other: ("view_as", "reshape_as"),
    _flatten: ("flatten",),
    _ravel: ("ravel",),
    _transpose: ("transpose", "swapaxes", "swapdims"),
    _reverse: ("t", "T"),
    _last_two: ("mT", "mH"),
    _permute: ("permute",),
    _unsqueeze: ("unsqueeze",),
    _squeeze: ("squeeze",),
    _expand: ("expand", "broadcast_to"),
    _expand_as: ("expand_as",),
    _narrow: ("narrow",),
    _select: ("select",),
    _reduce: (
        *("sum", "mean", "prod", "amax", "amin", "max", "min", "norm", "std", "var", "logsumexp", "all", "any"),
        *("argmax", "argmin", "median", "nansum", "nanmean", "vector_norm", "count_nonzero"),
    ),
    _matmul: ("matmul", "mm", "bmm", "mv", "dot", "inner", "__matmul__"),
    _reflected_matmul: ("__rmatmul__",),
    _linear: ("linear",),
    _outer: ("outer", "ger"),
    _cat: ("cat", "concat", "concatenate"),
    _stack: ("stack",),
    _repeat: ("repeat", "tile"),
    _same: ("sort", "cummax", "cummin"),
    _broadcast_family: ("where",),
}
_FAMILIES: Final[dict[str, Family]] = {name: family for family, names in _NAMES.items() for name in names}


# -------------------------------------------------------------------- indexing


def indexed_layout(layout: Layout | None, index: Value) -> Layout | None:
    """The layout of `x[index]` for basic indices, or for one list of ints; None when not known."""
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
    dim = 0
    for item in items:
        if result is None:
            return None
        result, advance = _index_one(result, dim, item)
        dim += advance
    return result


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
        return None, 1
    picked = _picked(layout, dim, item)
    if picked is not None:
        return layouts.fresh((*layout.shape[:dim], *picked, *layout.shape[dim + 1 :])), len(picked)
    return None, 0


def _picked(layout: Layout, dim: int, item: Value) -> tuple[int, ...] | None:
    """How many elements an index list or integer tensor picks; a Boolean tensor's count is not known."""
    if isinstance(item, Seq) and not item.open and all(type(i) is Const for i in item.items):
        flags = [i.value for i in item.items if type(i) is Const]
        if flags and all(isinstance(flag, bool) for flag in flags):
            return (sum(bool(flag) for flag in flags),)
        return (len(flags),)
    if type(item) is Tensor and item.layout is not None and item.dtype not in ("bool", "uint8", None):
        return item.layout.shape
    return None

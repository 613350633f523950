"""Shapes of new tensors: reductions, products, joins, selections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autograd_lint.static.model.values import NONE, Const, Seq, Tensor, constant
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import (
    Operands,
    Params,
    first,
    group_shapes,
    integer,
    integers,
    is_open,
    layout_of,
    sizes,
)
from autograd_lint.static.shapes.shape_views import Family


def _reduce(params: Params, operands: Operands, index: int) -> Layout | None:
    """Reductions over all dimensions, or over `dim`."""
    layout = first(operands)
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


def _inner(params: Params, operands: Operands, index: int) -> Layout | None:
    """The last dimensions go; with a scalar it is the product."""
    shapes = [t.layout.shape for group in operands.values() for t in group[:1] if t.layout is not None]
    if len(shapes) != len(operands) or not shapes:
        return None
    one, other = shapes[0], shapes[-1]
    return layouts.fresh((*one[:-1], *other[:-1]) if one and other else one or other)


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


def _cat(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes, dim = group_shapes(operands), integer(params.get("dim", params.get("axis")), 0)
    if is_open(params) or shapes is None or dim is None or not shapes[0] or not -len(shapes[0]) <= dim < len(shapes[0]):
        return None
    at = dim % len(shapes[0])
    if any(len(s) != len(shapes[0]) for s in shapes):
        return None
    total = sum(s[at] for s in shapes)
    return layouts.fresh((*shapes[0][:at], total, *shapes[0][at + 1 :]))


def _stack(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes, dim = group_shapes(operands), integer(params.get("dim"), 0)
    if is_open(params) or shapes is None or dim is None:
        return None
    at = dim % (len(shapes[0]) + 1)
    return layouts.fresh((*shapes[0][:at], len(shapes), *shapes[0][at:]))


def _repeat(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, times = first(operands), sizes(params, "repeats", "dims")
    if layout is None or times is None or len(times) < len(layout.shape):
        return None
    return _repeated(layout, times)


def _tile(params: Params, operands: Operands, index: int) -> Layout | None:
    """As `repeat`, but dimensions that are not named are kept as they are."""
    layout, times = first(operands), sizes(params, "dims")
    if layout is None or times is None:
        return None
    return _repeated(layout, (1,) * (len(layout.shape) - len(times)) + times)


def _repeated(layout: Layout, times: Sequence[int]) -> Layout:
    shape = (1,) * (len(times) - len(layout.shape)) + layout.shape
    return layouts.fresh(tuple(s * t for s, t in zip(shape, times, strict=True)))


def _interleave(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, times, dim = first(operands), integer(params.get("repeats")), constant(params.get("dim", NONE))
    if layout is None or times is None:
        return None
    if dim is None and "dim" not in params:
        return layouts.fresh((layout.numel * times,))
    at = layouts.axis(layout, dim) if isinstance(dim, int) else None
    if at is None:
        return None
    return layouts.fresh((*layout.shape[:at], layout.shape[at] * times, *layout.shape[at + 1 :]))


def _rows(params: Params, operands: Operands, index: int) -> Layout | None:
    """The shape of the input, and row-major whatever its strides are."""
    layout = first(operands)
    return None if layout is None else layouts.fresh(layout.shape)


def _columns(params: Params, operands: Operands, index: int) -> Layout | None:
    """A matrix as LAPACK leaves it, column by column."""
    layout = first(operands)
    return None if layout is None or len(layout.shape) < 2 else layouts.transpose(layouts.fresh(layout.shape), -1, -2)


def _similarity(dim: int) -> Family:
    """`cosine_similarity`, `pairwise_distance`: a reduction of what two tensors broadcast to."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        one, two = layout_of(operands, "x1"), layout_of(operands, "x2")
        at = integer(params.get("dim"), dim)
        whole = None if one is None or two is None else layouts.broadcast([one.shape, two.shape])
        if whole is None or at is None or "keepdim" in params or not -len(whole) <= at < len(whole):
            return None
        shape = layouts.reduced(whole, (at,), keepdim=False)
        return None if shape is None else layouts.fresh(shape)

    return rule


def _picked_along(params: Params, operands: Operands, index: int) -> Layout | None:
    """`mode`, `kthvalue`: a reduction of one dimension, the last unless told."""
    layout, dim = first(operands), integer(params.get("dim"), -1)
    if layout is None or dim is None or "keepdim" in params:
        return None
    shape = layouts.reduced(layout.shape, (dim,), keepdim=False)
    return None if shape is None else layouts.fresh(shape)


def _determinant(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    return None if layout is None or len(layout.shape) < 2 else layouts.fresh(layout.shape[:-2])


def _same(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    return layouts.like([layout], layout.shape) if layout else None


def _like_index(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = layout_of(operands, "index", "indices")
    return None if layout is None else layouts.fresh(layout.shape)


def _index_select(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, chosen = first(operands), layout_of(operands, "index")
    at = None if layout is None else layouts.axis(layout, integer(params.get("dim"), 0) or 0)
    if layout is None or chosen is None or at is None or integer(params.get("dim")) is None:
        return None
    return layouts.fresh((*layout.shape[:at], chosen.numel, *layout.shape[at + 1 :]))


def _diag(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    if layout is None or len(params) > 1:
        return None
    if len(layout.shape) == 1:
        return layouts.fresh(layout.shape * 2)
    return layouts.fresh((min(layout.shape),)) if len(layout.shape) == 2 else None


def _stacked(axis: int) -> Family:
    """`vstack`, `hstack`: tensors made at least so many-dimensional, then joined."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        shapes = group_shapes(operands)
        if shapes is None or is_open(params):
            return None
        if axis == 0:
            shapes = [(1, *s) if len(s) == 1 else s or (1, 1) for s in shapes]
        else:
            shapes = [s or (1,) for s in shapes]
        at = 0 if axis == 0 or len(shapes[0]) == 1 else 1
        if len({len(s) for s in shapes}) != 1:
            return None
        return layouts.fresh((*shapes[0][:at], sum(s[at] for s in shapes), *shapes[0][at + 1 :]))

    return rule


def _topk(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, count, dim = first(operands), integer(params.get("k")), integer(params.get("dim"), -1)
    at = None if layout is None or dim is None else layouts.axis(layout, dim)
    if layout is None or count is None or at is None:
        return None
    return layouts.fresh((*layout.shape[:at], count, *layout.shape[at + 1 :]))


def _qr(params: Params, operands: Operands, index: int) -> Layout | None:
    """Both lie in memory column by column, as LAPACK leaves them."""
    layout = first(operands)
    if layout is None or len(layout.shape) != 2 or len(params) > 1:
        return None
    rows, columns = layout.shape
    inner = min(rows, columns)
    return Layout((rows, inner), (1, rows)) if index == 0 else Layout((inner, columns), (1, inner))


def _cdist(params: Params, operands: Operands, index: int) -> Layout | None:
    one, two = layout_of(operands, "x1"), layout_of(operands, "x2")
    if one is None or two is None or len(one.shape) < 2 or len(two.shape) < 2:
        return None
    return layouts.fresh((*one.shape[:-1], two.shape[-2]))


def _pad(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, given = first(operands), integers(params.get("pad"))
    if layout is None or given is None or len(given) % 2 or len(given) > 2 * len(layout.shape):
        return None
    shape = list(layout.shape)
    for i in range(len(given) // 2):
        shape[-1 - i] += given[2 * i] + given[2 * i + 1]
    return layouts.fresh(shape)


def _product_added(params: Params, operands: Operands, index: int) -> Layout | None:
    """`addmm` and its kin: the shape of the product of the second and third operands."""
    one = layout_of(operands, "mat1", "batch1", "mat", "vec1")
    two = layout_of(operands, "mat2", "batch2", "vec", "vec2")
    shape = None if one is None or two is None else layouts.matmul(one.shape, two.shape)
    return None if shape is None else layouts.fresh(shape)


def _diff(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    dim, times = integer(params.get("dim"), -1), integer(params.get("n"), 1)
    at = layouts.axis(layout, dim) if layout is not None and dim is not None else None
    if layout is None or at is None or times is None or not params.keys() <= {"self", "input", "n", "dim"}:
        return None
    shorter = layouts.cut(layout, at, slice(0, max(layout.shape[at] - times, 0)))
    return None if shorter is None else layouts.like([shorter], shorter.shape)


def _embedding(params: Params, operands: Operands, index: int) -> Layout | None:
    indices, weight = layout_of(operands, "input"), layout_of(operands, "weight")
    if indices is None or weight is None:
        return None
    return layouts.fresh((*indices.shape, weight.shape[-1]))


def _einsum(params: Params, operands: Operands, index: int) -> Layout | None:
    """`einsum` with an explicit result and no ellipsis."""
    args = params.get("args")
    first_argument = args.items[0] if isinstance(args, Seq) and args.items else None
    text = constant(first_argument) if first_argument is not None else None
    layouts_given = [tensor.layout for tensor in operands.get("args", ())]
    if not isinstance(text, str) or "->" not in text or "." in text:
        return None
    inputs, _, result = text.replace(" ", "").partition("->")
    sizes_of: dict[str, int] = {}
    for letters, layout in zip(inputs.split(","), layouts_given, strict=False):
        if layout is None or len(letters) != len(layout.shape):
            return None
        sizes_of.update(zip(letters, layout.shape, strict=True))
    if not set(result) <= sizes_of.keys():
        return None
    single = layouts_given[0]
    if single is not None and len(layouts_given) == 1 and sorted(result) == sorted(inputs):
        return layouts.permute(single, [inputs.index(letter) for letter in result])
    return layouts.fresh([sizes_of[letter] for letter in result])


def _broadcast_family(params: Params, operands: Operands, index: int) -> Layout | None:
    return broadcast(operands)


def broadcast(operands: Operands) -> Layout | None:
    """The layout of an elementwise result."""
    found = [t.layout for group in operands.values() for t in group]
    shape = layouts.broadcast([x.shape if x else None for x in found])
    return layouts.like(found, shape) if shape is not None and found else None


def _class_loss(params: Params, operands: Operands, index: int) -> Layout | None:
    """`cross_entropy`, `nll_loss` with `reduction="none"`: a value for each row of the classes."""
    layout = layout_of(operands, "input")
    if layout is None or not layout.shape or constant(params.get("reduction", NONE)) != "none":
        return None
    return layouts.fresh((*layout.shape[:1], *layout.shape[2:]) if len(layout.shape) > 1 else ())


RESULTS: Final[dict[Family, Sequence[str]]] = {
    _reduce: (
        *("sum", "mean", "prod", "amax", "amin", "max", "min", "norm", "std", "var", "logsumexp", "all", "any"),
        *("argmax", "argmin", "median", "nansum", "nanmean", "vector_norm", "count_nonzero", "std_mean", "var_mean"),
    ),
    _matmul: ("matmul", "mm", "bmm", "mv", "dot", "__matmul__"),
    _inner: ("inner",),
    _linear: ("linear", "Linear"),
    _outer: ("outer", "ger"),
    _cat: ("cat", "concat", "concatenate"),
    _stack: ("stack",),
    _stacked(0): ("vstack", "row_stack"),
    _stacked(1): ("hstack",),
    _repeat: ("repeat",),
    _tile: ("tile",),
    _interleave: ("repeat_interleave",),
    _rows: (
        *("contiguous", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "softmax", "log_softmax", "Softmax"),
        *("LogSoftmax", "layer_norm", "group_norm", "instance_norm", "batch_norm", "LayerNorm", "GroupNorm"),
        *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        *("tril", "triu", "roll", "renorm", "index_add", "index_copy", "bucketize", "__rpow__"),
    ),
    _columns: ("inv", "inverse", "cholesky"),
    _similarity(1): ("cosine_similarity",),
    _similarity(-1): ("pairwise_distance",),
    _picked_along: ("mode", "kthvalue"),
    _determinant: ("det", "logdet"),
    _same: ("sort", "PReLU"),
    _broadcast_family: ("where", "broadcast_tensors"),
    _like_index: ("gather", "take"),
    _index_select: ("index_select",),
    _diag: ("diag",),
    _topk: ("topk",),
    _qr: ("qr",),
    _cdist: ("cdist",),
    _pad: ("pad",),
    _product_added: ("addmm", "addbmm", "baddbmm", "addmv"),
    _diff: ("diff",),
    _embedding: ("embedding", "Embedding"),
    _einsum: ("einsum",),
    _class_loss: ("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"),
}

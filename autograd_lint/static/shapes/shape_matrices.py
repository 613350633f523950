"""Shapes of what linear algebra and Fourier transforms give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import Operands, Params, first, group_shapes, integer, is_open
from autograd_lint.static.shapes.shape_views import Family

Shape = tuple[int, ...]


def _from_shape(rule: Callable[[Shape], Shape | None], *, rank: int, ordered: bool = False) -> Family:
    """A rule of the shape of the only argument, of at least `rank` dimensions; `ordered`: its strides are kept."""

    def family(params: Params, operands: Operands, index: int) -> Layout | None:
        layout = first(operands)
        if layout is None or len(layout.shape) < rank or len(params) > 1:
            return None
        if ordered and not layout.contiguous:
            return None
        shape = rule(layout.shape)
        return None if shape is None else layouts.fresh(shape)

    return family


def _pair(operands: Operands) -> tuple[Shape, Shape] | None:
    found = [tensor.layout for group in operands.values() for tensor in group]
    if len(found) != 2 or found[0] is None or found[1] is None:
        return None
    return found[0].shape, found[1].shape


def _kron(params: Params, operands: Operands, index: int) -> Layout | None:
    pair = _pair(operands)
    contiguous = all(
        tensor.layout is not None and tensor.layout.contiguous for group in operands.values() for tensor in group
    )
    if pair is None or len(pair[0]) != len(pair[1]) or not contiguous:
        return None
    return layouts.fresh(tuple(a * b for a, b in zip(*pair, strict=True)))


def _solution(params: Params, operands: Operands, index: int) -> Layout | None:
    """`solve(A, B)`: the shape of B, of one matrix A."""
    pair = _pair(operands)
    if pair is None or len(pair[0]) != 2 or len(pair[1]) > 2 or index != 0:
        return None
    return _by_columns(pair[1])


def _by_columns(shape: Shape) -> Layout | None:
    """A vector, or a matrix as LAPACK leaves it."""
    return layouts.fresh(shape) if len(shape) < 2 else layouts.transpose(layouts.fresh(shape[::-1]), 0, 1)


def _added_outer(params: Params, operands: Operands, index: int) -> Layout | None:
    found = [tensor.layout for group in operands.values() for tensor in group]
    if len(found) != 3 or any(one is None or len(one.shape) != 1 for one in found[1:]):
        return None
    return layouts.fresh(tuple(one.shape[0] for one in found[1:] if one is not None))


def _chain(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes = group_shapes(operands)
    if shapes is None or is_open(params) or any(len(shape) != 2 for shape in shapes):
        return None
    return layouts.fresh((shapes[0][0], shapes[-1][1]))


def _blocks(params: Params, operands: Operands, index: int) -> Layout | None:
    shapes = group_shapes(operands)
    if shapes is None or is_open(params) or any(len(shape) != 2 for shape in shapes):
        return None
    return layouts.fresh((sum(shape[0] for shape in shapes), sum(shape[1] for shape in shapes)))


def _deep(params: Params, operands: Operands, index: int) -> Layout | None:
    """`dstack` of matrices."""
    shapes = group_shapes(operands)
    if shapes is None or is_open(params) or any(len(shape) != 2 for shape in shapes):
        return None
    return layouts.fresh((*shapes[0], len(shapes)))


def _columns(params: Params, operands: Operands, index: int) -> Layout | None:
    """`column_stack` of vectors and matrices."""
    shapes = group_shapes(operands)
    if shapes is None or is_open(params) or any(len(shape) not in (1, 2) for shape in shapes):
        return None
    return layouts.fresh((shapes[0][0], sum(shape[1] if len(shape) == 2 else 1 for shape in shapes)))


def _attention(params: Params, operands: Operands, index: int) -> Layout | None:
    query, value = (operands.get(name, [None])[0] for name in ("query", "value"))
    if query is None or value is None or query.layout is None or value.layout is None or len(query.layout.shape) < 2:
        return None
    return layouts.fresh((*query.layout.shape[:-1], value.layout.shape[-1]))


def _contracted(params: Params, operands: Operands, index: int) -> Layout | None:
    """`tensordot` over the last dimensions of one and the first of the other."""
    pair, count = _pair(operands), integer(params.get("dims"), 2)
    if pair is None or count is None or count > min(len(pair[0]), len(pair[1])):
        return None
    return layouts.fresh((*pair[0][: len(pair[0]) - count], *pair[1][count:]))


def _decomposed(*ranks: int, by_rows: bool = False) -> Family:
    """The parts of a square matrix, each a vector or a matrix of its size; the last of the old `svd` is by rows."""

    def family(params: Params, operands: Operands, index: int) -> Layout | None:
        layout = first(operands)
        if layout is None or len(layout.shape) != 2 or layout.shape[0] != layout.shape[1] or index >= len(ranks):
            return None
        size = layout.shape[: ranks[index]]
        return layouts.fresh(size) if by_rows or (index == 2 and "A" not in params) else _by_columns(size)

    return family


def _part(params: Params, operands: Operands, index: int) -> Layout | None:
    """`x.real` of a complex tensor: every second number in memory."""
    layout, tensor = first(operands), next((group[0] for group in operands.values()), None)
    if layout is None or tensor is None or tensor.dtype is None or not tensor.dtype.startswith("complex"):
        return layout
    return Layout(layout.shape, tuple(2 * stride for stride in layout.strides), 2 * layout.offset)


MATRICES: Final[dict[Family, Sequence[str]]] = {
    _part: ("real",),
    _kron: ("kron",),
    _solution: ("solve", "solve_ex", "solve_triangular"),
    _added_outer: ("addr",),
    _chain: ("multi_dot",),
    _blocks: ("block_diag",),
    _deep: ("dstack",),
    _columns: ("column_stack",),
    _attention: ("scaled_dot_product_attention",),
    _contracted: ("tensordot",),
    _decomposed(2, 1, 2): ("svd",),
    _decomposed(1, 2): ("eigh",),
    _decomposed(2, 2, 2, by_rows=True): ("lu",),
    _from_shape(lambda s: (*s[:-2], min(s[-2:])), rank=2): ("svdvals",),
    _from_shape(lambda s: s[:-1], rank=2): ("eigvals", "eigvalsh"),
    _from_shape(lambda s: (*s[:-2], s[-1], s[-2]), rank=2): ("pinv", "pinverse"),
    _from_shape(lambda s: (s[0], s[0]) if len(s) == 2 else None, rank=2): ("cov", "corrcoef"),
    _from_shape(lambda s: (*s, s[-1]), rank=1): ("diag_embed", "vander"),
    _from_shape(lambda s: (s[0] * (s[0] - 1) // 2,) if len(s) == 2 else None, rank=2): ("pdist",),
    _from_shape(lambda s: s[:-1], rank=1): ("trapezoid", "trapz"),
    _from_shape(lambda s: (*s[:-1], s[-1] - 1), rank=1): ("cumulative_trapezoid",),
    _from_shape(lambda s: s, rank=1, ordered=True): ("fft", "ifft"),
    _from_shape(lambda s: (*s[:-1], s[-1] // 2 + 1), rank=1, ordered=True): ("rfft",),
    _from_shape(lambda s: (*s[:-1], 2 * (s[-1] - 1)), rank=1, ordered=True): ("irfft",),
    _from_shape(lambda s: (*s, 2), rank=0, ordered=True): ("view_as_real",),
    _from_shape(lambda s: (*s[:-1], s[-1] // 2), rank=1): ("glu",),
}

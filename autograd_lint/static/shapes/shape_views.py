"""Shapes of what is a view, or may be one: reshapes, transpositions, expansions, cuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import Operands, Params, first, integer, integers, sizes

Family = Callable[[Params, Operands, int], Layout | None]
"""A rule: the arguments, the tensors among them, and which output is asked for."""


def _view(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, wanted = first(operands), sizes(params, "size", "shape", "sizes")
    if layout is None or wanted is None:
        return None
    shape = layouts.resolve_sizes(layout.numel, wanted)
    if shape is None:
        return None
    return layouts.view(layout, shape) or layouts.fresh(shape)


def _like_other(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    other = operands.get("other")
    shape = other[0].layout if other else None
    if layout is None or shape is None:
        return None
    return layouts.view(layout, shape.shape) or layouts.fresh(shape.shape)


def _flatten(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    start, end = integer(params.get("start_dim"), 0), integer(params.get("end_dim"), -1)
    if layout is None or start is None or end is None:
        return None
    shape = layouts.flatten(layout, start, end)
    return None if shape is None else layouts.view(layout, shape) or layouts.fresh(shape)


def _ravel(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    return None if layout is None else Layout((layout.numel,), (1,), layout.offset if layout.contiguous else 0)


def _transpose(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    one = integer(params.get("dim0", params.get("axis0")))
    other = integer(params.get("dim1", params.get("axis1")))
    return None if layout is None or one is None or other is None else layouts.transpose(layout, one, other)


def _reverse(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    return None if layout is None else layouts.permute(layout, range(len(layout.shape))[::-1])


def _last_two(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    return layout if layout is None or len(layout.shape) < 2 else layouts.transpose(layout, -1, -2)


def _permute(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dims = first(operands), sizes(params, "dims")
    return None if layout is None or dims is None else layouts.permute(layout, dims)


def _unsqueeze(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dim = first(operands), integer(params.get("dim"))
    return None if layout is None or dim is None else layouts.insert(layout, dim)


def _squeeze(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    dims = integers(params["dim"]) if "dim" in params else None
    if layout is None or ("dim" in params and dims is None):
        return None
    return layouts.squeeze(layout, dims)


def _expand(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, wanted = first(operands), sizes(params, "size", "shape", "sizes")
    return None if layout is None or wanted is None else layouts.expand(layout, wanted)


def _expand_as(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, other = first(operands), operands.get("other")
    shape = other[0].layout if other else None
    return None if layout is None or shape is None else layouts.expand(layout, shape.shape)


def _narrow(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    dim, start, length = (integer(params.get(key)) for key in ("dim", "start", "length"))
    if layout is None or dim is None or start is None or length is None:
        return None
    return layouts.cut(layout, dim, slice(start, start + length))


def _select(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dim, at = first(operands), integer(params.get("dim")), integer(params.get("index"))
    return None if layout is None or dim is None or at is None else layouts.select(layout, dim, at)


def _diagonal(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    if layout is None or len(layout.shape) < 2 or len(params) > 1:
        return None
    step = layout.strides[0] + layout.strides[1]
    return Layout((*layout.shape[2:], min(layout.shape[:2])), (*layout.strides[2:], step), layout.offset)


def _as_strided(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, wanted, strides = first(operands), integers(params.get("size")), integers(params.get("stride"))
    start = integer(params.get("storage_offset"), layout.offset if layout is not None else 0)
    if layout is None or wanted is None or strides is None or start is None or len(wanted) != len(strides):
        return None
    return Layout(wanted, strides, start)


def _unfold(params: Params, operands: Operands, index: int) -> Layout | None:
    layout = first(operands)
    dim, size, step = (integer(params.get(key)) for key in ("dimension", "size", "step"))
    at = layouts.axis(layout, dim) if layout is not None and dim is not None else None
    if layout is None or at is None or size is None or not step or not 0 < size <= layout.shape[at]:
        return None
    shape, strides = list(layout.shape), list(layout.strides)
    stride = strides[at]
    shape[at], strides[at] = (shape[at] - size) // step + 1, stride * step
    return Layout((*shape, size), (*strides, stride), layout.offset)


def _move(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, sources, targets = first(operands), integers(params.get("source")), integers(params.get("destination"))
    if layout is None or sources is None or targets is None or len(sources) != len(targets):
        return None
    moved = {layouts.axis(layout, to): layouts.axis(layout, at) for at, to in zip(sources, targets, strict=True)}
    if None in moved or None in moved.values() or len(moved) != len(sources):
        return None
    rest = iter([dim for dim in range(len(layout.shape)) if dim not in moved.values()])
    order = [moved[dim] if dim in moved else next(rest) for dim in range(len(layout.shape))]
    return layouts.permute(layout, [dim for dim in order if dim is not None])


def _unflatten(params: Params, operands: Operands, index: int) -> Layout | None:
    layout, dim, wanted = first(operands), integer(params.get("dim")), integers(params.get("sizes"))
    at = layouts.axis(layout, dim) if layout is not None and dim is not None else None
    if layout is None or at is None or wanted is None:
        return None
    inner = layouts.resolve_sizes(layout.shape[at], wanted)
    return None if inner is None else layouts.view(layout, (*layout.shape[:at], *inner, *layout.shape[at + 1 :]))


def _at_least(rank: int) -> Family:
    """`atleast_1d`, `atleast_2d`: new dimensions in front."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        layout = first(operands)
        while layout is not None and len(layout.shape) < rank:
            layout = layouts.insert(layout, 0)
        return layout if len(operands) == 1 else None

    return rule


VIEWS: Final[dict[Family, Sequence[str]]] = {
    _view: ("view", "reshape"),
    _like_other: ("view_as", "reshape_as"),
    _flatten: ("flatten",),
    _ravel: ("ravel",),
    _transpose: ("transpose", "swapaxes", "swapdims"),
    _reverse: ("t", "T"),
    _last_two: ("mT", "mH", "H"),
    _move: ("movedim", "moveaxis"),
    _unflatten: ("unflatten",),
    _at_least(1): ("atleast_1d",),
    _at_least(2): ("atleast_2d",),
    _permute: ("permute",),
    _unsqueeze: ("unsqueeze",),
    _squeeze: ("squeeze",),
    _expand: ("expand", "broadcast_to"),
    _expand_as: ("expand_as",),
    _narrow: ("narrow",),
    _select: ("select",),
    _diagonal: ("diagonal",),
    _as_strided: ("as_strided",),
    _unfold: ("unfold",),
}

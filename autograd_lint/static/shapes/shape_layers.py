"""Shapes of what layers of networks return: convolutions, pooling, recurrent layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from autograd_lint.static.model.values import Const
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import Operands, Params, first, integer, integers, layout_of
from autograd_lint.static.shapes.shape_views import Family


def _each(params: Params, name: str, count: int, default: Sequence[int] | None) -> tuple[int, ...] | None:
    """An option with a number for each of `count` dimensions, or one for all."""
    given = params.get(name)
    if given is None or (type(given) is Const and given.value is None):
        return None if default is None else tuple(default)
    found = integers(given)
    if found is None or len(found) not in (1, count):
        return None
    return found * count if len(found) == 1 else found


def _switched(params: Params, name: str, *, default: bool = False) -> bool | None:
    given = params.get(name)
    if given is None:
        return default
    return bool(given.value) if type(given) is Const else None


def _window(params: Params, sizes: Sequence[int], kernel: Sequence[int], step: Sequence[int]) -> list[int] | None:
    """What a window of size `kernel` leaves of each of `sizes`, by torch's formula."""
    count = len(sizes)
    padding, dilation = _each(params, "padding", count, (0,) * count), _each(params, "dilation", count, (1,) * count)
    if padding is None or dilation is None or 0 in step:
        return None
    rows = zip(sizes, kernel, step, padding, dilation, strict=True)
    result = [(size + 2 * pad - dil * (k - 1) - 1) // by + 1 for size, k, by, pad, dil in rows]
    return result if all(size > 0 for size in result) else None


def _kernel(params: Params, operands: Operands, count: int) -> tuple[int, ...] | None:
    weight = layout_of(operands, "weight")
    return weight.shape[2:] if weight is not None else _each(params, "kernel_size", count, None)


def _convolution(count: int) -> Family:
    """`Conv2d`, `F.conv2d`: as many channels as the weight has rows."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        layout, weight = first(operands), layout_of(operands, "weight")
        kernel, step = _kernel(params, operands, count), _each(params, "stride", count, (1,) * count)
        channels = weight.shape[0] if weight is not None else integer(params.get("out_channels"))
        if layout is None or kernel is None or step is None or channels is None or len(kernel) != count:
            return None
        if len(layout.shape) not in (count + 1, count + 2) or not layout.contiguous:
            return None
        sizes = _window(params, layout.shape[-count:], kernel, step)
        return None if sizes is None else layouts.fresh((*layout.shape[: -count - 1], channels, *sizes))

    return rule


def _pooling(count: int) -> Family:
    """`MaxPool2d`, `F.avg_pool2d`."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        layout, kernel = first(operands), _each(params, "kernel_size", count, None)
        step = _each(params, "stride", count, kernel)
        if layout is None or kernel is None or step is None or _switched(params, "ceil_mode") is not False:
            return None
        if len(layout.shape) not in (count + 1, count + 2) or not layout.contiguous:
            return None
        sizes = _window(params, layout.shape[-count:], kernel, step)
        return None if sizes is None else layouts.fresh((*layout.shape[:-count], *sizes))

    return rule


def _adaptive(count: int) -> Family:
    """`AdaptiveAvgPool2d`."""

    def rule(params: Params, operands: Operands, index: int) -> Layout | None:
        layout, sizes = first(operands), _each(params, "output_size", count, None)
        if layout is None or sizes is None or len(layout.shape) not in (count + 1, count + 2):
            return None
        return layouts.fresh((*layout.shape[:-count], *sizes)) if layout.contiguous else None

    return rule


def _flatten(params: Params, operands: Operands, index: int) -> Layout | None:
    """`nn.Flatten`, which leaves the first dimension alone."""
    layout = first(operands)
    start, end = integer(params.get("start_dim"), 1), integer(params.get("end_dim"), -1)
    if layout is None or start is None or end is None:
        return None
    shape = layouts.flatten(layout, start, end)
    return None if shape is None else layouts.view(layout, shape) or layouts.fresh(shape)


def _recurrent(params: Params, operands: Operands, index: int) -> Layout | None:
    """`LSTM`, `GRU`, `RNN`: the outputs of the last layer, then the last states of all layers."""
    layout, hidden = first(operands), integer(params.get("hidden_size"))
    layers, turned = integer(params.get("num_layers"), 1), _switched(params, "batch_first")
    both = _switched(params, "bidirectional")
    if layout is None or None in (hidden, layers, turned, both) or "proj_size" in params:
        return None
    assert hidden is not None
    assert layers is not None
    directions = 2 if both else 1
    if index:
        batch = layout.shape[0 if turned else 1 : 1 if turned else 2] if len(layout.shape) == 3 else ()
        return layouts.fresh((layers * directions, *batch, hidden))
    shape = (*layout.shape[:-1], hidden * directions)
    if not turned or len(shape) != 3:
        return layouts.fresh(shape)
    return layouts.transpose(layouts.fresh((shape[1], shape[0], shape[2])), 0, 1)


def _cell(params: Params, operands: Operands, index: int) -> Layout | None:
    """`LSTMCell`, `GRUCell`, `RNNCell`: one state, or two."""
    layout, hidden = first(operands), integer(params.get("hidden_size"))
    return None if layout is None or hidden is None else layouts.fresh((*layout.shape[:-1], hidden))


_PLACES: Final[Mapping[int, str]] = {1: "1d", 2: "2d", 3: "3d"}

LAYERS: Final[dict[Family, Sequence[str]]] = {
    **{_convolution(count): (f"conv{place}", f"Conv{place}") for count, place in _PLACES.items()},
    **{
        _pooling(count): tuple(name + place for name in ("max_pool", "avg_pool", "MaxPool", "AvgPool"))
        for count, place in _PLACES.items()
    },
    **{
        _adaptive(count): tuple(
            name + place for name in ("adaptive_avg_pool", "adaptive_max_pool", "AdaptiveAvgPool", "AdaptiveMaxPool")
        )
        for count, place in _PLACES.items()
    },
    _flatten: ("Flatten",),
    _recurrent: ("LSTM", "GRU", "RNN"),
    _cell: ("LSTMCell", "GRUCell", "RNNCell"),
}

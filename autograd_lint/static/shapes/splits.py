"""Functions that return several views: how many pieces, and what of the tensor each one is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Const, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.tensors import apply_effect, kind_of, tensor_of
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import integer, integers
from autograd_lint.static.syntax import ir

_NAMES: Final = ("unbind", "split", "chunk", "tensor_split", "split_with_sizes", "unsafe_split", "unsafe_chunk")
SPLITS: Final = frozenset({f"{place}.{name}" for place in ("torch", "Tensor") for name in _NAMES})
_UNKNOWN_PIECES: Final = 4
"""As many pieces as programs unpack (the gates of an LSTM) when their number is not known."""
_UNKNOWN_ROWS: Final = 2


def split_tensor(run: Run, name: str, params: Mapping[str, Value], node: ir.Node) -> Value:
    """The pieces that `name` returns; open when their number is not known."""
    source = params.get("self", params.get("input", params.get("tensor")))
    effect = table.effect(name, {key: kind_of(value) for key, value in params.items()})
    tensor = tensor_of(run, source) if source is not None else None
    if effect is None or tensor is None or not effect.outputs:
        return Unknown()
    layout = tensor.layout
    bounds = _pieces(name.rpartition(".")[2], layout, params)
    count = len(bounds) if bounds is not None else _count(name, params)
    number = count or (_UNKNOWN_ROWS if name.endswith("unbind") else _UNKNOWN_PIECES)
    pieces = replace(effect, outputs=effect.outputs[:1] * number, container=f"({'.' * number})")
    result = apply_effect(run, name, pieces, params, node)
    if isinstance(result, Seq):
        result.kind = "tuple"
        result.open = count is None
        _lay_out(result, layout, bounds, _dimension(params), drop=name.endswith("unbind"))
    return result


def _lay_out(result: Seq, layout: Layout | None, bounds: list[slice] | None, dim: int | None, *, drop: bool) -> None:
    for i, piece in enumerate(result.items):
        if not isinstance(piece, Tensor):
            continue
        if layout is None or bounds is None or dim is None or i >= len(bounds):
            piece.layout = None
        elif drop:
            piece.layout = layouts.select(layout, dim, bounds[i].start)
        else:
            piece.layout = layouts.cut(layout, dim, bounds[i])


def _dimension(params: Mapping[str, Value]) -> int | None:
    return integer(params.get("dim"), 0)


def _count(name: str, params: Mapping[str, Value]) -> int | None:
    """The number of pieces when only the arguments tell it."""
    sizes = integers(
        next((params[key] for key in ("split_size", "split_size_or_sections", "split_sizes") if key in params), None)
    )
    if name.rpartition(".")[2] in ("split", "split_with_sizes") and sizes is not None and len(sizes) > 1:
        return len(sizes)
    if name.rpartition(".")[2] in ("chunk", "tensor_split", "unsafe_chunk"):
        return integer(params.get("chunks", params.get("sections"))) or None
    return None


def _pieces(short: str, layout: Layout | None, params: Mapping[str, Value]) -> list[slice] | None:
    """The cuts along the dimension, when all sizes are known."""
    dim = _dimension(params)
    at = layouts.axis(layout, dim) if layout is not None and dim is not None else None
    if layout is None or at is None:
        return None
    size = layout.shape[at]
    argument = next((v for key, v in params.items() if key not in ("self", "input", "tensor", "dim")), None)
    if short == "unbind":
        return [slice(i, i + 1) for i in range(size)]
    given = integers(argument)
    if given is None:
        return None
    if short == "tensor_split":
        return _tensor_split(size, given, single=isinstance(argument, Const))
    if isinstance(argument, Const):
        step = given[0] if "split" in short else -(-size // given[0]) if given[0] else 0
        return [slice(i, min(i + step, size)) for i in range(0, size, step)] if step > 0 else None
    edges = [0]
    for length in given:
        edges.append(edges[-1] + length)
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _tensor_split(size: int, given: tuple[int, ...], *, single: bool) -> list[slice] | None:
    if not single:
        edges = [0, *given, size]
        return [slice(a, max(a, b)) for a, b in itertools.pairwise(edges)]
    count = given[0]
    if count < 1:
        return None
    base, extra = divmod(size, count)
    edges = [0]
    for i in range(count):
        edges.append(edges[-1] + base + (i < extra))
    return [slice(a, b) for a, b in itertools.pairwise(edges)]

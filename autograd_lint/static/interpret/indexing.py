"""Indexing: `x[i]` and `x[i] = v`, of tensors, and of whatever else has items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autograd_lint.events import How, IndexRead
from autograd_lint.facts import table
from autograd_lint.static.interpret.containers import (
    read_dict,
    read_sequence,
    slice_of,
    write_dict,
    write_sequence,
)
from autograd_lint.static.interpret.state import Run, settled
from autograd_lint.static.model.by_hand import follow_gradients
from autograd_lint.static.model.dtypes import INTEGERS
from autograd_lint.static.model.traces import carry_write, unknown_from
from autograd_lint.static.model.values import (
    Const,
    DataSet,
    Dict,
    Instance,
    NNModule,
    Seq,
    SliceValue,
    Tensor,
    Tri,
    Unknown,
    Value,
)
from autograd_lint.static.operations.holders import is_scattered
from autograd_lint.static.operations.sharing import refuses_copy, shares_storage
from autograd_lint.static.operations.tensors import (
    apply_effect,
    describe,
    kind_of,
    known_tensor,
    new_record,
    operand_tensors,
    uncertain_operands,
    write_array,
)
from autograd_lint.static.patterns import weights
from autograd_lint.static.patterns.copies import surely_copies
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shapes import indexed_layout
from autograd_lint.static.syntax import ir

_LONG: Final = 32
"""From this length on torch takes every list for one of indices."""


def index_kind(index: Value) -> str:
    """Whether indexing with `index` gives a view ("basic", "full") or a copy ("advanced"); "?" when not known."""
    if isinstance(index, Seq) and index.kind == "tuple":
        kinds = {index_kind(item) for item in index.items} - {"full"}
        for kind in ("advanced", "?"):
            if kind in kinds:
                return kind
        return "basic" if index.items else "full"
    if isinstance(index, SliceValue):
        bounds = (index.lower, index.upper, index.step)
        return "full" if all(type(b) is Const and b.value is None for b in bounds) else "basic"
    if type(index) is Const:
        if index.value is Ellipsis:
            return "full"
        return "advanced" if isinstance(index.value, bool) else "basic"
    if type(index) is Tensor:
        scalar = index.layout is not None and not index.layout.shape and index.dtype in INTEGERS - {"bool", "uint8"}
        return "basic" if scalar else "advanced"
    if isinstance(index, Seq):
        return "advanced"
    return "basic" if type(index) is Unknown and index.kind == "number" else "?"


def _meant(index: Value) -> Value:
    """`index` as torch reads it: a short list with a slice, a sequence, a tensor, `None` or `...` in it is a tuple."""
    if not isinstance(index, Seq) or index.kind != "list" or len(index.items) >= _LONG:
        return index
    if any(_sets_apart(item) for item in index.items):
        return Unknown() if index.open else Seq("tuple", index.items)
    return Unknown() if any(type(item) is Unknown and not item.kind for item in index.items) else index


def _sets_apart(item: Value) -> bool:
    return isinstance(item, Tensor | Seq | SliceValue) or (type(item) is Const and item.value in (None, Ellipsis))


def index_tensors(index: Value) -> Value:
    """What of an index a node can save."""
    if isinstance(index, Seq) and index.kind == "tuple":
        return Seq("list", [item for item in index.items if type(item) is Tensor])
    return index


def read_index(run: Run, base: Value, index: Value, node: ir.Node) -> Value:
    """`base[index]`."""
    if isinstance(base, Seq):
        return read_sequence(run, base, index)
    if isinstance(base, Dict):
        return read_dict(run, base, settled(run, index), node)
    if isinstance(base, NNModule):
        return _read_module(base, index)
    if isinstance(base, DataSet):
        return _read_row(run, base, index, node)
    tensor = known_tensor(base)
    if tensor is None:
        if isinstance(base, Unknown):
            item = _read_unknown(base, index)
            weights.note_item(run, base, index, item)
            return item
        return run.call_hook(base, "__getitem__", [index], node) if isinstance(base, Instance) else Unknown()
    if tensor.numpy:
        return _array_view(run, tensor)
    index = _meant(index)
    kind = index_kind(index)
    effect = table.effect("Tensor.__getitem__", {"self": "T", "index": kind})
    if effect is None:
        return Unknown()
    params = {"self": base, "index": index_tensors(index)}
    result = apply_effect(run, "Tensor.__getitem__", effect, params, node)
    if isinstance(result, Tensor) and result is not tensor:
        result.layout = indexed_layout(tensor.layout, index)
        result.rank = _masked_rank(tensor, index)
        result.dtype = tensor.dtype
        name = describe(node)
        result.name = name
        if kind == "advanced" and surely_copies(index):
            result.copied = run.site(node)
        if kind in ("basic", "full") and run.machine.ref(tensor).in_graph:
            run.machine.emit(IndexRead(site=run.site(node), target=run.machine.ref(tensor)))
    return result


def _masked_rank(tensor: Tensor, index: Value) -> int | None:
    """A mask picks as many elements as it has True ones, which no layout tells."""
    if type(index) is not Tensor or index.dtype != "bool" or index.layout is None or tensor.layout is None:
        return None
    return len(tensor.layout.shape) - len(index.layout.shape) + 1


def _read_module(base: NNModule, index: Value) -> Value:
    """`modules[0]`, `modules["head"]`, `layers[:-1]`: a child of a container, or a container of some."""
    children = list(base.children.values())
    if type(index) is Const and isinstance(index.value, str):
        return base.children.get(index.value) or Unknown()
    if type(index) is Const and isinstance(index.value, int) and not base.open:
        return children[index.value] if -len(children) <= index.value < len(children) else Unknown()
    bounds = slice_of(index) if isinstance(index, SliceValue) else None
    if bounds is None or base.open:
        return Unknown()
    part = NNModule(base.name, {}, {}, {}, {}, base.site, base.training, loops=base.loops)
    part.children.update({str(i): child for i, child in enumerate(children[bounds])})
    return part


def _read_row(run: Run, base: DataSet, index: Value, node: ir.Node) -> Value:
    """`data[index]` of a data set: views of its tensors, or what the program's own class gives."""
    if not base.tensors:
        return read_index(run, base.origin, index, node) if base.origin is not None else Unknown()
    at = index if base.whole else Unknown(kind="number")
    return Seq("tuple", [read_index(run, tensor, at, node) for tensor in base.tensors])


def _array_view(run: Run, array: Tensor) -> Tensor:
    result = run.machine.tensor(array.site)
    result.memory, result.counter, result.numpy = array.memory, array.counter, True
    result.trace = array.trace
    return result


def _read_unknown(base: Unknown, index: Value) -> Value:
    if type(index) is Const and isinstance(index.value, int | str):
        return base.attr(f"[{index.value!r}]")
    return unknown_from(base, sources=base.sources)


def write_index(
    run: Run, base: Value, index: Value, value: Value, node: ir.Node, *, how: How, target: ir.Node | None = None
) -> None:
    """`base[index] = value`."""
    if isinstance(base, Seq):
        write_sequence(run, base, index, value)
        return
    if isinstance(base, Dict):
        write_dict(run, base, index, value)
        return
    tensor = known_tensor(base)
    if tensor is None:
        weights.note_write(run, base, target or node, how)
        if type(base) is Unknown and type(index) is Const and isinstance(index.value, int | str):
            if base.attrs is None:
                base.attrs = {}
            base.attrs[f"[{index.value!r}]"] = value
        elif isinstance(base, Instance):
            run.call_hook(base, "__setitem__", [index, value], node)
        return
    if tensor.numpy:
        write_array(run, tensor, node, op="[]=", how=How.INDEX, value=_number(value))
        return
    _write_elements(run, base, tensor, index, value, node, how=how, target=target or node)


def _refuses_copy(region: Layout | None, sources: Sequence[Layout | None]) -> bool:
    """Torch assigns by `copy_` to the part of the tensor."""
    effect = table.effect("Tensor.copy_", {})
    return effect is not None and refuses_copy(effect, "self", region, [("other", source) for source in sources])


def _as_assigned(source: Layout | None, region: Layout | None) -> Layout | None:
    """What an index assignment copies: `source` without dimensions of size 1 in front, expanded to the region."""
    if source is None or region is None or source.shape == region.shape:
        return source
    if not source.shape:
        return None  # torch fills with it, by way of a copy where it lies in what it fills
    shape, strides = source.shape, source.strides
    while len(shape) and shape[0] == 1:
        shape, strides = shape[1:], strides[1:]
    return layouts.expand(Layout(shape, strides, source.offset), region.shape)


def _has_shape(values: Sequence[Tensor], region: Layout | None) -> Tri:
    """Whether the value has the shape of the region it is written to."""
    layout = values[0].layout if len(values) == 1 else None
    return None if layout is None or region is None else layout.shape == region.shape


def _takes_part(tensor: Tensor, index: Value, region: Layout | None) -> Tri:
    """Whether torch makes a view before it writes `tensor[index]`: not for `x[:]`, a mask or a list alone."""
    kind = index_kind(index)
    if kind == "basic" and region is not None and tensor.layout is not None:
        return region.shape != tensor.layout.shape
    items = index.items if isinstance(index, Seq) and index.kind == "tuple" else [index]
    if any(type(item) is Const and type(item.value) in (int, type(None)) for item in items):
        return True
    return False if kind in ("full", "advanced") else None


def _number(value: Value) -> float | None:
    number = value.value if type(value) is Const else None
    return float(number) if isinstance(number, int | float) else None


def _write_elements(
    run: Run, base: Value, tensor: Tensor, index: Value, value: Value, node: ir.Node, *, how: How, target: ir.Node
) -> None:
    machine = run.machine
    index = _meant(index)
    kinds = {"self": "T", "index": index_kind(index), "value": kind_of(value)}
    effect = table.effect("Tensor.__setitem__", kinds)
    if effect is None:
        return
    params = {"self": base, "index": index_tensors(index), "value": value}
    operands = operand_tensors(run, params)
    site = run.site(node)
    named = describe(target.base) if isinstance(target, ir.Subscript) else ""
    record = new_record(run, tensor, site, how=how, op="[]=", name=named)
    values = [t for key in ("value", "index") for t in operands.get(key, ())]
    record.scattered = is_scattered(run, tensor, index)
    record.value_in_graph = any(machine.requires(t) is True for t in operands.get("value", ()))
    region = indexed_layout(tensor.layout, index)
    record.part = part = _takes_part(tensor, index, region)
    record.fits = _has_shape(operands.get("value", ()), region)
    sharing = [_as_assigned(t.layout, region) for t in operands.get("value", ()) if shares_storage(t, tensor)]
    if machine.admits(record, values):
        made = machine.record("[]=", effect, operands, site=site)
        uncertain_operands(made, params, effect)
        if made is not None and kinds["index"] in ("basic", "full"):
            made.frees = part  # only `CopySlices` gives up what it wraps; a copy to the whole saves nothing
        spot = tensor.layout if kinds["index"] == "advanced" else region
        if made is not None and spot is not None and spot.overlapping:
            made.overlapping = record
        machine.perform(record, made, overlaps=_refuses_copy(region, sharing))
        if run.traced:
            carry_write(run, tensor, (base, value), made)
        if run.gradients.passes:
            follow_gradients(run, operands.get("value", ()), (), (tensor,), site)

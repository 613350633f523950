"""Operations on tensors: operators, indexing and named operations, from the measured facts to the machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from autograd_lint.events import How, Site
from autograd_lint.facts import table
from autograd_lint.facts.kinds import UNKNOWN, constant_kind, tensor_kind, tensors_kind
from autograd_lint.facts.model import Alias, Effect, Output
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.by_hand import follow_gradients
from autograd_lint.static.model.dtypes import INTEGERS, result_dtype
from autograd_lint.static.model.machine import GraphNode, WriteRecord
from autograd_lint.static.model.saved import labelled
from autograd_lint.static.model.singularities import note_derivative
from autograd_lint.static.model.traces import carry, loses, unknown_from
from autograd_lint.static.model.values import (
    NONE,
    Builtin,
    Const,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.holders import is_spare
from autograd_lint.static.operations.laid_out import leave_out_copies
from autograd_lint.static.operations.numbers import without_numbers_sake
from autograd_lint.static.operations.sharing import refuses_copy, refuses_memory, shares_storage
from autograd_lint.static.operations.variants import settled
from autograd_lint.static.patterns.networks import inherit
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shapes import is_unreduced, result_layout, settled_alias
from autograd_lint.static.syntax import ir

_OPERATORS: Final = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "truediv",
    "//": "floordiv",
    "%": "mod",
    "**": "pow",
    "@": "matmul",
    "&": "and",
    "|": "or",
    "^": "xor",
    "<<": "lshift",
    ">>": "rshift",
}
_COMPARISONS: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_UNARY: Final = {"-": "neg", "+": "pos", "~": "invert"}
_SYMBOLS: Final = (
    {f"__{name}__": op for op, name in _OPERATORS.items()}
    | {f"__r{name}__": op for op, name in _OPERATORS.items()}
    | {f"__i{name}__": f"{op}=" for op, name in _OPERATORS.items()}
    | {"__neg__": "-", "__pos__": "+", "__getitem__": "[]", "__setitem__": "[]="}
)
_HANDING_ON: Final = frozenset({"Tensor.__add__", "Tensor.__radd__", "Tensor.clone", "torch.clone"})
"""Operations whose operands get the gradient that arrives, and no copy of it (a test runs torch)."""


def tensor_of(run: Run, value: Value) -> Tensor | None:
    """The tensor `value` is, or must be once a torch operation takes it."""
    if type(value) is Tensor:
        return value
    if type(value) is Unknown and value.kind in ("", "tensor"):
        if value.tensor is None:
            tensor = run.machine.tensor(None, requires_grad=None)
            tensor.loops = ()
            tensor.name = value.name
            value.tensor = tensor
            inherit(run, value, tensor)
        return value.tensor
    return None


def proven_tensor(run: Run, value: Value) -> Tensor | None:
    """As `tensor_of`, for a place where only a tensor works: from now on `value` is known to be one."""
    tensor = tensor_of(run, value)
    if tensor is not None and type(value) is Unknown:
        value.kind = "tensor"
    return tensor


def known_tensor(value: Value) -> Tensor | None:
    """The tensor `value` is known to be."""
    if type(value) is Tensor:
        return value
    if type(value) is Unknown and value.kind == "tensor":
        return value.tensor
    return None


def annotated(run: Run, value: Unknown, annotation: Value | None) -> Value:
    """`value` with what its annotation says."""
    if isinstance(annotation, Builtin) and annotation.name in ("int", "float"):
        value.kind = "number"
    if isinstance(annotation, TorchName) and annotation.name in ("torch.Tensor", "torch.FloatTensor"):
        proven_tensor(run, value)
    return value


def receiver(node: ir.Node) -> str:
    """The source of what a method is called on; empty where `node` is no such call."""
    return describe(node.func.base) if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else ""


def describe(node: ir.Node) -> str:
    """The source of a short expression, for messages."""
    if isinstance(node, ir.Name):
        return node.id
    if isinstance(node, ir.Attr):
        base = describe(node.base)
        return f"{base}.{node.name}" if base else node.name
    if isinstance(node, ir.Subscript):
        base = describe(node.base)
        return f"{base}[…]" if base else ""
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr):
        base = describe(node.func.base)
        return f"{base}.{node.func.name}(…)" if base else ""
    return ""


def kind_of(value: Value) -> str:
    """How the table of facts sees an argument (see `facts.kinds`)."""
    kind = type(value)
    if kind is Tensor:
        return _tensor_kind(value)  # type: ignore[arg-type]
    if kind is Const:
        return constant_kind(value.value)  # type: ignore[attr-defined]
    if kind is Unknown:
        return {"tensor": "T", "number": "#"}.get(value.kind, UNKNOWN)  # type: ignore[attr-defined]
    if kind is Seq:
        return _sequence_kind(value)  # type: ignore[arg-type]
    return UNKNOWN


def _tensor_kind(tensor: Tensor) -> str:
    rank = len(tensor.layout.shape) if tensor.layout is not None else tensor.rank
    return tensor_kind(floating=tensor.dtype not in INTEGERS, rank=rank)


def _sequence_kind(value: Seq) -> str:
    tensors = sum(type(item) is Tensor for item in value.items)
    if tensors:
        whole = not value.open and all(type(item) in (Tensor, Const) for item in value.items)
        return tensors_kind(tensors if whole else None)
    if value.open or not all(type(item) is Const for item in value.items):
        return UNKNOWN
    numbers = [item.value for item in value.items if type(item) is Const]
    return "i1" if numbers and all(number == 1 for number in numbers) else "i"


def is_in_place(name: str) -> bool:
    """A method of tensors that writes to the tensor: `add_`."""
    return name.endswith("_") and table.parameters(f"Tensor.{name}") is not None


def display(name: str) -> str:
    """An operation as a reader writes it: `exp`, `*`, `add_`."""
    short = name.rpartition(".")[2]
    return _SYMBOLS.get(short, short)


# ----------------------------------------------------------- named operations


def apply_named(
    run: Run,
    name: str,
    params: Mapping[str, Value],
    node: ir.Node,
    *,
    how: How = How.METHOD,
    target: str = "",
    constructor: Site | None = None,
) -> Value | None:
    """Do what the table says that `name` does; None when the table does not know it."""
    name, params = settled(name, params)
    kinds = {key: kind_of(value) for key, value in params.items()}
    effect = table.effect(name, kinds)
    if effect is None:
        return None
    if effect.saved:
        effect = without_numbers_sake(run, name, params, kinds, effect)
    return apply_effect(run, name, effect, params, node, how=how, target=target, constructor=constructor)


def operand_tensors(run: Run, params: Mapping[str, Value]) -> dict[str, list[Tensor]]:
    """The tensors among the arguments, by parameter."""
    operands: dict[str, list[Tensor]] = {}
    for key, value in params.items():
        if type(value) is Seq:
            group = [t for item in value.items if (t := tensor_of(run, item)) is not None]
        else:
            tensor = tensor_of(run, value)
            group = [] if tensor is None else [tensor]
        if group:
            operands[key] = group
    return operands


def apply_effect(
    run: Run,
    name: str,
    effect: Effect,
    params: Mapping[str, Value],
    node: ir.Node,
    *,
    how: How = How.METHOD,
    target: str = "",
    constructor: Site | None = None,
    inner: frozenset[str] = frozenset(),
) -> Value:
    """Carry out a measured effect: node, writes, outputs. Torch itself writes `inner` under `no_grad`."""
    if "*" in effect.container and effect.outputs[0].of.endswith("[]"):
        return _apply_to_each(run, name, effect, params, node)
    machine = run.machine
    site = run.site(node)
    operands = operand_tensors(run, params)
    writes = list(_planned_writes(run, name, effect, params, operands, site, how=how, target=target, inner=inner))
    for _, record, others in writes:
        record.constructor = constructor
        if not machine.admits(record, others):
            return Unknown()
    handed_back = not writes and _hands_back(name, effect, params, operands)
    made = None if handed_back else machine.record(display(name), effect, operands, site=site)
    uncertain_operands(made, params, effect)
    leave_out_copies(made, name, operands)
    _inner_writes(run, [t for label in effect.written if label in inner for t in operands.get(label, ())], site)
    for written, record, _ in writes:
        machine.perform(record, made, overlaps=_refuses_memory(effect, written, record, operands))
    specs = _all_outputs(effect)
    outputs = [_output(run, name, out, i, params, operands, made, site) for i, out in enumerate(specs)]
    if made is not None and len(outputs) == 1:
        made.reshapes = _shows_all(outputs[0])
        made.hands_on = _hands_on(run, name, operands, outputs[0])
    machine.save_outputs(made, effect, outputs)
    if made is not None:
        note_derivative(run, made.op, name, made, params, site)
    elif outputs and outputs[0].dtype == "bool":
        _note_tested(outputs[0], operands)
    if run.traced or (made is None and loses(run, effect)):
        carry(run, display(name), effect, params, operands, made, outputs, site)
    if run.gradients.passes:
        given = [t for group in operands.values() for t in group]
        follow_gradients(run, given, outputs, [record.tensor for _, record, _ in writes], site)
    return pack(effect, outputs)


def _hands_back(name: str, effect: Effect, params: Mapping[str, Value], operands: Mapping[str, list[Tensor]]) -> bool:
    """The result is the operand itself: torch makes no node, and does not ask for the operand's history."""
    out = effect.outputs[0] if len(effect.outputs) == 1 else None
    sources = labelled(operands, out.of) if out is not None and out.of else []
    if out is None or not sources:
        return False
    if out.alias is Alias.MAYBE:
        out = settled_alias(name, out, sources[0], params, result_layout(name, out, 0, params, operands))
    return out.alias is Alias.SELF


def _shows_all(result: Tensor) -> bool:
    """A view of all elements of its base: its gradient is handed on as a view."""
    layout, base = result.layout, result.base
    return base is not None and layout is not None and base.layout is not None and layout.numel == base.layout.numel


def _hands_on(
    run: Run, name: str, operands: Mapping[str, list[Tensor]], result: Tensor
) -> tuple[GraphNode | Tensor, ...]:
    """Where the gradient that arrives goes on as it is: to operands that are as large as the result."""
    if name not in _HANDING_ON or result.layout is None:
        return ()
    shape = result.layout.shape
    return tuple(run.machine.edges(t for g in operands.values() for t in g if t.layout and t.layout.shape == shape))


def _note_tested(condition: Tensor, operands: Mapping[str, list[Tensor]]) -> None:
    first = next((t for group in operands.values() for t in group), None)
    condition.tested = first.tested or first if first is not None else None


def _planned_writes(
    run: Run,
    name: str,
    effect: Effect,
    params: Mapping[str, Value],
    operands: Mapping[str, list[Tensor]],
    site: Site,
    *,
    how: How,
    target: str,
    inner: frozenset[str],
) -> Iterator[tuple[str, WriteRecord, list[Tensor]]]:
    """The writes a call is about to do, each with the label of what is written and the operation's other operands."""
    for written in (*effect.written, *effect.perhaps_written):
        for tensor in labelled(operands, written) if written not in inner else ():
            others = [t for key, group in operands.items() for t in group if t is not tensor or key != written]
            record = new_record(run, tensor, site, how=how, op=display(name), name=target)
            record.value_in_graph = any(run.machine.requires(t) is True for t in others)
            record.certain = written in effect.written and certainly_tensor(params.get(written.partition("[")[0]))
            record.exchanges = written in effect.exchanged
            record.value = _filling(name, params)
            yield written, record, others


def _filling(name: str, params: Mapping[str, Value]) -> float | None:
    """The number that a call writes everywhere."""
    if name == "Tensor.zero_":
        return 0.0
    value = params.get("value") if name == "Tensor.fill_" else None
    number = value.value if isinstance(value, Const) else None
    return float(number) if isinstance(number, int | float) else None


def _refuses_memory(effect: Effect, written: str, record: WriteRecord, operands: Mapping[str, list[Tensor]]) -> bool:
    target = record.tensor
    reads = [
        (label, t.layout)
        for label, group in operands.items()
        for t in group
        if (t is not target or label != written) and shares_storage(t, target)
    ]
    if record.exchanges:
        return False
    refuses = refuses_copy if record.op == "copy_" else refuses_memory
    return refuses(effect, written, target.layout, reads)


def _apply_to_each(run: Run, name: str, effect: Effect, params: Mapping[str, Value], node: ir.Node) -> Value:
    """`broadcast_tensors`, `meshgrid`, `_foreach_add_`: each tensor of a sequence for itself, with its own history."""
    label = effect.outputs[0].of.removesuffix("[]")
    operands = operand_tensors(run, params)
    single = replace(effect, container=".")
    items: list[Value] = []
    broad = result_layout(name, effect.outputs[0], 0, params, operands) if effect.outputs[0].of else None
    for tensor in operands.get(label, ()):
        if broad is not None and tensor.layout is not None and tensor.layout.shape == broad.shape:
            items.append(tensor)  # nothing to expand: torch returns the tensor itself
            continue
        item = apply_effect(run, name, single, {**params, label: Seq("list", [tensor])}, node)
        if isinstance(item, Tensor) and item is not tensor:
            item.layout = layouts.expand(tensor.layout, broad.shape) if broad and tensor.layout else None
        items.append(item)
    given = params.get(label)
    return Seq("tuple" if effect.container[0] == "(" else "list", items, open=isinstance(given, Seq) and given.open)


def _all_outputs(effect: Effect) -> tuple[Output, ...]:
    """The outputs; two where it is not known how many there are."""
    return effect.outputs * 2 if "*" in effect.container else effect.outputs


def _inner_writes(run: Run, tensors: list[Tensor], site: Site) -> None:
    modes = run.machine.modes
    run.machine.modes = replace(modes, grad=False)
    for tensor in tensors:
        run.machine.write(new_record(run, tensor, site, how=How.STATE, op="forward"), [], None)
    run.machine.modes = modes


def certainly_tensor(value: Value | None) -> bool:
    """What is written is surely a tensor, and not perhaps a number or an array."""
    return value is not None and (type(value) is not Unknown or value.kind == "tensor")


def uncertain_operands(made: GraphNode | None, params: Mapping[str, Value], effect: Effect) -> None:
    """An operand that may be a number saves nothing for certain."""
    if made is None:
        return
    doubtful = {id(v.tensor) for v in params.values() if type(v) is Unknown and v.kind != "tensor" and v.tensor}
    for saved in made.saved:
        if id(saved.tensor) in doubtful:
            saved.doubt()


_ADDITIONS: Final = ("+=", "-=")


def new_record(run: Run, tensor: Tensor, site: Site, *, how: How, op: str, name: str = "") -> WriteRecord:
    """A write about to happen."""
    machine = run.machine
    root = tensor.base or tensor
    through = root.alias_how if tensor.node is None else ""
    return WriteRecord(
        site=site,
        how=how,
        op=op,
        target=machine.ref(tensor, name),
        tensor=tensor,
        value_in_graph=False,
        grad_enabled=machine.modes.grad is not False and not machine.modes.inference,
        through=through,
        argument=_argument(run, tensor),
        spare=is_spare(run, tensor, site, added=how is How.AUGMENTED and op in _ADDITIONS),
        scattered=how is How.INDEX_AUGMENTED and tensor.copied is not None,  # judged when it is put back
    )


def _argument(run: Run, tensor: Tensor) -> str:
    """The parameter of the present function that holds `tensor`, when its caller still holds it too."""
    frame = run.frame
    node = frame.function.node if frame.function is not None else None
    if not isinstance(node, ir.FunctionDef) or node.name.endswith("_"):
        return ""  # `def scale_(x)`: the name says that it writes its argument
    for name, value in frame.given:
        given = known_tensor(value)
        if given is not None and given.memory is tensor.memory and given.name:
            return name
    return ""


def _output(
    run: Run,
    name: str,
    out: Output,
    index: int,
    params: Mapping[str, Value],
    operands: Mapping[str, list[Tensor]],
    made: GraphNode | None,
    site: Site,
) -> Tensor:
    sources = labelled(operands, out.of) if out.of else []
    source = sources[min(index, len(sources) - 1)] if sources else None
    shape = result_layout(name, out, index, params, operands)
    if source is not None and (out.alias in (Alias.MAYBE, Alias.VIEW) or display(name) == "real"):
        out = settled_alias(name, out, source, params, shape)
    result = run.machine.output(out, source, made, site=site)
    if result is source:
        return result
    result.made_by = display(name)
    result.layout = _laid_out(out, source, shape)
    result.unreduced = result.layout is None and is_unreduced(name, out, params, operands)
    dtypes = {t.dtype for group in operands.values() for t in group}
    result.dtype = result_dtype(name, out.dtype, params, dtypes, run.default_dtype)
    result.device = (
        source.device if source is not None else next((t.device for g in operands.values() for t in g), None)
    )
    return result


def _laid_out(out: Output, source: Tensor | None, shape: Layout | None) -> Layout | None:
    if out.alias in (Alias.SHARED, Alias.MEMORY) and source is not None:
        return source.layout
    return shape


def pack(effect: Effect, outputs: list[Tensor]) -> Value:
    """The outputs in the container the call returns (see `facts.model.Effect`)."""
    container = effect.container
    if container == ".":
        return outputs[0]
    if container[1:-1] == "*":
        return Seq("list" if container[0] == "[" else "tuple", list(outputs), open=True)
    if container[0] in "([":
        return _pack_nested(iter(container), iter(outputs))
    return NONE if container == "_" else Seq("tuple", list(outputs), fields=tuple(container.split(",")))


def _pack_nested(container: Iterator[str], outputs: Iterator[Tensor]) -> Value:
    mark = next(container)
    if mark == ".":
        return next(outputs)
    if mark == "_":
        return Unknown()
    items: list[Value] = []
    rest = itertools.chain(container)
    for inner in rest:
        if inner in ")]":
            break
        items.append(_pack_nested(itertools.chain([inner], rest), outputs))
    return Seq("list" if mark == "[" else "tuple", items)


# ----------------------------------------------------------------- operators


def binary(run: Run, op: str, left: Value, right: Value, node: ir.Node) -> Value:
    """`left op right` where at least one side is no constant."""
    if isinstance(left, Seq) or isinstance(right, Seq):
        joined = _sequence_operator(op, left, right)
        if joined is not None:
            return joined
    name = _OPERATORS[op]
    ours, theirs = known_tensor(left), known_tensor(right)
    if ours is not None:
        params, called = {"self": left, "other": right}, f"Tensor.__{name}__"
    elif theirs is not None and type(left) is Const:
        params, called = {"self": right, "other": left}, f"Tensor.__r{name}__"
    elif theirs is not None:
        params, called = {"self": left, "other": right}, f"Tensor.__{name}__"
    else:
        return unknown_from(left, right, sources=_sources(left, right), kind=_number_kind(left, right))
    _note_difference(op, left, right)
    if (ours is not None and ours.numpy) or (theirs is not None and theirs.numpy):
        return unknown_from(left, right)
    return apply_named(run, called, params, node) or unknown_from(left, right, sources=_sources(left, right))


def _number_kind(left: Value, right: Value) -> str:
    def number(value: Value) -> bool:
        if type(value) is Unknown:
            return value.kind == "number"
        return type(value) is Const and isinstance(value.value, int | float)

    return "number" if number(left) and number(right) else ""


def _sources(*values: Value) -> tuple[Value, ...]:
    found: list[Value] = []
    for value in values:
        if type(value) is Unknown:
            found.extend(value.sources)
            if value.tensor is not None:
                found.append(value.tensor)
        elif type(value) is Tensor:
            found.append(value)
    return tuple(found[:8])


def _note_difference(op: str, left: Value, right: Value) -> None:
    """`x.grad - before`: whoever subtracts knows that gradients accumulate."""
    if op != "-":
        return
    for value in (left, right):
        if type(value) is Tensor and value.grad_owner is not None:
            value.grad_owner.grad_differenced = True


def _sequence_operator(op: str, left: Value, right: Value) -> Value | None:
    if op == "+" and isinstance(left, Seq):
        if isinstance(right, Seq):
            joined = Seq(left.kind, [*left.items, *right.items], open=left.open or right.open)
            joined.counted = left.counted and right.counted
            return joined
        return Seq(left.kind, list(left.items), open=True) if type(right) is Unknown else None
    if op == "*" and isinstance(left, Seq) and type(right) is Const and isinstance(right.value, int):
        times = max(0, min(right.value, 16))
        return Seq(left.kind, left.items * times, open=left.open or right.value > 16, counted=left.counted)
    if op == "*" and isinstance(left, Seq):
        return Seq(left.kind, list(left.items), open=True)
    return None


def unary(run: Run, op: str, value: Value, node: ir.Node) -> Value:
    """`op value`."""
    if known_tensor(value) is None:
        return unknown_from(value, sources=_sources(value), kind=_number_kind(value, value))
    return apply_named(run, f"Tensor.__{_UNARY[op]}__", {"self": value}, node) or Unknown()


def compare(run: Run, op: str, left: Value, right: Value, node: ir.Node) -> Value:
    """`left op right` for a comparison of values not all known."""
    if known_tensor(left) is None and known_tensor(right) is None:
        return Unknown()
    flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
    if known_tensor(left) is None:
        left, right, op = right, left, flipped.get(op, op)
    return apply_named(run, f"Tensor.__{_COMPARISONS[op]}__", {"self": left, "other": right}, node) or Unknown()


def augment(run: Run, node: ir.AugAssign, old: Value, value: Value, *, how: How) -> Value | None:
    """`old op= value` as an in-place operation; None when it is none and the plain operator applies."""
    tensor = known_tensor(old)
    name = f"Tensor.__i{_OPERATORS[node.op]}__"
    if tensor is None:
        return None
    if tensor.numpy:
        write_array(run, tensor, node, op=f"{node.op}=", how=how)
        return old
    parameters = table.parameters(name)
    if parameters is None or node.op == "@":
        return None
    params = dict(zip(parameters, (old, value), strict=False))
    result = apply_named(run, name, params, node, how=how, target=describe(node.target))
    return old if result is not None else None


def write_array(run: Run, array: Tensor, node: ir.Node, *, op: str, how: How, value: float | None = None) -> None:
    """A NumPy array is written: memory changes and no version counter moves."""
    record = new_record(run, array, run.site(node), how=how, op=op)
    record.through = array.alias_how or "numpy"
    record.bumps, record.value = False, value
    run.machine.write(record, [], None)

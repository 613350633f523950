"""Calls of what is not known: what may happen to their arguments, and the few foreign functions that are known."""

from __future__ import annotations

from typing import Final

from autograd_lint.events import Refusal
from autograd_lint.static.interpret import named_tuples
from autograd_lint.static.interpret.duck import note_unknown_call
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.passes import Request, forget_gradient, run_backward
from autograd_lint.static.model.traces import joined, leave, unknown_from
from autograd_lint.static.model.values import (
    Bound,
    Builtin,
    Const,
    Dict,
    ExpectRaise,
    Foreign,
    Generator,
    Instance,
    Method,
    Native,
    NNModule,
    OptimizerValue,
    RangeValue,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.tensors import describe, known_tensor
from autograd_lint.static.patterns import weights
from autograd_lint.static.patterns.arrays import refuse_array
from autograd_lint.static.patterns.networks import note_forward_of_network, note_optimizer, note_parameters, passed_on
from autograd_lint.static.patterns.revivals import dead_end_of_unknown
from autograd_lint.static.patterns.validation import note_forward, note_unknown_update
from autograd_lint.static.syntax import ir

_EXPECTING: Final = frozenset(
    {
        "raises",
        "assertRaises",
        "assertRaisesRegex",
        "assertRaisesRegexWithHighlight",
        "assertRaisesWithMessage",
        "suppress",
    }
)
_ARRAYS: Final = frozenset({"numpy.asarray", "numpy.array", "numpy.ascontiguousarray", "numpy.asanyarray"})
_NEW_ARRAYS: Final = frozenset(f"numpy.{name}" for name in ("ones", "zeros", "empty", "full", "arange", "linspace"))
_PROGRESS: Final = frozenset(f"tqdm.{at}tqdm" for at in ("", "auto.", "autonotebook.", "notebook.", "std.", "rich."))
"""Bars around what a loop goes over."""
_NUMBERS: Final = ("math.", "random.", "time.", "os.")
_ARITHMETIC: Final = frozenset({"min", "max", "round", "pow", "abs", "sum", "divmod"})
_KINDS: Final = {
    **dict.fromkeys(("item", "size", "dim", "numel", "len"), "number"),
    "parameters": "parameters",
    "named_parameters": "named_parameters",
}
"""What methods of these names give, whatever object they belong to."""
_INERT: Final = frozenset({Const, Unknown, Foreign, Builtin})
"""What holds no tensor, and is met most."""
_MOST_SOURCES: Final = 8
_DEPTH: Final = 3


def call_unknown(run: Run, function: Value, args: Args, node: ir.Node) -> Value:
    """Call something not known: it may do anything to what it is given; the result may hang on it."""
    name = _called(function)
    last = name.rpartition(".")[2]
    if last in _EXPECTING or _is_expecting(node):
        return ExpectRaise()
    if isinstance(function, Foreign):
        known = _foreign(run, function.name, args, node)
        if known is not None:
            return known
    sources = passed_on(run, function, last, args, _all_sources(function, args))
    known_kind = note_unknown_call(run, function, last, args, node)
    if known_kind is not None:
        return known_kind
    if last == "backward":
        _unknown_backward(run, function, sources, node)
    elif last == "zero_grad":
        for tensor in run.gradients.touched:
            forget_gradient(tensor, None)
    give_away(run, args)
    if isinstance(function, Bound | Method):
        escape(run, function)
    result = Unknown(sources, kind=_KINDS.get(last, ""))
    _note_network(run, function, last, args, result, node)
    weights.note_call(run, function, last, result, node)
    if run.traced and _computes(function):
        result.trace = joined((*args.all(), function))
    if run.watch.evaluated:
        note_unknown_update(run, args)
        note_forward(run, function, result, node)
    return result


def _is_expecting(node: ir.Node) -> bool:
    """`self.assertRaises(…)`, in a class of which not all bases are known."""
    return isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) and node.func.name in _EXPECTING


def _note_network(run: Run, function: Value, last: str, args: Args, result: Unknown, node: ir.Node) -> None:
    if last == "parameters":
        note_parameters(run, function.owner if type(function) is Unknown else None, result)
    elif isinstance(node, ir.Call):
        note_optimizer(run, result, args.all())
        note_forward_of_network(run, function, args, result, run.site(node), describe(node.func))


def _computes(function: Value) -> bool:
    """The result is computed from the numbers of the arguments: Python's and NumPy's arithmetic, methods of arrays."""
    if isinstance(function, Foreign):
        return function.name.startswith(("numpy.", "math."))
    if isinstance(function, Builtin):
        return function.name in _ARITHMETIC
    return isinstance(function, Unknown) and function.trace is not None


def _called(function: Value) -> str:
    if isinstance(function, Foreign | Method):
        return function.name
    return function.label if isinstance(function, Unknown) else ""


def _all_sources(function: Value, args: Args) -> tuple[Value, ...]:
    found: list[Value] = []
    owner = function.owner if isinstance(function, Unknown) else None
    for value in (*args.all(), function, *((owner,) if owner is not None else ())):
        found.extend(tensor_sources(value))
    return tuple(found[:_MOST_SOURCES])


def tensor_sources(value: Value, depth: int = 0) -> list[Value]:
    """The tensors `value` was or may have been computed from."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Unknown):
        return [*value.sources, *([value.tensor] if value.tensor is not None else [])]
    if depth < _DEPTH and isinstance(value, Seq):
        return [t for item in value.items[:_MOST_SOURCES] for t in tensor_sources(item, depth + 1)]
    if depth < _DEPTH and isinstance(value, Dict):
        return [t for item in list(value.items.values())[:_MOST_SOURCES] for t in tensor_sources(item, depth + 1)]
    return []


def _unknown_backward(run: Run, function: Value, sources: tuple[Value, ...], node: ir.Node) -> None:
    """`scaler.scale(loss).backward()`, `accelerator.backward(loss)`: a backward pass, perhaps."""
    owner = function.owner if isinstance(function, Unknown) else None
    if isinstance(owner, Unknown) and owner.revived is not None:
        run.machine.emit(dead_end_of_unknown(owner.revived, run.site(node)))
    roots = tuple(s for s in sources if isinstance(s, Tensor) and s.requires_grad)
    if roots:
        names = tuple(root.name for root in roots)
        request = Request(run.site(node), roots, names, seeded=True, retain=None, create=False, known=False)
        run_backward(run.machine, run.gradients, request)


def give_away(run: Run, args: Args) -> None:
    """The arguments go to code that is not known."""
    for value in args.all():
        escape(run, value)
        run.given.append(value)


def escape(run: Run, value: Value, depth: int = 0) -> None:
    """`value` was given to code that is not known: it may clear gradients."""
    if type(value) in _INERT or depth > _DEPTH:
        return
    if isinstance(value, OptimizerValue):
        for tensor in value.params:
            forget_gradient(tensor, None)
    elif isinstance(value, NNModule):
        run.watch.given[id(value)] = value
        for tensor in value.params.values():
            forget_gradient(tensor, None)
        for child in value.children.values():
            escape(run, child, depth + 1)
    elif isinstance(value, Instance):
        run.watch.given[id(value)] = value
        for item in list(value.attrs.values()):
            escape(run, item, depth + 1)
    elif isinstance(value, Seq):
        run.watch.given[id(value)] = value
        for item in value.items:
            escape(run, item, depth + 1)
    elif isinstance(value, Dict):
        run.watch.given[id(value)] = value
        for item in value.items.values():
            escape(run, item, depth + 1)
    elif isinstance(value, Bound):
        escape(run, value.self, depth + 1)
    elif isinstance(value, Method):
        escape(run, value.owner, depth + 1)
    elif isinstance(value, Tensor) and value.node is None:
        if value.requires_grad:
            run.watch.given[id(value)] = value
        if value.parameter:
            forget_gradient(value, None)


# ------------------------------------------------------------ known foreigners


def _foreign(run: Run, name: str, args: Args, node: ir.Node) -> Value | None:
    first = args.get(0, "x")
    if name == "copy.deepcopy" and first is not None:
        return deep_copy(run, first, node, {})
    if name == "copy.copy" and first is not None:
        return _shallow_copy(run, first, node)
    if name == "functools.partial" and first is not None:
        return _partial(first, args)
    if name in ("functools.wraps", "functools.update_wrapper"):
        return _GIVEN_BACK if name.endswith("wraps") else first
    if name in _PROGRESS and isinstance(first, Seq | RangeValue | Generator):
        return Seq(first.kind, list(first.items), open=first.open) if isinstance(first, Seq) else first
    if name in named_tuples.FACTORIES:
        return named_tuples.make(args)
    if name == "functools.reduce" and first is not None:
        return _reduced(run, first, args, node)
    if name in _ARRAYS and first is not None:
        return _as_array(run, first, node)
    if name.startswith("numpy.") and first is not None:
        _refuse_arrays(run, first, node)
        if name in _NEW_ARRAYS:
            return _new_array(run, node)
    if name.startswith(_NUMBERS):
        return _number(run, name, args, node)
    return None


def _number(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """`math.exp(x)` converts a tensor as `float` does."""
    result = unknown_from(*args.all(), kind="number" if name.startswith("math.") else "")
    tensors = [t for t in (known_tensor(value) for value in args.pos) if t is not None]
    if tensors:
        result.trace = leave(run, tensors, name, node)
    return result


def _new_array(run: Run, node: ir.Node) -> Tensor:
    array = run.machine.tensor(run.site(node))
    array.numpy = True
    return array


def _shallow_copy(run: Run, value: Value, node: ir.Node) -> Value:
    """Of a list or dict with the same items; of a tensor a leaf over the same memory, which counts versions anew."""
    if isinstance(value, Tensor) and not value.numpy:
        return _another_leaf(run, value, node)
    if isinstance(value, Seq):
        return Seq(value.kind, list(value.items), open=value.open, fields=value.fields)
    return Dict(dict(value.items), open=value.open, missing=value.missing) if isinstance(value, Dict) else Unknown()


def _another_leaf(run: Run, tensor: Tensor, node: ir.Node) -> Tensor:
    result = run.machine.tensor(run.site(node), requires_grad=run.machine.requires(tensor))
    result.memory = tensor.memory
    result.name = tensor.name
    result.layout, result.dtype, result.device = tensor.layout, tensor.dtype, tensor.device
    result.inference, result.parameter = tensor.inference, tensor.parameter
    result.maybe_of = tensor.maybe_of
    return result


def _reduced(run: Run, function: Value, args: Args, node: ir.Node) -> Value | None:
    """`functools.reduce(f, values, start)` over values that are known."""
    values, start = args.get(1, "iterable"), args.get(2, "initial")
    if not isinstance(values, Seq) or values.open or (not values.items and start is None):
        return None
    items = [*([start] if start is not None else []), *values.items]
    result = items[0]
    for item in items[1:]:
        result = run.call(function, Args([result, item]), node)
    return result


def _first(run: Run, args: Args, node: ir.Node) -> Value:
    return args.pos[0] if args.pos else Unknown()


_GIVEN_BACK: Final = Native(_first)
"""What gives back the function it is given."""


def _partial(function: Value, given: Args) -> Value:
    def call(run: Run, args: Args, node: ir.Node) -> Value:
        merged = Args([*given.pos[1:], *args.pos], {**given.kw, **args.kw}, given.open or args.open)
        return run.call(function, merged, node)

    return Native(call)


def _as_array(run: Run, value: Value, node: ir.Node) -> Value:
    tensor = known_tensor(value)
    if tensor is None or tensor.numpy:
        return unknown_from(value)
    if run.machine.requires(tensor) and run.machine.modes.grad:
        refuse_array(run, run.site(node), tensor)
    return unknown_from(tensor)


def _refuse_arrays(run: Run, value: Value, node: ir.Node) -> None:
    """NumPy functions convert their argument; torch refuses for a tensor that requires grad inside a list."""
    for item in value.items if isinstance(value, Seq) else ():
        tensor = known_tensor(item)
        if tensor is not None and run.machine.requires(tensor) and not tensor.numpy:
            refuse_array(run, run.site(node), tensor)
            return


def deep_copy(run: Run, value: Value, node: ir.Node, memo: dict[int, Value]) -> Value:
    """`copy.deepcopy`: new memory for every tensor; torch refuses for one that has a `grad_fn`."""
    if id(value) in memo:
        return memo[id(value)]
    copied = _copy_one(run, value, node, memo)
    memo[id(value)] = copied
    return copied


def _copy_one(run: Run, value: Value, node: ir.Node, memo: dict[int, Value]) -> Value:
    if isinstance(value, Tensor):
        return _copy_tensor(run, value, node)
    if isinstance(value, Seq):
        return Seq(
            value.kind, [deep_copy(run, v, node, memo) for v in value.items], open=value.open, fields=value.fields
        )
    if isinstance(value, Dict):
        items = {k: deep_copy(run, v, node, memo) for k, v in value.items.items()}
        return Dict(items, open=value.open, missing=value.missing)
    if isinstance(value, NNModule):
        return _copy_module(run, value, node, memo)
    if isinstance(value, Instance):
        result = Instance(
            value.cls, {}, module=value.module, training=value.training, site=value.site, loops=value.loops
        )
        memo[id(value)] = result
        result.attrs.update({k: deep_copy(run, v, node, memo) for k, v in value.attrs.items()})
        return result
    return value if isinstance(value, Const) else Unknown()


def _copy_tensor(run: Run, tensor: Tensor, node: ir.Node) -> Tensor:
    if run.machine.requires(tensor) and tensor.node is not None:
        run.machine.refuse(run.site(node), Refusal.DEEPCOPY, tensor)
    result = run.machine.tensor(run.site(node), requires_grad=tensor.requires_grad)
    result.layout, result.dtype, result.device = tensor.layout, tensor.dtype, tensor.device
    result.parameter, result.name = tensor.parameter, tensor.name
    return result


def _copy_module(run: Run, value: NNModule, node: ir.Node, memo: dict[int, Value]) -> NNModule:
    result = NNModule(value.name, value.options, {}, {}, {}, value.site, value.training, value.open, value.loops)
    memo[id(value)] = result
    for source, target in ((value.params, result.params), (value.buffers, result.buffers)):
        for name, tensor in source.items():
            copied = deep_copy(run, tensor, node, memo)
            if isinstance(copied, Tensor):
                target[name] = copied
    result.children.update({k: deep_copy(run, v, node, memo) for k, v in value.children.items()})
    return result

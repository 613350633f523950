"""Calls of torch's own functions and classes: what creates leaves, switches modes or runs a backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from autograd_lint.events import How, Refusal
from autograd_lint.facts import table
from autograd_lint.facts.model import Effect
from autograd_lint.static.interpret.escape import call_unknown, tensor_sources
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.dtypes import FLOATS, asked_dtype, dtype_name
from autograd_lint.static.model.order import note_pass
from autograd_lint.static.model.passes import Request, run_backward
from autograd_lint.static.model.traces import trace_of
from autograd_lint.static.model.values import (
    NONE,
    Const,
    GradModeValue,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations import foreach
from autograd_lint.static.operations.checkpoints import call_checkpoint, call_checkpoint_sequential
from autograd_lint.static.operations.datasets import load, part, split, tensor_data_set
from autograd_lint.static.operations.distributions import construct_distribution, is_distribution_name
from autograd_lint.static.operations.modules import construct_module, is_module_name, write_inside
from autograd_lint.static.operations.optimizers import construct_optimizer, is_optimizer_name, is_scheduler_name
from autograd_lint.static.operations.retaining import asked_at, is_handed_on
from autograd_lint.static.operations.sharing import refuses_memory, shares_storage
from autograd_lint.static.operations.tensor_methods import (
    as_array,
    bind_parameters,
    call_tensor_method,
    owners,
    tensors_in,
)
from autograd_lint.static.operations.tensors import (
    apply_named,
    describe,
    kind_of,
    known_tensor,
    new_record,
    operand_tensors,
    proven_tensor,
)
from autograd_lint.static.operations.transforms import differentiate, map_rows
from autograd_lint.static.patterns.checks import call_gradcheck, call_gradgradcheck, set_anomaly
from autograd_lint.static.patterns.clipping import note_clipping
from autograd_lint.static.patterns.registration import note_made
from autograd_lint.static.patterns.revivals import rewrap
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout
from autograd_lint.static.shapes.shape_arguments import integers
from autograd_lint.static.shapes.shapes import is_elementwise, result_layout
from autograd_lint.static.shapes.splits import SPLITS, split_tensor
from autograd_lint.static.syntax import ir

_SIZED: Final = frozenset({"rand", "randn", "zeros", "ones", "empty", "full", "normal"})
_LIKE: Final = frozenset({"rand_like", "randn_like", "zeros_like", "ones_like", "empty_like", "full_like"})
_RANGES: Final = frozenset(
    {"arange", "linspace", "logspace", "eye", "randperm", "randint", "tril_indices", "triu_indices"}
)
_INTEGERS: Final = frozenset({"randperm", "randint", "tril_indices", "triu_indices"})
_FILLED: Final = {"zeros": 0.0, "zeros_like": 0.0, "ones": 1.0, "ones_like": 1.0}
_FUNCTIONALS: Final = "torch.nn.functional."
_TRANSPARENT: Final = frozenset(
    {"torch.compile", "torch.jit.script", "torch.jit.trace", "torch.jit.ignore", "torch.jit.export"}
)


def call_torch(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """`name(args)` for a canonical torch name."""
    handler = _HANDLERS.get(name)
    if handler is not None:
        return handler(run, args, node)
    package, _, last = name.rpartition(".")
    if package == "torch" and (last in _SIZED or last in _LIKE or last in _RANGES) and not _is_drawn_around(last, args):
        return _create(run, last, args, node)
    if last[:1].isupper():
        return _construct(run, name, args, node)
    if package == "torch.nn.init":
        return _initialize(run, name, args, node)
    if package == "torch.Tensor" and args.pos:
        return _unbound_method(run, last, args, node)
    return _operation(run, name, args, node)


def _is_drawn_around(last: str, args: Args) -> bool:
    """`torch.normal(mean, 1.0)` of tensors is an operation on them."""
    return last == "normal" and any(known_tensor(value) is not None for value in args.all())


def _construct(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    if is_module_name(name):
        module = construct_module(run, name, args, node)
        note_made(run, module, node)
        return module
    if is_distribution_name(name):
        return construct_distribution(run, name, args, node)
    if is_optimizer_name(name):
        return construct_optimizer(run, name, args, node)
    if is_scheduler_name(name):
        return Unknown(kind="scheduler")
    if name.startswith(("torch.utils.data.", "torch.distributions.")):
        return Unknown()
    return call_unknown(run, TorchName(name), args, node)


def _unbound_method(run: Run, last: str, args: Args, node: ir.Node) -> Value:
    tensor = proven_tensor(run, args.pos[0])
    if tensor is None:
        return Unknown()
    return call_tensor_method(run, tensor, last, Args(args.pos[1:], args.kw, args.open), node)


def _operation(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """A function of the table, or something not known."""
    if name.startswith(foreach.PREFIX) and (done := foreach.call_foreach(run, name, args, node)) is not None:
        return done
    names = table.parameters(name)
    if names is None or args.open:
        return call_unknown(run, TorchName(name), args, node)
    params = bind_parameters(names, args.pos, args.kw)
    if args.pos and names and names[0] in ("input", "self", "tensor"):
        proven_tensor(run, args.pos[0])
    for value in args.pos[:1]:
        if isinstance(value, Seq) and names and names[0] == "tensors":
            for item in value.items:
                proven_tensor(run, item)
    if "out" in args.kw:
        return _with_out(run, name, params, node)
    if name in SPLITS:
        return split_tensor(run, name, params, node)
    target = describe(node.args[0].value) if isinstance(node, ir.Call) and node.args else ""
    result = apply_named(run, name, params, node, how=How.FUNCTION, target=target)
    return call_unknown(run, TorchName(name), args, node) if result is None else result


def _with_out(run: Run, name: str, params: dict[str, Value], node: ir.Node) -> Value:
    """`out=`: torch refuses it when anything requires grad; otherwise it is a write."""
    out = params.pop("out")
    target = known_tensor(out)
    values = [item for v in params.values() for item in (v.items if isinstance(v, Seq) else (v,))]
    operands = [t for t in (known_tensor(v) for v in values) if t is not None]
    if target is None:
        return Unknown()
    machine = run.machine
    record = new_record(run, target, run.site(node), how=How.OUT, op="out=", name=target.name)
    if machine.wants_grad([target, *operands]):
        record.refusal = Refusal.OUT
        machine.keep(record)
        machine.fail()
        return out
    result = _elementwise_result(run, name, params)
    fits = result is not None and target.layout is not None and result.shape == target.layout.shape
    reads = [("", t.layout) for t in operands if shares_storage(t, target)]
    machine.write(record, operands, None, overlaps=fits and refuses_memory(Effect(), "out", target.layout, reads))
    if not fits and (result is not None or (target.layout is not None and not target.layout.numel)):
        target.layout = result  # torch resizes it
    return out


def _elementwise_result(run: Run, name: str, params: dict[str, Value]) -> Layout | None:
    """The layout of what an elementwise operation computes; None for others: not all of them look for overlap."""
    effect = table.effect(name, {key: kind_of(value) for key, value in params.items()})
    if effect is None or len(effect.outputs) != 1 or not is_elementwise(name, effect.outputs[0]):
        return None
    return result_layout(name, effect.outputs[0], 0, params, operand_tensors(run, params))


def _polygamma(run: Run, args: Args, node: ir.Node) -> Value:
    """`torch.polygamma(n, x)` is `x.polygamma(n)`."""
    order, given = args.get(0, "n"), args.get(1, "input")
    if order is None or given is None:
        return Unknown()
    return _unbound_method(run, "polygamma", Args([given, order]), node)


def _chain_matmul(run: Run, args: Args, node: ir.Node) -> Value:
    """The old name of `torch.linalg.multi_dot`, whose matrices are no list."""
    return _operation(run, "torch.linalg.multi_dot", Args([Seq("list", args.pos, open=args.open)]), node)


# ------------------------------------------------------------------- creation


def _create(run: Run, last: str, args: Args, node: ir.Node) -> Value:
    """Factory functions: leaves with a shape and a dtype."""
    if "out" in args.kw and known_tensor(args.kw["out"]) is not None:
        return _with_out(run, last, {"out": args.kw["out"]}, node)
    result = _leaf(run, args, node)
    like = known_tensor(args.pos[0]) if last in _LIKE and args.pos else None
    if like is not None:
        result.dtype = asked_dtype(args.kw, like.dtype, more=args.open)
        result.layout = layouts.like([like.layout], like.layout.shape) if like.layout else None
    else:
        if last in _INTEGERS or (last == "arange" and _all_integers(args)):
            result.dtype = asked_dtype(args.kw, "int64", more=args.open)
        if last == "full":
            result.dtype = asked_dtype(args.kw, _full_dtype(args), more=args.open)
        sizes = _sizes(last, args)
        result.layout = layouts.fresh(sizes) if sizes is not None and all(s >= 0 for s in sizes) else None
    result.memory.filled = _FILLED.get(last)
    _check_grad_dtype(run, result, node)
    return result


def _leaf(run: Run, args: Args, node: ir.Node) -> Tensor:
    flag = args.kw.get("requires_grad")
    wanted = (None if args.open else False) if flag is None else truth(flag)
    result = run.machine.tensor(run.site(node), requires_grad=wanted)
    run.created.append(result)
    result.dtype = asked_dtype(args.kw, run.default_dtype, more=args.open)
    device = args.kw.get("device")
    result.device = "cpu" if device is None else (str(device.value) if isinstance(device, Const) else None)
    return result


def _check_grad_dtype(run: Run, tensor: Tensor, node: ir.Node) -> None:
    if tensor.requires_grad and tensor.dtype is not None and tensor.dtype not in FLOATS:
        run.machine.refuse(run.site(node), Refusal.INTEGER_GRAD, tensor)


def _all_integers(args: Args) -> bool:
    return bool(args.pos) and all(isinstance(v, Const) and isinstance(v.value, int) for v in args.pos)


def _full_dtype(args: Args) -> str | None:
    value = args.get(1, "fill_value")
    if not isinstance(value, Const):
        return None
    return "bool" if isinstance(value.value, bool) else "int64" if isinstance(value.value, int) else "float32"


def _sizes(last: str, args: Args) -> tuple[int, ...] | None:
    if args.open:
        return None
    if last in ("arange", "linspace", "logspace"):
        return _range_size(last, args)
    if last == "eye":
        sizes = integers(Seq("tuple", args.pos))
        return sizes * 2 if sizes is not None and len(sizes) == 1 else sizes
    if last == "randperm":
        return integers(args.get(0, "n"))
    if last == "randint":
        shaped = args.kw.get("size") or next((v for v in args.pos if isinstance(v, Seq)), None)
        return integers(shaped) if shaped is not None else None
    if last in ("full", "normal"):
        return integers(args.get(0 if last == "full" else 2, "size"))
    given = args.get(0, "size")
    if isinstance(given, Seq):
        return integers(given)
    return integers(Seq("tuple", args.pos)) if args.pos or "size" not in args.kw else None


def _range_size(last: str, args: Args) -> tuple[int, ...] | None:
    if last != "arange":
        return integers(args.get(2, "steps"))
    bounds = [v.value for v in args.pos if isinstance(v, Const) and isinstance(v.value, int | float)]
    if len(bounds) != len(args.pos) or not bounds or (len(bounds) > 2 and bounds[2] == 0):
        return None
    if all(isinstance(b, int) for b in bounds):
        return (len(range(*[int(b) for b in bounds])),)
    start, stop, step = (0.0, bounds[0], 1.0) if len(bounds) == 1 else (bounds[0], bounds[1], (*bounds, 1.0)[2])
    return (max(0, int(-(-(stop - start) // step))),)


def _tensor(run: Run, args: Args, node: ir.Node) -> Value:
    """`torch.tensor(data)`: a copy, cut from any graph."""
    data = args.get(0, "data")
    result = _leaf(run, args, node)
    shape, dtype = _nested(data)
    result.layout = layouts.fresh(shape) if shape is not None else None
    result.dtype = asked_dtype(args.kw, run.default_dtype if dtype == "float32" else dtype, more=args.open)
    source = known_tensor(data) if data is not None else None
    if source is not None:
        result.layout, result.dtype = source.layout, result.dtype or source.dtype
    _check_grad_dtype(run, result, node)
    rewrap(run, result, data, "torch.tensor", node)
    return result


def _nested(value: Value | None) -> tuple[tuple[int, ...] | None, str | None]:
    """The shape and dtype of nested lists of numbers."""
    if isinstance(value, Const) and isinstance(value.value, bool | int | float):
        kind = "bool" if isinstance(value.value, bool) else "int64" if isinstance(value.value, int) else "float32"
        return (), kind
    if isinstance(value, Seq) and not value.open:
        inner = [_nested(item) for item in value.items]
        if not inner:
            return (0,), "float32"
        shapes = {shape for shape, _ in inner}
        dtypes = {dtype for _, dtype in inner}
        shape = next(iter(shapes)) if len(shapes) == 1 else None
        dtype = None if None in dtypes else next((d for d in ("float32", "int64", "bool") if d in dtypes), None)
        return (None if shape is None else (len(inner), *shape)), dtype
    if isinstance(value, Tensor) and value.layout is not None:
        return value.layout.shape, value.dtype
    return None, None


def _parameter(run: Run, args: Args, node: ir.Node) -> Value:
    """`nn.Parameter(t)`: a leaf that shares memory and version counter with `t`."""
    data = known_tensor(args.get(0, "data") or NONE)
    flag = args.get(1, "requires_grad")
    result = run.machine.tensor(run.site(node), requires_grad=True if flag is None else truth(flag))
    if data is not None:
        result.memory, result.counter = data.memory, data.counter
        result.layout, result.dtype, result.device = data.layout, data.dtype, data.device
        result.inference = data.inference
        if result.requires_grad and data.dtype is not None and data.dtype not in FLOATS:
            run.machine.refuse(run.site(node), Refusal.INTEGER_GRAD, result)
    result.parameter = True
    run.created.append(result)
    rewrap(run, result, args.get(0, "data"), "nn.Parameter", node)
    note_made(run, result, node)
    return result


def _variable(run: Run, args: Args, node: ir.Node) -> Value:
    """`Variable(t)`: a leaf that shares memory and version counter with `t`."""
    data = args.get(0, "data")
    tensor = known_tensor(data) if data is not None else None
    result = run.machine.tensor(run.site(node), requires_grad=truth(args.get(1, "requires_grad") or Const(False)))
    if tensor is not None:
        result.memory, result.counter, result.layout = tensor.memory, tensor.counter, tensor.layout
        result.dtype, result.device = tensor.dtype, tensor.device
        result.inference = tensor.inference
    rewrap(run, result, data, "Variable", node)
    return result


def _as_tensor(run: Run, args: Args, node: ir.Node) -> Value:
    """`torch.as_tensor`: a tensor stays itself, an array shares its memory."""
    data = args.get(0, "data")
    tensor = known_tensor(data) if data is not None else None
    if tensor is not None and tensor.numpy:
        return _from_array(run, tensor, node)
    if tensor is not None and not args.kw and len(args.pos) == 1:
        return tensor
    return _tensor(run, args, node) if tensor is None else Unknown((tensor,))


def _from_numpy(run: Run, args: Args, node: ir.Node) -> Value:
    data = args.get(0, "ndarray")
    array = data if isinstance(data, Tensor) and data.numpy else None
    if array is None:
        array = run.machine.tensor(run.site(node))
        array.numpy = True
        array.trace = trace_of(data)
        if isinstance(data, Unknown) and data.tensor is None:
            data.tensor, data.kind = array, "tensor"
    return _from_array(run, array, node)


def _from_dlpack(run: Run, args: Args, node: ir.Node) -> Value:
    """`torch.from_dlpack(x)`: another tensor over the memory of `x`, with a version counter of its own."""
    tensor = known_tensor(args.get(0, "ext_tensor") or NONE)
    return Unknown() if tensor is None else _from_array(run, as_array(run, tensor, node), node)


def _from_array(run: Run, array: Tensor, node: ir.Node) -> Tensor:
    result = run.machine.tensor(run.site(node))
    result.memory = array.memory
    result.layout, result.dtype, result.trace = array.layout, array.dtype, array.trace
    result.alias_how, result.alias_of, result.alias_site = array.alias_how, array.alias_of, array.alias_site
    result.alias_version = len(array.memory.writes)
    return result


# ---------------------------------------------------------------------- modes


def _grad_mode(mode: bool, *, inference: bool = False) -> Callable[[Run, Args, ir.Node], Value]:
    def build(run: Run, args: Args, node: ir.Node) -> Value:
        if args.pos and not isinstance(args.pos[0], Const) and not inference:
            return run.call(GradModeValue(mode), args, node)
        flag = args.get(0, "mode")
        off = inference and isinstance(flag, Const) and flag.value is False
        return GradModeValue(True, before=None) if off else GradModeValue(mode, inference=inference)

    return build


def _set_grad_enabled(run: Run, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "mode")
    known = None if value is None else truth(value)
    mode = run.path.choose(value) if known is None else known
    before = run.machine.modes
    run.machine.modes = replace(before, grad=mode, off=None if mode else run.site(node))
    return GradModeValue(mode, before=before)


def _mode(*, autocast: bool = False, mutation: bool = False) -> Callable[[Run, Args, ir.Node], Value]:
    def build(run: Run, args: Args, node: ir.Node) -> Value:
        return GradModeValue(None, autocast=autocast, mutation=mutation)

    return build


def _is_grad_enabled(run: Run, args: Args, node: ir.Node) -> Value:
    grad = run.machine.modes.grad
    return Unknown() if grad is None else Const(grad)


# ------------------------------------------------------------------- backward


def _autograd_backward(run: Run, args: Args, node: ir.Node) -> Value:
    roots = tensors_in(args.get(0, "tensors") or NONE)
    gradient = args.get(1, "grad_tensors")
    given = args.get(0, "tensors")
    if not roots:
        note_pass(run, run.site(node), (given,) if given is not None else (), None)
    if roots:
        found = run_backward(run.machine, run.gradients, _request(run, args, node, roots, gradient, first=2))
        note_pass(run, run.site(node), roots, owners(found))
    return NONE


def _request(
    run: Run, args: Args, node: ir.Node, roots: tuple[Tensor, ...], gradient: Value | None, *, first: int
) -> Request:
    retain, create = args.get(first, "retain_graph"), args.get(first + 1, "create_graph")
    return Request(
        site=run.site(node),
        roots=roots,
        names=tuple(root.name for root in roots),
        seeded=gradient is not None and not (isinstance(gradient, Const) and gradient.value is None),
        retain=None if retain is None or retain is NONE else truth(retain),
        create=create is not None and truth(create) is True,
        retain_site=asked_at(run, args),
        handed_on=is_handed_on(run, args),
    )


def _autograd_grad(run: Run, args: Args, node: ir.Node) -> Value:
    """`torch.autograd.grad(outputs, inputs)`: gradients are returned and not accumulated."""
    roots, inputs = tensors_in(args.get(0, "outputs") or NONE), tensors_in(args.get(1, "inputs") or NONE)
    gradient = args.get(2, "grad_outputs")
    if not roots or not inputs:
        return call_unknown(run, TorchName("torch.autograd.grad"), args, node)
    request = _request(run, args, node, roots, gradient, first=3)
    request = replace(request, inputs=inputs, accumulate=False, name="autograd.grad")
    found = run_backward(run.machine, run.gradients, request)
    may_create = truth(args.get(4, "create_graph") or NONE) is not False
    unused: Value = NONE if truth(args.get(5, "allow_unused") or NONE) is True else Unknown()
    items: list[Value] = [found.get(id(tensor)) or unused for tensor in inputs]
    for item in items:
        if isinstance(item, Tensor):
            item.grad_owner = None
            item.name = ""
            item.trace = None if may_create else item.trace
            run.traced = run.traced or item.trace is not None
    return Seq("tuple", items)


# ----------------------------------------------------------- parameters, init


def _initialize(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """`nn.init.zeros_(w)` writes under `no_grad`."""
    tensor = known_tensor(args.get(0, "tensor") or NONE)
    if tensor is not None:
        kinds = {key: kind_of(value) for key, value in args.kw.items()}
        effect = table.effect(name, {**kinds, "tensor": kind_of(tensor)})
        refused = effect is not None and refuses_memory(effect, "tensor", tensor.layout, ())
        write_inside(run, tensor, node, op=name.rpartition(".")[2], how=How.FUNCTION, overlaps=refused)
    return args.get(0, "tensor") or Unknown()


def _clip(op: str) -> Callable[[Run, Args, ir.Node], Value]:
    def clip(run: Run, args: Args, node: ir.Node) -> Value:
        """`clip_grad_norm_` writes the gradients in place."""
        for tensor in note_clipping(run, args.get(0, "parameters") or NONE, op, node):
            if isinstance(tensor.grad, Tensor):
                write_inside(run, tensor.grad, node, op="clip_grad", how=How.FUNCTION)
        result = run.machine.tensor(run.site(node))
        result.layout = layouts.SCALAR
        return result

    return clip


def _parameters_to_vector(run: Run, args: Args, node: ir.Node) -> Value:
    """It reads the parameters, and leaves them and their gradients alone."""
    return Unknown(tuple(tensor_sources(args.get(0, "parameters") or NONE)), kind="tensor")


def _save_on_cpu(run: Run, args: Args, node: ir.Node) -> Value:
    return GradModeValue(None, offload=True)


def _identity(run: Run, args: Args, node: ir.Node) -> Value:
    return args.pos[0] if args.pos else Unknown()


def _tensor_class(run: Run, args: Args, node: ir.Node) -> Value:
    result = _leaf(run, args, node)
    sizes = integers(Seq("tuple", args.pos))
    if sizes is not None and args.pos:
        result.layout = layouts.fresh(sizes)
    elif args.pos:
        tensor = known_tensor(args.pos[0])
        if tensor is not None:
            return tensor
        shape, _ = _nested(args.pos[0])
        result.layout = layouts.fresh(shape) if shape is not None else None
        rewrap(run, result, args.pos[0], "torch.tensor", node)
    return result


def _is_tensor(run: Run, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "obj")
    if isinstance(value, Tensor):
        return Const(not value.numpy)
    return value.attr("isinstance torch.Tensor") if isinstance(value, Unknown) else Const(False)


def _is_floating_point(run: Run, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "input")
    return call_tensor_method(run, value, "is_floating_point", Args([]), node) if type(value) is Tensor else Unknown()


def _set_default_dtype(run: Run, args: Args, node: ir.Node) -> Value:
    run.default_dtype = dtype_name(args.get(0, "d"))
    return NONE


def _quiet(run: Run, args: Args, node: ir.Node) -> Value:
    return Unknown()


_HANDLERS: Final[dict[str, Callable[[Run, Args, ir.Node], Value]]] = {
    "torch.tensor": _tensor,
    "torch.Tensor": _tensor_class,
    "torch.FloatTensor": _tensor_class,
    "torch.as_tensor": _as_tensor,
    "torch.asarray": _as_tensor,
    "torch.from_numpy": _from_numpy,
    **dict.fromkeys(("torch.from_dlpack", "torch.utils.dlpack.from_dlpack"), _from_dlpack),
    "torch.nn.Parameter": _parameter,
    "torch.Variable": _variable,
    "torch.no_grad": _grad_mode(False),
    "torch.enable_grad": _grad_mode(True),
    "torch.inference_mode": _grad_mode(False, inference=True),
    "torch.chain_matmul": _chain_matmul,
    **dict.fromkeys(("torch.polygamma", "torch.special.polygamma"), _polygamma),
    "torch.set_grad_enabled": _set_grad_enabled,
    "torch.is_grad_enabled": _is_grad_enabled,
    **dict.fromkeys(
        ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast"),
        _mode(autocast=True),
    ),
    "torch.autograd.graph.allow_mutation_on_saved_tensors": _mode(mutation=True),
    "torch.autograd.graph.save_on_cpu": _save_on_cpu,
    "torch.autograd.backward": _autograd_backward,
    **dict.fromkeys(("torch.autograd.gradcheck", "torch.autograd.gradcheck.gradcheck"), call_gradcheck),
    **dict.fromkeys(("torch.autograd.gradgradcheck", "torch.autograd.gradcheck.gradgradcheck"), call_gradgradcheck),
    **dict.fromkeys(
        (
            "torch.autograd.set_detect_anomaly",
            "torch.autograd.anomaly_mode.set_detect_anomaly",
            "torch.set_anomaly_enabled",
        ),
        set_anomaly,
    ),
    "torch.set_default_dtype": _set_default_dtype,
    "torch.autograd.grad": _autograd_grad,
    **{f"torch.nn.utils.{op}": _clip(op) for op in ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")},
    "torch.nn.utils.parameters_to_vector": _parameters_to_vector,
    "torch.utils.checkpoint.checkpoint": call_checkpoint,
    "torch.utils.checkpoint.checkpoint_sequential": call_checkpoint_sequential,
    "torch.utils.data.TensorDataset": tensor_data_set,
    "torch.utils.data.Subset": part,
    "torch.utils.data.random_split": split,
    "torch.utils.data.DataLoader": load,
    "torch.func.grad": differentiate(valued=False),
    "torch.func.grad_and_value": differentiate(valued=True),
    **dict.fromkeys(("torch.vmap", "torch.func.vmap"), map_rows),
    "torch.is_tensor": _is_tensor,
    "torch.is_floating_point": _is_floating_point,
    **dict.fromkeys(_TRANSPARENT, _identity),
    **dict.fromkeys(
        ("torch.manual_seed", "torch.device", "torch.set_num_threads", "torch.Generator", "torch.Size"), _quiet
    ),
}

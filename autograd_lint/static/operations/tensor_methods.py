"""Attributes and methods of tensors that need more than the measured facts: gradients, flags, conversions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from autograd_lint.events import How, Refusal
from autograd_lint.facts import table
from autograd_lint.facts.model import Alias, Effect, Output
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Pure, Run, truth
from autograd_lint.static.model.dtypes import CONVERTERS, FLOATS, INTEGERS, asked_dtype, dtype_name
from autograd_lint.static.model.order import note_pass
from autograd_lint.static.model.passes import Request, run_backward
from autograd_lint.static.model.traces import Trace, leave, unknown_from
from autograd_lint.static.model.values import (
    NONE,
    Const,
    Method,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.gradients import clear_pending, flush_pending, note_read, note_zero
from autograd_lint.static.operations.hooks import try_hook
from autograd_lint.static.operations.modules import register_hook
from autograd_lint.static.operations.retaining import asked_at, is_handed_on
from autograd_lint.static.operations.tensors import (
    apply_effect,
    apply_named,
    describe,
    known_tensor,
    new_record,
)
from autograd_lint.static.patterns.arrays import refuse_array
from autograd_lint.static.patterns.networks import hangs_on_training
from autograd_lint.static.patterns.revivals import flag, rewrap
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.shape_arguments import integers
from autograd_lint.static.shapes.splits import SPLITS, split_tensor
from autograd_lint.static.syntax import ir

_VIEWS_BY_ATTRIBUTE: Final = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
CONVERSIONS: Final = frozenset({*CONVERTERS, "cuda", "cpu", "to", "type", "type_as"})
_NUMBERS: Final = frozenset(
    {
        "element_size",
        "data_ptr",
        "get_device",
        "stride",
        "storage_offset",
    }
)
_FLAGS: Final = frozenset({"is_contiguous", "is_floating_point", "is_complex", "is_shared", "equal", "allclose"})
_ZEROING: Final = frozenset({"zero_", "fill_", "detach_", "requires_grad_", "data", "detach"})
_DIMENSIONS: Final = 8
_ARRAY_WRITES: Final = frozenset(
    {"fill", "sort", "resize", "put", "itemset", "partition", "fill_", "copy_", "resize_", "byteswap"}
)
"""Methods by which NumPy arrays and torch's storages write themselves."""
_SPREAD: Final = frozenset({"size", "dims", "shape", "repeats"})
"""Parameters that take a sequence or its elements one by one: `x.view(2, 3)`."""


def read_tensor_attribute(run: Run, tensor: Tensor, name: str, node: ir.Node) -> Value:
    """`tensor.name`."""
    reader = _READERS.get(name)
    if reader is not None:
        return reader(run, tensor, node)
    if name in _VIEWS_BY_ATTRIBUTE:
        return _view_attribute(run, tensor, name, node)
    return Method(tensor, name)


def _view_attribute(run: Run, tensor: Tensor, name: str, node: ir.Node) -> Value:
    if name == "data" and tensor.grad_owner is not None:
        clear_pending(run)
    result = apply_named(run, f"Tensor.{name}", {"self": tensor}, node)
    if name == "data" and isinstance(result, Tensor):
        result.layout, result.dtype, result.name = tensor.layout, tensor.dtype, ""
        result.grad_owner = tensor.grad_owner
    return result if result is not None else Unknown((tensor,))


def _grad(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    flush_pending(run)
    note_read(run, tensor, node)
    if tensor.node is not None and not tensor.retains_grad and tensor.grad is NONE:
        return NONE if tensor.node.certain else Unknown()
    return tensor.grad


def _shape(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    if tensor.layout is not None:
        return Seq("tuple", [Const(size) for size in tensor.layout.shape])
    return Seq("tuple", [Unknown(kind="number") for _ in range(_DIMENSIONS)], open=True)


def _rank(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    return Const(len(tensor.layout.shape)) if tensor.layout is not None else Unknown(kind="number")


def _dtype(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    return TorchName(f"torch.{tensor.dtype}") if tensor.dtype is not None else Unknown()


def _requires_grad(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    known = run.machine.requires(tensor)
    return Unknown() if known is None else Const(known)


def _is_leaf(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    run.machine.edge(tensor)
    return Unknown() if tensor.requires_grad is None else Const(tensor.node is None)


def _grad_fn(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    run.machine.edge(tensor)
    return NONE if tensor.node is None and tensor.requires_grad is not None else Unknown()


def _opaque(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    return Unknown()


def _number(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    return Unknown(kind="number")


_READERS: Final[dict[str, Callable[[Run, Tensor, ir.Node], Value]]] = {
    "grad": _grad,
    "shape": _shape,
    "ndim": _rank,
    "dtype": _dtype,
    "requires_grad": _requires_grad,
    "is_leaf": _is_leaf,
    "grad_fn": _grad_fn,
    "_version": _number,
    **dict.fromkeys(
        ("device", "is_cuda", "layout", "names", "is_sparse", "_base", "retains_grad", "nbytes", "itemsize"), _opaque
    ),
}


def is_attribute(name: str) -> bool:
    """`name` is an attribute of tensors and no method."""
    return name in _READERS or name in _VIEWS_BY_ATTRIBUTE


# -------------------------------------------------------------------- methods


def call_tensor_method(run: Run, tensor: Tensor, name: str, args: Args, node: ir.Node) -> Value:
    """`tensor.name(args)`."""
    if tensor.numpy:
        return _array_method(run, tensor, name, node)
    if tensor.grad_owner is not None and name in _ZEROING:
        clear_pending(run)
    handler = _METHODS.get(name)
    if handler is not None:
        return handler(run, tensor, args, node)
    if name == "item":
        return _item(run, tensor, node)
    if name in _NUMBERS:
        return Unknown(kind="number")
    if name == "is_floating_point" and tensor.dtype is not None:
        return Const(tensor.dtype not in INTEGERS and not tensor.dtype.startswith("complex"))
    if name in _FLAGS:
        return Unknown()
    if name in CONVERSIONS:
        moved = _convert(run, tensor, name, args, node)
        run.pure = Pure(node, name, tensor, moved)
        return moved
    if f"Tensor.{name}" in SPLITS:
        return split_tensor(run, f"Tensor.{name}", bind_method(f"Tensor.{name}", tensor, args), node)
    return _generic(run, tensor, name, args, node)


def bind_method(name: str, tensor: Value, args: Args) -> dict[str, Value]:
    """The arguments of a method by the names the table knows, the tensor first; ints in a row become one sequence."""
    names = table.parameters(name) or ("self",)
    if _is_called_on_a_later(names):
        names = ("self", *(other for other in names if other != "self"))
    return bind_parameters(names, [tensor, *args.pos], args.kw)


def _is_called_on_a_later(names: tuple[str, ...]) -> bool:
    """`x.where(condition, other)` is `where(condition, x, other)`."""
    return names[0] != "self" and "self" in names


def bind_parameters(names: tuple[str, ...], pos: list[Value], keywords: Mapping[str, Value]) -> dict[str, Value]:
    """Positional arguments to parameter names; what is left over joins the last parameter as a sequence."""
    if "input" in keywords and names[:1] == ("self",):  # as the facts call it
        keywords = {("self" if name == "input" else name): value for name, value in keywords.items()}
    last = names[-1] if names else ""
    takes_rest = last.startswith("*") or (last in _SPREAD and len(pos) == len(names))
    if names and (takes_rest or len(pos) > len(names)):
        keep = len(names) - 1
        parts = [part if isinstance(part, Seq) else Seq("tuple", [part]) for part in pos[keep:]]
        rest = Seq("tuple", [item for part in parts for item in part.items], open=any(part.open for part in parts))
        pos = [*pos[:keep], rest]
    return {**dict(zip((name.removeprefix("*") for name in names), pos, strict=False)), **keywords}


def _how(run: Run, tensor: Tensor, node: ir.Node) -> tuple[How, str]:
    """How a written receiver reads in the source: `x[i].mul_()` writes to an indexed view."""
    base = node.func.base if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else None
    if isinstance(base, ir.Subscript) and tensor.base is not None:
        return How.INDEX, describe(base.base)
    return How.METHOD, describe(base) if base is not None else tensor.name


def _generic(run: Run, tensor: Tensor, name: str, args: Args, node: ir.Node) -> Value:
    if args.open:
        return Unknown((tensor,))
    how, target = _how(run, tensor, node)
    if "out" in args.kw:
        return Unknown((tensor,))
    called = f"Tensor.{name}"
    params = bind_method(called, tensor, args)
    if tensor.grad_owner is not None and name in ("zero_", "fill_", "mul_"):
        note_zero(run, tensor, name, args.get(0, "value"), node)
    facts = f"torch.{name}" if _is_called_on_a_later(table.parameters(called) or ("self",)) else called
    result = apply_named(run, facts, params, node, how=how, target=target)
    if result is None:
        return call_unknown(run, Method(tensor, name), args, node)
    if not name.endswith("_"):
        run.pure = Pure(node, name, tensor, result)
    return result


def _array_method(run: Run, array: Tensor, name: str, node: ir.Node) -> Value:
    if name in _ARRAY_WRITES:
        record = new_record(run, array, run.site(node), how=How.METHOD, op=name)
        record.through, record.bumps = array.alias_how or "numpy", False
        run.machine.write(record, [], None)
        return NONE
    return unknown_from(array)


def _item(run: Run, tensor: Tensor, node: ir.Node) -> Value:
    result = Unknown(kind="number")
    result.trace = leave(run, (tensor,), "item", node)
    if result.trace is None and tensor.requires_grad is None and hangs_on_training(run, tensor):
        result.trace = Trace((), "item", run.site(node), (), tensor.name)
        run.traced = True
    return result


def _backward(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    root = node.func.base if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else None
    name = describe(root) if root is not None else ""
    inputs = args.get(3, "inputs")
    gradient = args.get(0, "gradient")
    retain = args.get(1, "retain_graph") or args.kw.get("retain_variables")  # its name before torch 0.3
    request = Request(
        site=run.site(node),
        roots=(tensor,),
        names=(name or tensor.name,),
        seeded=gradient is not None and not (isinstance(gradient, Const) and gradient.value is None),
        retain=_flag(retain),
        create=bool(_flag(args.get(2, "create_graph"))),
        retain_site=asked_at(run, args),
        handed_on=is_handed_on(run, args),
        inputs=tensors_in(inputs) if inputs is not None and not isinstance(inputs, Const) else None,
    )
    found = run_backward(run.machine, run.gradients, request)
    kept = request.create or (retain is not None and truth(retain) is not False)
    note_pass(run, request.site, request.roots, owners(found), retain=kept)
    return NONE


def owners(found: Mapping[int, Tensor]) -> list[Tensor]:
    """The tensors that a backward has given these gradients."""
    return [gradient.grad_owner for gradient in found.values() if gradient.grad_owner is not None]


def tensors_in(value: Value) -> tuple[Tensor, ...]:
    """The tensors in a tensor or sequence of tensors."""
    items = value.items if isinstance(value, Seq) else [value]
    return tuple(t for t in (known_tensor(item) for item in items) if t is not None)


def _flag(value: Value | None) -> bool | None:
    if value is None or (isinstance(value, Const) and value.value is None):
        return None
    return bool(value.value) if isinstance(value, Const) else None


def _set_requires_grad(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "requires_grad")
    wanted = True if value is None else _flag(value)
    if wanted and tensor.node is None:
        flag(run, tensor, Const(True), node, assigned=False)
    if tensor.node is not None and wanted is False and tensor.node.certain:
        run.machine.refuse(run.site(node), Refusal.NON_LEAF_FLAG, tensor)
    elif tensor.node is None:
        if wanted and tensor.dtype is not None and tensor.dtype not in FLOATS:
            run.machine.refuse(run.site(node), Refusal.INTEGER_GRAD, tensor)
        tensor.requires_grad = wanted
        run.created.append(tensor)
    return tensor


def _detach_in_place(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    """`x.detach_()`: no version moves, but an operation that saved `x` as a non-leaf will refuse it."""
    if run.machine.modes.inference:
        return tensor  # torch skips autograd there, and leaves the tensor in its graph
    if tensor.base is not None:
        run.machine.fail()  # "Can't detach views in-place": no rule tells of it
        return tensor
    if tensor.node is not None:
        how, target = _how(run, tensor, node)
        tensor.trace = leave(run, (tensor,), "detach_", node)
        tensor.detached = new_record(run, tensor, run.site(node), how=how, op="detach_", name=target)
        run.machine.keep(tensor.detached)
    tensor.node = None
    tensor.requires_grad = False
    return tensor


def _retain_grad(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    if tensor.node is not None:
        tensor.retains_grad = True
        run.gradients.retained.append(tensor)
    return NONE


def _register_hook(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    name = node.func.name if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else "register_hook"
    result = register_hook(run, tensor, name, node)
    if name == "register_hook":
        try_hook(run, tensor, args.get(0, "hook"), node)
    return result


def _size(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    if not args.pos and not args.kw:
        return _shape(run, tensor, node)
    dim = args.get(0, "dim")
    if tensor.layout is not None and isinstance(dim, Const) and isinstance(dim.value, int):
        shape = tensor.layout.shape
        if -len(shape) <= dim.value < len(shape):
            return Const(shape[dim.value])
    return Unknown(kind="number")


def _rank_method(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    return _rank(run, tensor, node)


def _numel(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    return Const(tensor.layout.numel) if tensor.layout is not None else Unknown(kind="number")


def _numpy(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    force = _flag(args.get(0, "force"))
    if run.machine.requires(tensor) and not force and run.machine.modes.grad is not False:
        refuse_array(run, run.site(node), tensor)
        return Unknown()
    return as_array(run, tensor, node)


def as_array(run: Run, tensor: Tensor, node: ir.Node) -> Tensor:
    """The NumPy array that shares the memory of `tensor`."""
    result = run.machine.output(Output(Alias.MEMORY, differentiable=False), tensor, None, site=run.site(node))
    result.numpy = True
    result.layout, result.dtype, result.alias_how = tensor.layout, tensor.dtype, "numpy"
    result.trace = leave(run, (tensor,), "numpy", node)
    return result


def _storage(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    """The storage: memory without a version counter, as an array is."""
    result = as_array(run, tensor, node)
    result.alias_how = "storage"
    return result


def _tolist(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    trace = leave(run, (tensor,), "tolist", node)
    if trace is None:
        return Seq("list", [], open=True)
    number = Unknown(kind="number")
    number.trace = trace
    return Seq("list", [number], open=True)


def _fresh_constant(run: Run, tensor: Tensor, args: Args, node: ir.Node) -> Value:
    """`x.new_zeros(…)` and its kin: a tensor of its own, without a graph."""
    result = run.machine.tensor(run.site(node), requires_grad=_flag(args.kw.get("requires_grad")) or False)
    result.dtype = asked_dtype(args.kw, tensor.dtype, more=args.open)
    result.device = tensor.device
    name = node.func.name if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else ""
    if name == "new_tensor" and args.pos:
        rewrap(run, result, args.pos[0], "new_tensor", node)
    if name in ("new_zeros", "new_ones", "new_empty", "new_full") and not args.open:
        given = args.get(0, "size")
        spread = args.pos if name != "new_full" and isinstance(given, Const) else None
        sizes = integers(Seq("tuple", list(spread)) if spread is not None else given)
        result.layout = layouts.fresh(sizes) if sizes is not None else None
    return result


# ---------------------------------------------------------------- conversions


def _convert(run: Run, tensor: Tensor, name: str, args: Args, node: ir.Node) -> Value:
    """`.to(…)`, `.float()`, `.cuda()`: the tensor itself where nothing changes, else a copy."""
    wanted, device, other = _target(tensor, name, args)
    copies = _flag(args.kw.get("copy")) is True
    same: bool | None = None
    if wanted is not None and tensor.dtype is not None:
        same = wanted == tensor.dtype
    elif wanted is None and not other:
        same = True
    if same and device is not None:
        same = True if device == tensor.device == "cpu" else None
    elif same is None and wanted is not None:
        same = None
    alias = Alias.FRESH if copies or same is False else Alias.SELF if same else Alias.MAYBE
    if alias is Alias.SELF:
        return tensor
    floating = wanted is None or wanted in FLOATS
    effect = Effect(
        outputs=(Output(alias, of="self", differentiable=floating, shape="same:self"),), frees=_frees(alias)
    )
    result = apply_effect(run, f"Tensor.{name}", effect, {"self": tensor}, node)
    if isinstance(result, Tensor) and result is not tensor:
        result.dtype = wanted or (None if other else tensor.dtype)
        result.device = device or tensor.device
    return result


def _frees(alias: Alias) -> bool | None:
    """A copy to another dtype or device saves nothing."""
    return None if alias is Alias.MAYBE else False


def _target(tensor: Tensor, name: str, args: Args) -> tuple[str | None, str | None, bool]:
    """The dtype and the device asked for, and whether something asked for is not known."""
    if name in CONVERTERS:
        return CONVERTERS[name], None, False
    if name == "cpu":
        return None, "cpu", False
    if name == "cuda":
        return None, "cuda", False
    wanted: str | None = None
    device: str | None = None
    unknown = False
    for value in (*args.pos, *(args.kw[key] for key in ("dtype", "device", "other") if key in args.kw)):
        dtype = dtype_name(value)
        if dtype is not None:
            wanted = dtype
        elif isinstance(value, Const) and isinstance(value.value, str):
            device = value.value
        elif isinstance(value, Tensor):
            wanted, device = value.dtype, value.device
            unknown = unknown or wanted is None
        elif not (isinstance(value, Const) and isinstance(value.value, bool)):
            unknown = True
    return wanted, device, unknown


_METHODS: Final[dict[str, Callable[[Run, Tensor, Args, ir.Node], Value]]] = {
    "backward": _backward,
    "requires_grad_": _set_requires_grad,
    "detach_": _detach_in_place,
    "retain_grad": _retain_grad,
    "register_hook": _register_hook,
    "register_post_accumulate_grad_hook": _register_hook,
    "size": _size,
    **dict.fromkeys(("dim", "ndimension"), _rank_method),
    **dict.fromkeys(("numel", "nelement"), _numel),
    "numpy": _numpy,
    **dict.fromkeys(("untyped_storage", "storage"), _storage),
    "tolist": _tolist,
    **dict.fromkeys(("new", "new_tensor", "new_zeros", "new_ones", "new_empty", "new_full"), _fresh_constant),
}

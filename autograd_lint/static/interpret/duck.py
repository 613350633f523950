"""Objects that are not known, judged by what is called on them.

What has a `backward` is a loss, what has a `zero_grad` and a `step` is an optimizer. What is learned so is never
certain. In the forward of a module, what has methods that only tensors have is a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.events import Backward, TensorRef
from autograd_lint.static.interpret.peek import peek
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.order import Act, note_clear, note_cut, note_doubt, note_pass, note_step
from autograd_lint.static.model.values import (
    FALSE,
    TRUE,
    Const,
    Instance,
    Method,
    NNModule,
    OptimizerValue,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.tensors import proven_tensor, receiver
from autograd_lint.static.patterns.keeping import note_stepped, state_dict
from autograd_lint.static.patterns.networks import note_network_step
from autograd_lint.static.patterns.validation import set_mode
from autograd_lint.static.syntax import ir

_IDLE: Final = frozenset({"eval", "train", "state_dict", "requires_grad_", "parameters", "named_parameters", "modules"})
"""Methods of a Module that run no backward."""


_OF_TENSORS: Final = frozenset(
    [
        *("bool", "chunk", "clamp", "contiguous", "dim", "exp", "expand", "int", "log_softmax", "long", "narrow"),
        *("permute", "pow", "relu", "rsqrt", "sigmoid", "size", "softmax", "split", "sqrt", "tanh", "unbind"),
        *("unsqueeze", "view"),
    ]
)
"""Methods that only tensors have when they are called with numbers alone."""


def as_tensor_method(run: Run, function: Value, args: Args) -> Method | None:
    """`function` as the method of a tensor, when the way it is called shows that its object is one."""
    if (
        not run.machine.differentiated
        or type(function) is not Unknown
        or function.label not in _OF_TENSORS
        or args.open
    ):
        return None
    owner = function.owner
    if type(owner) is not Unknown or owner.kind or not all(_is_number(value) for value in args.all()):
        return None
    tensor = proven_tensor(run, owner)
    return Method(tensor, function.label) if tensor is not None else None


def _is_number(value: Value) -> bool:
    if isinstance(value, Seq):
        return all(_is_number(item) for item in value.items)
    if isinstance(value, Unknown):
        return value.kind == "number"
    return isinstance(value, Const) and isinstance(value.value, int | float | bool)


def note_unknown_call(run: Run, function: Value, last: str, args: Args, node: ir.Node) -> Value | None:
    """A call of something not known, whose last name is `last`; the value when its kind is clear from that."""
    owner = function.owner if isinstance(function, Unknown | Method) else None
    if last == "backward":
        _note_backward(run, owner, args, node)
    elif last == "zero_grad" and isinstance(owner, Unknown):
        note_clear(run, run.site(node), owner, ())
    elif isinstance(owner, Unknown) and owner.kind == "scheduler":
        return None
    elif last == "step" and isinstance(owner, Unknown) and not (args.pos or args.kw or args.open):
        note_step(run, run.site(node), owner, receiver(node))
        if _is_optimizer(run, owner):
            note_stepped(run, run.site(node), owner)
    elif isinstance(function, TorchName) and function.name.startswith(("torch.autograd.", "torch.func.")):
        run.watch.passes += 1
        note_doubt(run)
    elif last in _IDLE and isinstance(owner, Unknown):
        return _call_idle(run, owner, last, args, node)
    elif not (isinstance(owner, Unknown) and id(owner) in run.watch.backed):
        note_doubt(run)
    _note_arguments(run, last, args, node)
    return None


def _call_idle(run: Run, owner: Unknown, last: str, args: Args, node: ir.Node) -> Value | None:
    """A method that Modules have and that runs no backward."""
    if last in ("eval", "train"):
        mode = args.get(0, "mode")
        owner.put("training", Const(last == "train") if mode is None and not args.open else mode or Unknown())
        set_mode(run, owner, [owner], last == "train" and not _is_false(args), node)
    elif last == "requires_grad_":
        run.watch.frozen = run.watch.frozen or _is_false(args)
        if not args.open and all(isinstance(value, Const) for value in args.all()):
            owner.attrs = {**(owner.attrs or {}), "requires_grad": FALSE if _is_false(args) else TRUE}
        return owner
    elif last == "state_dict" and not (args.pos or args.kw) and not _is_optimizer(run, owner):
        return state_dict(run, owner, node)
    return None


def _is_false(args: Args) -> bool:
    return any(isinstance(value, Const) and value.value is False for value in args.all())


def _note_arguments(run: Run, last: str, args: Args, node: ir.Node) -> None:
    loops = run.machine.loops
    for value in args.all():
        if last == "step":  # `scaler.step(optimizer)`
            note_network_step(run, value, run.site(node))
        if isinstance(value, OptimizerValue) or (isinstance(value, Unknown) and _is_optimizer(run, value)):
            note_cut(run, value)
        elif loops and isinstance(value, Unknown | NNModule | Instance):
            run.watch.handed.append((value, loops, run.site(node)))


def _is_optimizer(run: Run, value: Unknown) -> bool:
    """It was told to clear gradients."""
    return any(action.owner is value and action.act is Act.CLEAR for action in run.gradients.order.actions)


def _note_backward(run: Run, owner: Value | None, args: Args, node: ir.Node) -> None:
    """`loss.backward()`, `scaler.scale(loss).backward()`, `accelerator.backward(loss)`."""
    roots = list(_named(run, node)) if isinstance(node, ir.Call) else []
    for root in (*roots, *args.pos[:1], *((owner,) if isinstance(owner, Unknown) else ())):
        if isinstance(root, Unknown | Tensor):
            run.watch.backed[id(root)] = (root, run.machine.loops, run.site(node))
            roots.append(root)
    site = run.site(node)
    kept = [args.kw[name] for name in ("retain_graph", "create_graph") if name in args.kw]
    note_pass(run, site, roots, None, retain=any(truth(value) is not False for value in kept))
    run.watch.passes += 1
    create = args.kw.get("create_graph")
    if create is not None and truth(create) is True:
        name = receiver(node)
        run.machine.emit(Backward(site=site, root=TensorRef(name), create_graph=True, certain=False))


def _named(run: Run, node: ir.Call) -> Iterator[Value]:
    """The values of the names among the arguments of a call and of the calls it is a method of."""
    function: ir.Expr = node
    while isinstance(function, ir.Call):
        for arg in function.args:
            value = peek(run, arg.value)
            if value is not None:
                yield value
        function = function.func.base if isinstance(function.func, ir.Attr) else function.func

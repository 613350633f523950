"""Optimizers: the parameters they hold, and what `step` and `zero_grad` do to them."""

from __future__ import annotations

from typing import Final

from autograd_lint.events import How, Refusal
from autograd_lint.facts import table
from autograd_lint.static.interpret.builtin_calls import is_open_iterable, iterate
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.order import note_cut, note_step
from autograd_lint.static.model.values import (
    NONE,
    Bound,
    Const,
    Dict,
    Function,
    OptimizerValue,
    Seq,
    Tensor,
    Tri,
    Unknown,
    Value,
)
from autograd_lint.static.operations.modules import clear_gradients, write_inside
from autograd_lint.static.operations.tensors import known_tensor, receiver
from autograd_lint.static.patterns import rebuilt
from autograd_lint.static.patterns.keeping import note_stepped
from autograd_lint.static.patterns.networks import note_optimizer
from autograd_lint.static.syntax import ir

_SCHEDULERS: Final = "torch.optim.lr_scheduler."


def is_optimizer_name(name: str) -> bool:
    """`name` is one of torch's optimizer classes."""
    return name.startswith("torch.optim.") and table.optimizer(name) is not None


def is_scheduler_name(name: str) -> bool:
    """`name` belongs to the learning-rate schedulers, which touch no gradient."""
    return name.startswith(_SCHEDULERS)


def construct_optimizer(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """`SGD(params, lr=…)`; torch refuses non-leaf tensors."""
    optimizer = OptimizerValue(name, [], args.open, _bumps(name, args.kw.get("fused")), run.site(node))
    given = args.get(0, "params")
    if given is None:
        optimizer.open = True
    else:
        _add(run, optimizer, given, node)
    note_optimizer(run, optimizer, args.all())
    rebuilt.note_built(run, optimizer, name, args, node)
    return optimizer


def _bumps(name: str, fused: Value | None) -> Tri:
    facts = table.optimizer(name)
    if facts is None:
        return None
    if fused is None or (isinstance(fused, Const) and not fused.value):
        return facts.bumps
    return facts.bumps_fused if isinstance(fused, Const) else None


def _add(run: Run, optimizer: OptimizerValue, given: Value, node: ir.Node) -> None:
    optimizer.open = optimizer.open or (is_open_iterable(given) and known_tensor(given) is None)
    for item in iterate(run, given, node):
        if isinstance(item, Dict):
            inner = item.items.get("params")
            if isinstance(inner, Tensor):
                _add_tensor(run, optimizer, inner, node)
            elif inner is not None:
                _add(run, optimizer, inner, node)
            optimizer.open = optimizer.open or item.open
        elif isinstance(item, Tensor):
            _add_tensor(run, optimizer, item, node)
        elif not isinstance(item, Const):
            optimizer.open = True


def _add_tensor(run: Run, optimizer: OptimizerValue, tensor: Tensor, node: ir.Node) -> None:
    if run.machine.requires(tensor) and tensor.node is not None:
        reason, certain = Refusal.NON_LEAF_OPTIMIZER, not _may_be_leaf(tensor)
        run.machine.refuse(run.site(node), reason, tensor, origin=tensor.node.site, certain=certain)
    optimizer.params.append(tensor)
    run.gradients.held[id(tensor)] = tensor
    run.watch.optimized[id(tensor)] = tensor


def _may_be_leaf(tensor: Tensor) -> bool:
    """`leaf.to(device)` is the leaf itself where it is on that device already; `.cuda()` of what is made here moves."""
    source = tensor.maybe_of
    if source is None or source.node is not None:
        return source is not None and source.maybe_of is not None and _may_be_leaf(source)
    moved = tensor.node is not None and tensor.node.op == "cuda" and source.device in (None, "cpu")
    cast = None not in (source.dtype, tensor.dtype) and source.dtype != tensor.dtype
    return not (moved or cast)


def call_optimizer_method(run: Run, owner: OptimizerValue, name: str, args: Args, node: ir.Node) -> Value:
    """`optimizer.name(args)`."""
    if name == "step":
        return _step(run, owner, args, node)
    if name == "zero_grad":
        clear_gradients(run, owner, owner.params, args.get(0, "set_to_none"), node)
        return NONE
    if name == "add_param_group":
        _add(run, owner, Seq("list", [args.pos[0]]), node) if args.pos else None
        return NONE
    if name in ("state_dict", "load_state_dict", "register_step_post_hook", "register_step_pre_hook", "train", "eval"):
        return Unknown()
    return call_unknown(run, owner, args, node)


def _step(run: Run, owner: OptimizerValue, args: Args, node: ir.Node) -> Value:
    closure = args.get(0, "closure")
    result: Value = NONE
    if isinstance(closure, Function | Bound):
        result = run.call(closure, Args([]), node)
    site = run.site(node)
    gradients = run.gradients
    gradients.clock += 1
    gradients.steps.append((gradients.clock, site))
    for tensor in owner.params:
        if tensor.grad is NONE:
            gradients.missed[id(tensor)] = (site, True)
        if tensor.grad_sum is not None:
            run.machine.emit(tensor.grad_sum)
        _step_one(run, owner, tensor, node)
        if tensor.grad_passes:
            tensor.grad_stepped, tensor.grad_used, tensor.grad_by_hand = site, len(tensor.grad_passes), False
    note_stepped(run, site, owner)
    if closure is None:
        rebuilt.note_stepped(run, owner, site, receiver(node))
        note_step(run, site, owner, receiver(node))
    else:
        note_cut(run, owner)
    return result


def _step_one(run: Run, owner: OptimizerValue, tensor: Tensor, node: ir.Node) -> None:
    """`step` writes every parameter that has a gradient, whether or not it requires one by now."""
    grad = tensor.grad
    if isinstance(grad, Const):
        return
    certain = isinstance(grad, Tensor) or (isinstance(grad, Unknown) and grad.kind == "tensor")
    certain = certain and owner.bumps is not None and tensor.requires_grad is not None
    write_inside(run, tensor, node, op="step", how=How.OPTIMIZER, bumps=owner.bumps is not False, certain=certain)

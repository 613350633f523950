"""`torch.utils.checkpoint`: the function runs, its inputs are saved, and it runs again in backward."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from autograd_lint.events import Checkpointed, Site
from autograd_lint.facts.model import Alias, Output
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.passes import Request, run_backward
from autograd_lint.static.model.values import Const, Tensor, TorchName, Unknown, Value, is_none
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.syntax import ir

_OWN_ARGUMENTS = frozenset(
    {"use_reentrant", "context_fn", "determinism_check", "debug", "preserve_rng_state", "early_stop"}
)


def call_checkpoint(run: Run, args: Args, node: ir.Node) -> Value:
    """`checkpoint(function, *inputs)`: a node that saved the inputs stands for the function's graph."""
    if not args.pos or args.open:
        return call_unknown(run, TorchName("torch.utils.checkpoint.checkpoint"), args, node)
    given = {key: value for key, value in args.kw.items() if key not in _OWN_ARGUMENTS}
    machine = run.machine
    inputs = [t for t in (known_tensor(value) for value in args.pos[1:]) if t is not None]
    wanted = machine.wants_grad(inputs)
    reentrant = args.kw.get("use_reentrant")
    made = machine.node("checkpoint", run.site(node), machine.edges(inputs), frees=True)
    made.certain = wanted is True and isinstance(reentrant, Const)
    for tensor in inputs:  # before the function runs, which may write to them
        machine.save(made, tensor, tensor.name, result=False, certain=made.certain)
    apart = wanted is True and isinstance(reentrant, Const) and reentrant.value is True
    call = partial(_apart, run) if apart else run.call
    result = call(args.pos[0], Args(args.pos[1:], given), node)
    if _note_kind(run, "checkpoint", args, result, node):
        return _without_graph(run, result, node)
    if apart and isinstance(result, Tensor) and result.node is None and result not in inputs:
        result.node, result.requires_grad = made, True
        made.again = partial(_run_again, run, args.pos[0], Args(args.pos[1:], given), node)
        return result
    if not isinstance(result, Tensor) or result.node is None or wanted is False:
        return result
    if not _keeps(result.node, made):
        return result
    made.edges.extend(result.node.edges)
    result.node = made
    return result


def _keeps(last: GraphNode, made: GraphNode) -> bool:
    """The function's graph surely saved something: only then is it run again, and what was saved for that looked at."""
    waiting, seen = [last], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or node.seq < made.seq:
            continue
        seen.add(id(node))
        if node.frees and node.certain:
            return True
        waiting.extend(edge for edge in node.edges if isinstance(edge, GraphNode))
    return False


def _apart(run: Run, function: Value, args: Args, node: ir.Node) -> Value:
    """The reentrant kind runs the function without gradients, and again in backward."""
    modes = run.machine.modes
    run.machine.modes = replace(modes, grad=False, off=run.site(node))
    try:
        return run.call(function, args, node)
    finally:
        run.machine.modes = modes


def _run_again(run: Run, function: Value, args: Args, node: ir.Node, backward: Site) -> None:
    """In backward it runs the function with gradients, on leaves that share its inputs, and then a pass of its own."""
    machine, modes = run.machine, run.machine.modes
    machine.modes = replace(modes, grad=True, off=None)
    try:
        result = run.call(function, Args([_leaf(run, value, node) for value in args.pos], args.kw), node)
        if isinstance(result, Tensor) and result.node is not None and not machine.failed:
            request = Request(backward, (result,), (result.name,), seeded=True, retain=None, create=False)
            run_backward(machine, run.gradients, request)
    finally:
        machine.modes = modes


def _leaf(run: Run, value: Value, node: ir.Node) -> Value:
    tensor = known_tensor(value)
    if tensor is None:
        return value
    leaf = run.machine.output(Output(Alias.SHARED, differentiable=False), tensor, None, site=run.site(node))
    leaf.requires_grad = run.machine.requires(tensor)
    leaf.layout, leaf.dtype, leaf.device, leaf.name = tensor.layout, tensor.dtype, tensor.device, tensor.name
    return leaf


def call_checkpoint_sequential(run: Run, args: Args, node: ir.Node) -> Value:
    """`checkpoint_sequential(functions, segments, input)`."""
    if not args.open:
        _note_kind(run, "checkpoint_sequential", Args(args.pos[1:], args.kw), Unknown(), node)
    return call_unknown(run, TorchName("torch.utils.checkpoint.checkpoint_sequential"), args, node)


def _note_kind(run: Run, function: str, args: Args, result: Value, node: ir.Node) -> bool:
    """Whether the gradient is lost: the reentrant kind, which one gets unasked, wants an input that requires grad."""
    asked = args.kw.get("use_reentrant")
    reentrant = None if asked is None or is_none(asked) else truth(asked)
    if asked is not None and not is_none(asked) and reentrant is not True:
        return False
    inputs = [known_tensor(value) for value in args.pos[1:]]
    plain = bool(inputs) and all(t is not None and run.machine.requires(t) is False for t in inputs)
    lost = plain and isinstance(result, Tensor) and result.node is not None and result.node.certain
    if reentrant is None or lost:
        run.machine.emit(Checkpointed(site=run.site(node), function=function, reentrant=reentrant, lost=lost))
    return lost


def _without_graph(run: Run, result: Value, node: ir.Node) -> Value:
    if not isinstance(result, Tensor):
        return result
    plain = run.machine.tensor(run.site(node))
    plain.layout, plain.dtype, plain.made_by = result.layout, result.dtype, "checkpoint"
    return plain

"""Custom `autograd.Function` classes: their forward runs without gradients, and saves what it says."""

from __future__ import annotations

from dataclasses import replace

from autograd_lint.events import How
from autograd_lint.facts.model import Alias, Output
from autograd_lint.static.interpret.classes import find_in_class
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.values import NONE, Class, Context, Function, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.tensors import known_tensor, new_record, proven_tensor, tensor_of
from autograd_lint.static.patterns.function_checks import note_kept, watch_written
from autograd_lint.static.syntax import ir


def apply_function(run: Run, cls: Class, args: Args, node: ir.Node) -> Value:
    """`F.apply(…)`: run `forward`, then make the node that stands for `backward`."""
    forward, _ = find_in_class(cls, "forward")
    setup, _ = find_in_class(cls, "setup_context")
    if not isinstance(forward, Function) or setup is not None:
        return Unknown(tuple(v for v in args.pos if isinstance(v, Tensor)))
    machine = run.machine
    inputs = [t for t in (known_tensor(value) for value in args.pos) if t is not None]
    possible = [t for t in (tensor_of(run, value) for value in args.pos) if t is not None]
    wanted = machine.wants_grad(possible)
    edges = [] if wanted is False else machine.edges(possible)  # torch looks at them before `forward` can write to them
    context = Context()
    modes = machine.modes
    versions = {id(t): t.counter.version for t in inputs}
    machine.modes = replace(modes, grad=False, off=None)
    cls.applied = max(cls.applied, len(args.pos))
    try:
        result = run.call(forward, Args([context, *args.pos], args.kw, args.open), node)
    finally:
        machine.modes = modes
    note_kept(run, context, args.pos, result)
    if wanted is False:
        return result
    made = _node(run, cls, context, edges, node, certain=wanted is True)
    watch_written(run, cls, context, inputs, versions, made)
    wrapped = _wrap(run, result, made, context, inputs, versions, node)
    for tensor in context.saved:  # torch saves last: after what `mark_dirty` counts as a write
        run.machine.save(made, tensor, tensor.name, result=tensor not in inputs, certain=made.certain)
    return wrapped


def _node(
    run: Run, cls: Class, context: Context, edges: list[GraphNode | Tensor], node: ir.Node, *, certain: bool
) -> GraphNode:
    made = run.machine.node(cls.node.name, run.site(node), edges, frees=True if context.saved else None)
    made.certain = certain
    return made


def _wrap(
    run: Run,
    result: Value,
    made: GraphNode,
    context: Context,
    inputs: list[Tensor],
    versions: dict[int, int],
    node: ir.Node,
) -> Value:
    """The outputs with their history: a returned input is a view unless it was marked dirty."""
    if isinstance(result, Seq):
        items = [_wrap(run, item, made, context, inputs, versions, node) for item in result.items]
        for item in items:
            if isinstance(item, Tensor) and item.base is not None and len(items) > 1:
                item.view_kind = "multi"
        return Seq(result.kind, items, open=result.open)
    if isinstance(result, Unknown):
        return Unknown(tuple(inputs))
    if not isinstance(result, Tensor):
        return result
    machine = run.machine
    if result in context.dirty:
        _mark_written(run, result, made, node)
        return result
    if result in inputs:
        output = machine.output(Output(alias=Alias.VIEW, of="input"), result, made, site=run.site(node))
        output.view_kind = "custom"
        output.layout = result.layout
        return output
    if result in context.constants:
        return result
    result.node = made
    result.requires_grad = True if made.certain else None
    result.trace = None  # what `forward` has cut off `backward` can mend, and give a gradient by any way
    return result


def _mark_written(run: Run, tensor: Tensor, made: GraphNode, node: ir.Node) -> None:
    """`mark_dirty`: the node becomes the history of the written input; torch refuses a leaf."""
    record = new_record(run, tensor, run.site(node), how=How.FUNCTION, op=made.op)
    run.machine.write(record, [], made)


def call_context_method(run: Run, context: Context, name: str, args: Args) -> Value:
    """`ctx.save_for_backward(…)`, `ctx.mark_dirty(…)`."""
    tensors = [t for t in (proven_tensor(run, value) for value in args.pos) if t is not None]
    if name == "save_for_backward":
        context.saved = tensors
    elif name == "mark_dirty":
        context.dirty = tensors
    elif name == "mark_non_differentiable":
        context.constants = tensors
    return NONE

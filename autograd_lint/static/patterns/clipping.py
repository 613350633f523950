"""`clip_grad_norm_` and its kin: whose gradients they are given, and when."""

from __future__ import annotations

from autograd_lint.events import ClippedNothing, TensorRef
from autograd_lint.static.interpret.peek import peek
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.order import note_clip
from autograd_lint.static.model.values import Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.syntax import ir


def note_clipping(run: Run, given: Value, op: str, node: ir.Node) -> list[Tensor]:
    """Gradients of `given` are clipped; the tensors that are known to be in it."""
    items = given.items if isinstance(given, Seq) else [given]
    tensors = [t for t in (known_tensor(item) for item in items) if t is not None]
    note_clip(run, run.site(node), tensors, discarded=run.discarded is node)
    without = [t for t in tensors if _has_no_gradient(t)]
    machine = run.machine
    if without:
        partly = len(without) < len(items) or (isinstance(given, Seq) and given.open)
        gradient = without[0].grad_owner is not None
        target = machine.ref(without[0])
        event = ClippedNothing(site=run.site(node), target=target, op=op, gradient=gradient, partly=partly)
        machine.emit(event)
    elif isinstance(given, Unknown) and id(given) in run.watch.backed:
        target = TensorRef(given.name or _name(run, node))
        machine.emit(ClippedNothing(site=run.site(node), target=target, op=op, certain=False))
    return tensors


def _has_no_gradient(tensor: Tensor) -> bool:
    """A non-leaf that does not retain its gradient, or a gradient itself."""
    if tensor.grad_owner is not None:
        return tensor.node is None
    return tensor.node is not None and tensor.node.certain and not tensor.retains_grad


def _name(run: Run, node: ir.Node) -> str:
    first = node.args[0].value if isinstance(node, ir.Call) and node.args else None
    return first.id if isinstance(first, ir.Name) and peek(run, first) is not None else ""

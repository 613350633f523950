"""Reads and hand-made clearings of `.grad`."""

from __future__ import annotations

from autograd_lint.events import Accumulation, GradRead, GradZero, Site, TensorRef
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.order import note_doubt
from autograd_lint.static.model.passes import forget_gradient
from autograd_lint.static.model.values import NONE, Const, Instance, NNModule, OptimizerValue, Tensor, Value
from autograd_lint.static.operations.registered import parameters_of
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.syntax import ir


def note_read(run: Run, tensor: Tensor, node: ir.Node) -> None:
    """`.grad` of `tensor` is being read; what for shows by the end of the statement."""
    name = describe(node.base) if isinstance(node, ir.Attr) else tensor.name
    run.pending_read = (tensor, run.site(node), name or tensor.name)
    note_doubt(run)


def clear_pending(run: Run) -> None:
    """The `.grad` just read was only asked whether it is there, or was cleared."""
    run.pending_read = None


def flush_pending(run: Run) -> None:
    """The `.grad` just read was used as a value."""
    if run.pending_read is None:
        return
    tensor, site, name = run.pending_read
    run.pending_read = None
    machine = run.machine
    inner = tensor.node is not None
    certain = tensor.node.certain if tensor.node is not None else True
    target = TensorRef(
        name, leaf=not inner, parameter=tensor.parameter, made=tensor.node.site if tensor.node else tensor.site
    )
    passes = tuple(tensor.grad_passes)
    summed = len(passes) >= 2 and not tensor.grad_differenced
    taken_alone = summed and tensor.grad_reads > 0
    shared = summed and _share_a_graph(run, tensor)
    if not inner and tensor.grad is NONE:
        run.gradients.missed.setdefault(id(tensor), (site, False))
    run.gradients.read[id(tensor)] = tensor
    machine.emit(
        GradRead(
            site=site,
            target=target,
            retained=tensor.retains_grad or tensor.grad is not NONE,
            backwards=passes,
            expected_alone=taken_alone and shared,
            certain=certain,
        )
    )
    if summed and not shared and tensor.grad_stepped is None and passes[0].key != passes[-1].key:
        if taken_alone or _same_root(run, passes[0], passes[-1]):
            machine.emit(Accumulation(site=passes[-1], first=passes[0], leaf=target))
    if len(passes) == 1:
        tensor.grad_reads += 1


def _share_a_graph(run: Run, tensor: Tensor) -> bool:
    """A later pass used the graph an earlier one kept: several roots, not several rounds."""
    sites = {site.key for site in tensor.grad_passes}
    return any(
        earlier.event.site.key in sites and any(site.key in sites for site in earlier.event.reused)
        for earlier in run.gradients.passes
    )


def _same_root(run: Run, first: Site, last: Site) -> bool:
    """Both passes start at a variable of the same name: one computation, done twice."""
    names = {p.event.root.name for p in run.gradients.passes if p.event.site.key in (first.key, last.key)}
    return len(names) == 1 and "" not in names


def note_zero(run: Run, grad: Tensor, op: str, value: Value | None, node: ir.Node) -> None:
    """`x.grad.zero_()`, `x.grad.fill_(0)`, `x.grad *= 0`; `value` is the operand."""
    zero = isinstance(value, Const) and value.value == 0
    owner = grad.grad_owner
    if owner is None or (op != "zero_" and not zero):
        return
    clear_pending(run)
    target = TensorRef(owner.name, leaf=owner.node is None, parameter=owner.parameter, made=owner.site)
    run.machine.emit(GradZero(site=run.site(node), target=target, op=op, owner=owner_in_scope(run, owner)))
    forget_gradient(owner, True)


def owner_in_scope(run: Run, tensor: Tensor) -> str:
    """The name of an optimizer or module in scope that holds `tensor`."""
    scope = run.env
    while True:
        for name, value in scope.names.items():
            if isinstance(value, OptimizerValue) and tensor in value.params:
                return name
        for name, value in scope.names.items():
            if isinstance(value, NNModule | Instance) and tensor in parameters_of(value):
                return name
        if scope.parent is None:
            return ""
        scope = scope.parent

"""What a tensor hook does to the gradient it is given."""

from __future__ import annotations

from dataclasses import replace

from autograd_lint.events import GradientWritten
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Bound, Function, Tensor, Value
from autograd_lint.static.syntax import ir


def try_hook(run: Run, tensor: Tensor, hook: Value | None, node: ir.Node) -> None:
    """Call a hook as backward would, with a gradient of its own; a write to it reaches other consumers' gradients."""
    if not isinstance(hook, Function | Bound):
        return
    machine = run.machine
    gradient = machine.tensor(run.site(node))
    gradient.layout, gradient.dtype = tensor.layout, tensor.dtype
    modes, machine.modes = machine.modes, replace(machine.modes, grad=False, off=None)
    try:
        run.call(hook, Args([gradient]), node)
    finally:
        machine.modes = modes
    for record, certain in gradient.memory.writes:
        if certain and record.certain:
            site = replace(record.site, calls=())
            event = GradientWritten(site=site, op=record.op, registered=run.site(node), name=tensor.name)
            run.machine.emit(event)
            return

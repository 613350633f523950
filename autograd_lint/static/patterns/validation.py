"""Forwards in evaluation mode: which of them build a graph that no backward uses."""

from __future__ import annotations

from collections.abc import Iterable

from autograd_lint.events import EvalForward
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Instance, Seq, Tensor, Unknown, Value
from autograd_lint.static.model.watch import EvalCall
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.syntax import ir


def set_mode(run: Run, owner: Value, modules: Iterable[Value], training: bool, node: ir.Node) -> None:
    """`owner.eval()`, or `owner.train()`, which ends what was done in evaluation mode."""
    evaluated = run.watch.evaluated
    for module in modules:
        if not training:
            evaluated[id(module)] = (module, run.site(node))
        elif evaluated.pop(id(module), None) is not None:
            _finish(run, module)


def note_forward(run: Run, module: Value, result: Value, node: ir.Node) -> None:
    """A module in evaluation mode was called."""
    machine, watch = run.machine, run.watch
    known = watch.evaluated.get(id(module))
    if known is None or not machine.loops or machine.modes.grad is not True or machine.modes.inference:
        return
    certain = _has_graph(result)
    if certain is False or (watch.frozen and not certain) or _inside_a_forward(run):
        return
    name = describe(node.func) if isinstance(node, ir.Call) else ""
    call = EvalCall(run.site(node), module, name, known[1], _clock(run), certain is True, machine.failed)
    watch.eval_calls.setdefault(id(node), call)


def _has_graph(result: Value) -> bool | None:
    """The result has a graph; None when that is not known."""
    if isinstance(result, Seq):
        answers = [_has_graph(item) for item in result.items]
        return True if True in answers else None if None in answers or result.open else False
    if isinstance(result, Tensor):
        return None if result.requires_grad is None else result.requires_grad and result.node is not None
    return None if isinstance(result, Unknown) else False


def _inside_a_forward(run: Run) -> bool:
    """Some Module's own `forward` is at work: whoever called it decides."""
    for frame in run.frames:
        node = frame.function.node if frame.function is not None else None
        if isinstance(node, ir.FunctionDef) and node.name == "forward":
            if isinstance(frame.self, Instance) and frame.self.module:
                return True
    return False


def _clock(run: Run) -> int:
    return len(run.gradients.passes) + run.watch.passes


def _finish(run: Run, module: Value | None) -> None:
    """Tell of the calls that no backward has followed, of `module` or of all."""
    watch = run.watch
    for call in list(watch.eval_calls.values()):
        if module is not None and call.module is not module:
            continue
        if call.clock == _clock(run):
            event = EvalForward(site=call.site, module=call.name, mode=call.mode, certain=call.certain)
            run.machine.events.append((event, call.late))
        call.clock = -1


def conclude(run: Run) -> None:
    """At the end of a path."""
    if run.watch.eval_calls:
        _finish(run, None)

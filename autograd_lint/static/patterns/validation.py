"""Forwards in evaluation mode: which of them build a graph that no backward uses."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst
from libcst.helpers import get_full_name_for_node

from autograd_lint.events import EvalForward, Site
from autograd_lint.static.interpret.state import Args, Frame, Run
from autograd_lint.static.model.values import Instance, Seq, Tensor, Unknown, Value
from autograd_lint.static.model.watch import EvalCall
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.patterns.testing import in_test
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
    if certain is False or (watch.frozen and not certain) or in_test(run):
        return
    site, name, depth = run.site(node), describe(node.func) if isinstance(node, ir.Call) else "", len(run.frames) - 1
    method = _method_at_work(run)
    if method is not None:
        frame = run.frames[method]
        if _name(frame) == "forward":
            return  # whoever called it decides
        led_here = len(run.frames) - method
        if led_here > len(run.calls) and id(frame.self) in watch.evaluated:
            return  # a module evaluates itself: whoever calls this decides
        if led_here <= len(run.calls) and id(frame.self) in watch.evaluated and frame.self is not None:
            site, module, depth = run.calls[-led_here], frame.self, method - 1
            name = _receiver(site) or name
    loops = machine.loops[run.frames[depth].loops :]
    round_of = loops[0][0] if loops else 0
    group = (id(module), known[1].key, round_of, *(call.key for call in site.calls))
    call = EvalCall(site, module, name, known[1], _clock(run), certain is True, machine.failed, group)
    watch.eval_calls.setdefault(site.key, call)


def note_unknown_update(run: Run, args: Args) -> None:
    """Code that is not known gets a module in evaluation mode and what was computed: it may differentiate that."""
    given = list(args.all())
    computed = any(isinstance(value, Tensor) or (isinstance(value, Unknown) and value.sources) for value in given)
    if computed and any(id(value) in run.watch.evaluated for value in given):
        run.watch.passes += 1


def _has_graph(result: Value) -> bool | None:
    """The result has a graph; None when that is not known."""
    if isinstance(result, Seq):
        answers = [_has_graph(item) for item in result.items]
        return True if True in answers else None if None in answers or result.open else False
    if isinstance(result, Tensor):
        return None if result.requires_grad is None else result.requires_grad and result.node is not None
    return None if isinstance(result, Unknown) else False


def _method_at_work(run: Run) -> int | None:
    """The outermost frame that is a method of a Module; its `forward` goes before any other."""
    methods = [i for i, f in enumerate(run.frames) if _name(f) and isinstance(f.self, Instance) and f.self.module]
    return next((i for i in methods if _name(run.frames[i]) == "forward"), methods[0] if methods else None)


def _name(frame: Frame) -> str:
    node = frame.function.node if frame.function is not None else None
    return node.name if isinstance(node, ir.FunctionDef) else ""


def _receiver(call: Site) -> str:
    """What the method was called on."""
    func = call.token.func if isinstance(call.token, cst.Call) else None
    return get_full_name_for_node(func.value) or "" if isinstance(func, cst.Attribute) else ""


def _clock(run: Run) -> int:
    return len(run.gradients.passes) + run.watch.passes


def _finish(run: Run, module: Value | None) -> None:
    """Tell of the calls that no backward has followed, of `module` or of all."""
    groups: dict[tuple[object, ...], list[EvalCall]] = {}
    for call in run.watch.eval_calls.values():
        if module is not None and call.module is not module:
            continue
        if call.clock == _clock(run):
            groups.setdefault(call.group, []).append(call)
        call.clock = -1
    for first, *others in groups.values():
        also = tuple(call.site for call in others)
        event = EvalForward(site=first.site, module=first.name, mode=first.mode, certain=first.certain, also=also)
        run.machine.events.append((event, first.late))


def conclude(run: Run) -> None:
    """At the end of a path."""
    if run.watch.eval_calls:
        _finish(run, None)

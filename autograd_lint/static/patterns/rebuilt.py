"""Optimizers that are built anew in each round of the loop that steps them."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import OptimizerRebuilt, Site
from autograd_lint.static.interpret.peek import peek
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Const, Instance, NNModule, OptimizerValue, Unknown, Value
from autograd_lint.static.syntax import ir


def keeps_state(name: str, args: Args) -> bool:
    """Steps leave something behind for later ones; plain gradient descent leaves nothing."""
    momentum = args.get(2, "momentum")
    without = momentum is None or (isinstance(momentum, Const) and not momentum.value)
    return not (name.endswith(".SGD") and without and not args.open)


def note_built(run: Run, optimizer: OptimizerValue, name: str, args: Args, node: ir.Node) -> None:
    """An optimizer was built; in a loop, remember for whom."""
    if run.machine.loops and keeps_state(name, args) and isinstance(node, ir.Call):
        optimizer.loops = run.machine.loops
        optimizer.served = tuple(_served(run, node))


def _served(run: Run, node: ir.Call) -> Iterator[Value]:
    """The modules, known or not, that the arguments name."""
    for arg in node.args:
        expr: ir.Expr = arg.value
        while isinstance(expr, ir.Call):
            expr = expr.func.base if isinstance(expr.func, ir.Attr) else expr.func
        value = peek(run, expr)
        if isinstance(value, NNModule | Instance | Unknown):
            yield value


def note_stepped(run: Run, optimizer: OptimizerValue, site: Site, name: str) -> None:
    """It steps: in the round that built it, for what an earlier round had built one for?"""
    loops = run.machine.loops
    if not optimizer.loops or optimizer.loops != loops:
        return
    earlier = run.watch.rebuilt.setdefault(optimizer.site.key, [])
    for other in earlier:
        if other.loops != loops and other.loops[:-1] == loops[:-1] and _same_parameters(other, optimizer):
            run.machine.emit(OptimizerRebuilt(site=optimizer.site, optimizer=name, step=site))
            return
    if all(other is not optimizer for other in earlier):
        earlier.append(optimizer)


def _same_parameters(one: OptimizerValue, other: OptimizerValue) -> bool:
    if one.params and other.params:
        ours = {id(t) for t in one.params}
        return all(id(t) in ours for t in other.params)
    return any(a is b for a in one.served for b in other.served)

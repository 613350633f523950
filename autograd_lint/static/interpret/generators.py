"""Generators: their bodies run between the rounds of the loop, or around the block of the `with`, that drives them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

from autograd_lint.static.interpret.growth import empty_lists, open_unfilled
from autograd_lint.static.interpret.state import BREAK, CONTINUE, Run, Signal
from autograd_lint.static.model.values import DataSet, Generator, Instance, Seq, Value
from autograd_lint.static.operations.datasets import rows
from autograd_lint.static.syntax import ir


class _Closed(Exception):
    """Whoever drives the generator wants no more of it: its body ends where it is, as with `GeneratorExit`."""


def evaluate_driven(run: Run, node: ir.Expr) -> Value:
    """The value of `node`; the call of a generator function gives the generator, whose body has not begun."""
    before, run.driven = run.driven, node
    try:
        return run.evaluate(node)
    finally:
        run.driven = before


def evaluate_iterated(run: Run, node: ir.Expr) -> Value:
    """The same for what a loop goes over; an object whose class has an `__iter__` that yields gives its generator."""
    value = evaluate_driven(run, node)
    if isinstance(value, DataSet):
        return rows(run, value, node)
    if not isinstance(value, Instance):
        return value
    before, run.driven = run.driven, node
    try:
        given = run.call_hook(value, "__iter__", [], node)
    finally:
        run.driven = before
    return given if isinstance(given, Generator | Seq) else value


def drive(run: Run, generator: Generator, consume: Callable[[Value], bool]) -> None:
    """Run the body; each value it yields goes to `consume`, which runs as if outside. It ends when that says False."""
    machine = run.machine
    own, calls, filename, loops, outside = run.frames, run.calls, run.filename, machine.loops, machine.modes

    def resume(value: Value) -> None:
        nonlocal outside
        inside = run.frames, run.calls, run.filename, machine.loops
        modes = machine.modes
        run.frames, run.calls, run.filename, machine.loops = own, calls, filename, loops
        if generator.modes:  # torch's decorators switch them for each stretch of the body
            machine.modes = outside
        try:
            going = consume(value)
        finally:
            run.frames, run.calls, run.filename, machine.loops = inside
            if generator.modes:
                outside, machine.modes = machine.modes, modes
        if not going:
            raise _Closed

    run.frames = list(own)
    try:
        with suppress(_Closed):
            generator.start(resume)
    finally:
        run.frames, run.calls, run.filename, machine.loops = own, calls, filename, loops
        if generator.modes:
            machine.modes = outside


def drain(run: Run, generator: Generator) -> list[Value]:
    """Run the body to its end; what it yields."""
    values: list[Value] = []

    def keep(value: Value) -> bool:
        values.append(value)
        return True

    drive(run, generator, keep)
    return values


def first_of(run: Run, generator: Generator) -> Value | None:
    """Run the body to its first `yield`, and never on: what it yields there."""
    values: list[Value] = []

    def keep(value: Value) -> bool:
        values.append(value)
        return False

    drive(run, generator, keep)
    return values[0] if values else None


def loop_over(run: Run, node: ir.For, generator: Generator) -> Signal | None:
    """`for … in generator`: its body runs between the rounds."""
    machine = run.machine
    outer = machine.loops
    run.loop_entries += 1
    entry = run.loop_entries
    rounds = itertools.count()
    empty = empty_lists(run)
    signal: Signal | None = None

    def once(item: Value) -> bool:
        nonlocal signal
        machine.loops = (*outer, (entry, next(rounds)))
        run.assign(node.target, item)
        signal = run.execute(node.body)
        return signal is None or signal is CONTINUE

    drive(run, generator, once)
    open_unfilled(node, empty)
    if signal is None or signal is CONTINUE:
        return run.execute(node.orelse)
    return None if signal is BREAK else signal


def run_inside(
    run: Run, generator: Generator, target: ir.Expr | None, block: Callable[[], Signal | None]
) -> Signal | None:
    """`with generator as target`: the block runs at the first `yield`."""
    signal: Signal | None = None
    done = False

    def enter(value: Value) -> bool:
        nonlocal signal, done
        if done:
            return False
        done = True
        if target is not None:
            run.assign(target, value)
        signal = block()
        return True

    drive(run, generator, enter)
    return signal

"""Generators: their bodies run between the rounds of the loop, or around the block of the `with`, that drives them."""

from __future__ import annotations

from collections.abc import Callable

from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Generator, Instance, Seq, Value
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
    machine, function = run.machine, generator.function
    own, calls, filename, loops, outside = run.frames, run.calls, run.filename, machine.loops, machine.modes

    def resume(value: Value) -> None:
        nonlocal outside
        inside = run.frames, run.calls, run.filename, machine.loops
        modes = machine.modes
        run.frames, run.calls, run.filename, machine.loops = own, calls, filename, loops
        if function.modes:  # torch's decorators switch them for each stretch of the body
            machine.modes = outside
        try:
            going = consume(value)
        finally:
            run.frames, run.calls, run.filename, machine.loops = inside
            if function.modes:
                outside, machine.modes = machine.modes, modes
        if not going:
            raise _Closed

    run.frames = list(own)
    try:
        generator.start(resume)
    except _Closed:
        pass
    finally:
        run.frames, run.calls, run.filename, machine.loops = own, calls, filename, loops
        if function.modes:
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

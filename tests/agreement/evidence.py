"""What further runs of a program show, made only where a finding asks for it."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import FrameType
from typing import Any, Final

import numpy as np
import torch

from tests.agreement.oracle import run_code
from tests.agreement.outcome import Kind, Outcome, sort_error
from tests.agreement.steps import HandSteps, following
from tests.agreement.watch import PROGRAM, Watch, storage_of, watching

_OWNED_BY_GRAPH: Final = 2
"""References to a leaf that only its graph holds: the graph's own, and the one of the call that counts."""


class Evidence:
    """The further runs of one program, each made at most once."""

    def __init__(self, text: str, outcome: Outcome) -> None:
        self.outcome = outcome
        self._text = text
        self._code = compile(text, PROGRAM, "exec")

    @cached_property
    def trace(self) -> Trace:
        """The lines that ran and the errors that were raised, caught or not."""
        trace = Trace()
        run_code(self._code, tracing(trace))
        return trace

    @cached_property
    def watch(self) -> Watch:
        """A watched run."""
        watch = Watch()
        run_code(self._code, watching(watch))
        return watch

    @cached_property
    def guilty_lines(self) -> set[int]:
        """Every line whose write the first failing backward would have raised for, had it not stopped at the first."""
        watch = Watch(protect=True)
        run_code(self._code, watching(watch))
        return {write.line for saved in watch.stales for write in saved.bumps if write.line is not None}

    @cached_property
    def silent_lines(self) -> set[int]:
        """Every line whose write changed, or wrote anew, what a later backward used, without moving a version."""
        watch = Watch()
        run_code(self._code, watching(watch, lines=True))
        found = [silent.saved for silent in watch.silent] + watch.harmless
        writes = [saved.changed_by for saved in found] + [write for saved in found for write in saved.touches]
        return {write.line for write in writes if write is not None and write.line is not None}

    @cached_property
    def summed_by_hand(self) -> set[int]:
        """The lines of backwards that add to a gradient which a step written out by hand has used."""
        steps = HandSteps()
        run_code(self._code, following(steps))
        return steps.summed

    @cached_property
    def touched_lines(self) -> set[int]:
        """Every line whose write reached something saved, whether or not its version moved and a backward needed it."""
        watch = Watch()
        run_code(self._code, watching(watch, lines=True))
        return watch.touched_lines()

    @cached_property
    def detaching_lines(self) -> set[int]:
        """The lines that ran and call `detach_`, which no dispatch mode sees."""
        lines = enumerate(self._text.splitlines(), start=1)
        return self.trace.executed & {number for number, line in lines if ".detach_(" in line}

    def shares_memory(self, lines: range) -> bool:
        """A write in `lines` went to memory that a tensor without grad, or an array, in scope has another name for."""
        probe, watch = _AliasProbe(lines), Watch()
        run_code(self._code, _watched_and_traced(watch, Trace(probe=probe)))
        return probe.found or any(line in lines and memory in probe.shared for line, memory in watch.written)

    def loses_leaf(self, lines: range) -> bool:
        """After `lines` ran, a variable holds what was computed from a leaf that nothing but the graph holds."""
        trace = Trace(probe=_LeafProbe(lines))
        run_code(self._code, tracing(trace))
        assert isinstance(trace.probe, _LeafProbe)
        return trace.probe.found

    def lines_with(self, piece: str) -> set[int]:
        """The lines of the program that have this in them."""
        return {number for number, line in enumerate(self._text.splitlines(), 1) if piece in line}

    def runs_again(self, lines: range) -> bool:
        """The lines are in a loop or a function, so that they may have been about to run once more."""
        return any(first <= lines.start and lines.stop - 1 <= last for first, last in self._repeated)

    @cached_property
    def _repeated(self) -> list[tuple[int, int]]:
        kinds = (ast.For, ast.While, ast.FunctionDef, ast.Lambda, ast.comprehension, ast.ListComp, ast.GeneratorExp)
        nodes = [node for node in ast.walk(ast.parse(self._text)) if isinstance(node, kinds)]
        return [
            (node.lineno, node.end_lineno or node.lineno) for node in nodes if not isinstance(node, ast.comprehension)
        ]


class Probe:
    """Looks at the variables before and after certain lines."""

    def __init__(self, lines: range) -> None:
        self.lines = lines
        self.found = False

    def before(self, frame: FrameType) -> None:
        """One of the lines is about to run."""

    def after(self, frame: FrameType) -> None:
        """It has run."""


@dataclass
class Trace:
    """A run, line by line."""

    executed: set[int] = field(default_factory=set)
    errors: list[Outcome] = field(default_factory=list)
    probe: Probe | None = None
    _seen: list[BaseException] = field(default_factory=list)
    _probing: list[FrameType] = field(default_factory=list)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The trace function."""
        if frame.f_code.co_filename != PROGRAM:
            return None
        if event in ("line", "return"):
            self._probe(frame, event)
        if event == "line":
            self.executed.add(frame.f_lineno)
        elif event == "exception":
            self._raised(argument[1], frame.f_lineno)
        return self

    def _probe(self, frame: FrameType, event: str) -> None:
        if self.probe is None:
            return
        if frame in self._probing:
            self._probing.remove(frame)
            self.probe.after(frame)
        if event == "line" and frame.f_lineno in self.probe.lines:
            self._probing.append(frame)
            self.probe.before(frame)

    def _raised(self, error: BaseException, line: int) -> None:
        if any(error is other for other in self._seen):
            return
        self._seen.append(error)
        outcome = sort_error(error, line)
        if outcome.kind is not Kind.OTHER:
            self.errors.append(outcome)


@contextlib.contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Runs the body line by line."""
    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


@contextlib.contextmanager
def _watched_and_traced(watch: Watch, trace: Trace) -> Iterator[None]:
    with watching(watch), tracing(trace):
        yield


class _AliasProbe(Probe):
    """Compares what no operation made before and after; `shared` is the memory it shares with others that require grad."""

    def __init__(self, lines: range) -> None:
        super().__init__(lines)
        self.shared: set[int] = set()
        self._copies: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def before(self, frame: FrameType) -> None:
        with torch.no_grad():
            self._copies = [
                (tensor, tensor.detach().clone(), storage_of(tensor))
                for tensor in map(_as_tensor, _values(frame))
                if tensor is not None and tensor.grad_fn is None
            ]

    def after(self, frame: FrameType) -> None:
        graph = [(storage_of(t), t) for t in map(_as_tensor, _values(frame)) if t is not None and t.requires_grad]
        shared = {
            address
            for kept, _, address in self._copies
            if any(place == address and other is not kept for place, other in graph)
        }
        self.shared |= shared
        changed = {
            address
            for tensor, copy, address in self._copies
            if tensor.shape == copy.shape and not torch.equal(tensor, copy)
        }
        self.found = self.found or bool(changed & shared)


class _LeafProbe(Probe):
    """Looks for leaves that only a graph holds."""

    def after(self, frame: FrameType) -> None:
        tensors = [value for value in _values(frame) if isinstance(value, torch.Tensor) and value.requires_grad]
        self.found = self.found or any(_loses_leaf(tensor.grad_fn) for tensor in tensors if not tensor.is_leaf)


def _loses_leaf(root: Any) -> bool:
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and _references(node) == _OWNED_BY_GRAPH:
            return True
        stack += [following for following, _ in node.next_functions]
    return False


def _references(node: Any) -> int:
    return sys.getrefcount(node.variable)


def _values(frame: FrameType) -> Iterator[Any]:
    for value in (*frame.f_globals.values(), *frame.f_locals.values()):
        yield value
        if isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, dict) and not any(key.startswith("__") for key in map(str, value)):
            yield from value.values()


def _as_tensor(value: Any) -> torch.Tensor | None:
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.as_tensor(value)
    return value if isinstance(value, torch.Tensor) else None

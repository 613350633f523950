"""Watches a run from inside torch: which tensors were saved where, and which write was the first to change each."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PROGRAM: Final = "<program>"


@dataclass(slots=True)
class Write:
    """One operation that wrote a storage."""

    op: str
    line: int | None


@dataclass(slots=True)
class Saved:
    """A tensor saved for backward, a copy of its value then, and what was written to it since.

    `bumps` moved its version, `touches` did not, `.data =` among them; `changed_by` is the first write after which the
    value differed.
    """

    tensor: torch.Tensor
    copy: torch.Tensor
    version: int
    line: int | None
    bumps: list[Write] = field(default_factory=list)
    touches: list[Write] = field(default_factory=list)
    changed_by: Write | None = None
    last_version: int = 0
    memory: int = 0

    def __post_init__(self) -> None:
        self.last_version = self.version
        self.memory = storage_of(self.tensor)

    @property
    def bumped_by(self) -> Write | None:
        """The first write that moved the version."""
        return self.bumps[0] if self.bumps else None

    def settle(self, write: Write) -> None:
        """Blame `write`, the last thing that happened, for what differs since."""
        if self.tensor._version != self.last_version:
            self.last_version = self.tensor._version
            self.bumps.append(write)
        elif write.op or storage_of(self.tensor) != self.memory:
            self.memory = storage_of(self.tensor)
            self.touches.append(write)
        if self.changed_by is None and not same_bits(self.tensor, self.copy):
            self.changed_by = write


@dataclass(slots=True)
class Silent:
    """A backward at `line` used a saved tensor whose value changed though its version did not."""

    saved: Saved
    line: int | None


@dataclass
class Watch:
    """The record of one run. `protect`: backward gets the copies, so it computes what it would had nothing written.

    `stale` is the tensor torch raises for; under `protect` nothing is raised, and `stales` are all that the first
    backward to meet any would have raised for. `harmless` were written without a trace, yet kept their values.
    """

    protect: bool = False
    stale: Saved | None = None
    stales: list[Saved] = field(default_factory=list)
    silent: list[Silent] = field(default_factory=list)
    harmless: list[Saved] = field(default_factory=list)
    gradients: list[torch.Tensor | None] = field(default_factory=list)
    written_lines: set[int] = field(default_factory=set)
    written: set[tuple[int, int]] = field(default_factory=set)
    passes: int = 0
    _stale_pass: int | None = None
    _saved: dict[int, list[Saved]] = field(default_factory=lambda: defaultdict(list))
    _unsettled: list[tuple[int, Write]] = field(default_factory=list)

    def pack(self, tensor: torch.Tensor) -> Saved:
        """Saved-tensor hook: remembers the tensor itself, so that `.data =` is seen as torch sees it."""
        self._settle()
        with torch.no_grad():
            saved = Saved(tensor, tensor.detach().clone(), tensor._version, program_line())
        self._saved[storage_of(tensor)].append(saved)
        return saved

    def unpack(self, saved: Saved) -> torch.Tensor:
        """Saved-tensor hook: torch's version check, which hooks switch off, then the value."""
        self._settle()
        version = saved.tensor._version
        if self.protect:
            if version != saved.version and self._stale_pass in (None, self.passes):
                self._stale_pass = self.passes
                self.stales.append(saved)
            return saved.copy
        if version != saved.version:
            self.stale = saved
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"is at version {version}; expected version {saved.version} instead"
            )
        if not same_bits(saved.tensor, saved.copy):
            self.silent.append(Silent(saved, program_line()))
        elif saved.touches:
            self.harmless.append(saved)
        return saved.tensor if saved.tensor.is_leaf else saved.tensor.detach()

    def wrote(self, tensors: Sequence[torch.Tensor], op: str) -> None:
        """Called before an operation writes `tensors`; what it changed is found at the next thing that happens."""
        self._settle()
        write = Write(op, program_line())
        if write.line is not None:
            self.written_lines.add(write.line)
            self.written |= {(write.line, storage_of(tensor)) for tensor in tensors}
        self._unsettled += [(storage_of(tensor), write) for tensor in tensors]

    def line_ended(self, line: int) -> None:
        """Blame `line` for every change that no operation accounts for (NumPy, `.data =`)."""
        self._settle()
        for saved in (saved for group in self._saved.values() for saved in group):
            saved.settle(Write("", line))

    def touched_lines(self) -> set[int]:
        """The lines of all writes to something saved, whether or not it was needed later."""
        self._settle()
        saved = [saved for group in self._saved.values() for saved in group]
        writes = [write for each in saved for write in (*each.bumps, *each.touches, each.changed_by)]
        return {write.line for write in writes if write is not None and write.line is not None}

    def _settle(self) -> None:
        unsettled, self._unsettled = self._unsettled, []
        for storage, write in unsettled:
            for saved in self._saved.get(storage, ()):
                saved.settle(write)


def program_line() -> int | None:
    """The line of the innermost frame of the program."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != PROGRAM:
        frame = frame.f_back
    return frame.f_lineno if frame is not None else None


def same_bits(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Whether two tensors hold the same values, NaN counting as equal to itself."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    with torch.no_grad():
        return bool(torch.equal(one, other) or torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


def storage_of(tensor: torch.Tensor) -> int:
    """The address of the memory that the tensor and all its aliases share."""
    return tensor.untyped_storage().data_ptr()


class _Operations(TorchDispatchMode):
    """Reports every operation that writes an argument, under Python's and torch's own code alike."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not func._schema.is_mutable:
            return func(*args, **kwargs)
        targets, op = list(written(func._schema.arguments, args, kwargs)), func.__name__.split(".")[0]
        self._watch.wrote(targets, op)
        result = func(*args, **kwargs)
        if op.startswith("_foreach_"):
            # On CPU these move the versions in the operations they call, which do not when called from a mode.
            torch.autograd.graph.increment_version(targets)
        return result


def written(parameters: Any, args: Any, kwargs: dict[str, Any]) -> Iterator[torch.Tensor]:
    """The arguments that an operation with these parameters writes."""
    for position, parameter in enumerate(parameters):
        if parameter.alias_info is None or not parameter.alias_info.is_write:
            continue
        value = args[position] if position < len(args) else kwargs.get(parameter.name)
        values = value if isinstance(value, list | tuple) else [value]
        yield from (item for item in values if isinstance(item, torch.Tensor))


@contextmanager
def watching(watch: Watch, *, lines: bool = False) -> Iterator[None]:
    """Runs the body under `watch`; with `lines` also line by line, which is slower."""
    previous = sys.gettrace()
    with torch.autograd.graph.saved_tensors_hooks(watch.pack, watch.unpack), _Operations(watch), _backwards(watch):
        if lines:
            sys.settrace(_line_tracer(watch))
        try:
            yield
        finally:
            if lines:
                sys.settrace(previous)


def _line_tracer(watch: Watch) -> Callable[[FrameType, str, Any], Any]:
    last: list[int] = []

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename != PROGRAM:
            return None
        if last:
            watch.line_ended(last.pop())
        if event == "line":
            last.append(frame.f_lineno)
        return trace

    return trace


@contextmanager
def _backwards(watch: Watch) -> Iterator[None]:
    """Records the gradients that every backward leaves."""

    def around(run: Callable[[], Any], roots: Sequence[torch.Tensor]) -> Any:
        watch.passes += 1
        leaves = leaves_of(roots)
        result = run()
        with torch.no_grad():
            found = [leaf.grad for leaf in leaves] + list(result or ())
            watch.gradients += [None if grad is None else grad.detach().clone() for grad in found]
        return result

    with around_backward(around):
        yield


@contextmanager
def around_backward(around: Callable[[Callable[[], Any], Sequence[torch.Tensor]], Any]) -> Iterator[None]:
    """Calls `around(run, roots)` in place of every backward, by wrapping the one function all of them go through."""
    original = torch.autograd.graph._engine_run_backward

    def _engine_run_backward(roots: Any, *args: Any, **kwargs: Any) -> Any:
        return around(lambda: original(roots, *args, **kwargs), roots)

    places: list[Any] = [torch.autograd.graph, torch.autograd]
    for place in places:
        place._engine_run_backward = _engine_run_backward
    try:
        yield
    finally:
        for place in places:
            place._engine_run_backward = original


def leaves_of(roots: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """The leaves that a backward from `roots` reaches, in the order of a walk that every run repeats."""
    leaves = [root for root in roots if root.requires_grad and _node_of(root) is None]
    seen: set[Any] = set()
    stack = [_node_of(root) for root in roots]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        stack += [following for following, _ in node.next_functions]
    return leaves


def _node_of(tensor: torch.Tensor) -> Any:
    """The `grad_fn`, or None where torch refuses to make it anew: backward will raise for the same reason."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None

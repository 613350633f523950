"""The hook around a program that is to confirm findings: what it did, what torch said, what its variables were."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Final

import torch

from autograd_lint.dynamic.codec import to_json
from autograd_lint.dynamic.frames import Frames, shown_filename
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.looks import FORWARD_HOOKS, Aim
from autograd_lint.dynamic.observer import HookObserver, SequenceObserver, can_count_nodes
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import LeftNote, Records
from autograd_lint.dynamic.sandbox.guards import Refused
from autograd_lint.dynamic.sandbox.turns import waited
from autograd_lint.dynamic.snippets.failures import classify, message_of
from autograd_lint.dynamic.snippets.program import Program
from autograd_lint.dynamic.spoiling import Spoiling
from autograd_lint.dynamic.tracer import set_trace
from autograd_lint.dynamic.watch import Files
from autograd_lint.evidence import Called, Left, Said, Testimony

_MOST_SAID: Final = 200
_MOMENT: Final = 0.01
_LONGEST: Final = 400
_QUIET: Final = (StopIteration, StopAsyncIteration, GeneratorExit)


Part = tuple[Sequence[str], str]
"""What was made up for a run, and what it failed at; empty if it went through."""


class EnoughTime(BaseException):
    """The program ran long enough: what it has shown so far counts."""


class Witness:
    """Follows a program beside the observer: the rows that ran, what was raised or warned, the statements aimed at."""

    def __init__(self, frames: Frames, records: Records, aims: list[Aim]) -> None:
        self.records = records
        self.said: dict[Said, None] = {}
        self.reached: dict[str, set[int]] = {}
        self.called: dict[Called, None] = {}
        self._frames = frames
        self._aims: dict[str, list[Aim]] = {}
        for aim in aims:
            self._aims.setdefault(aim.filename, []).append(aim)
        self._all = aims

    def line(self, frame: FrameType) -> None:
        """`frame` is about to run a line."""
        name = frame.f_code.co_filename
        rows = self.reached.get(name)
        if rows is None:
            rows = self.reached[name] = set()
        rows.add(frame.f_lineno)
        if self._all:
            self._look(frame, name)

    @guarded
    def _look(self, frame: FrameType, name: str) -> None:
        for aim in self._all:
            if aim.pending:
                self._go_on(aim, frame, name)
        for aim in self._aims.get(name, ()):
            if frame.f_lineno == aim.first and not aim.is_inside(frame):
                aim.before(frame)

    def _go_on(self, aim: Aim, frame: FrameType, name: str) -> None:
        """End the rounds of `aim` whose statement is over, now that `frame` runs."""
        for running, _ in list(aim.pending):
            if running is frame:
                inside = name == aim.filename and frame.f_lineno in aim.rows and frame.f_lineno != aim.first
                if not inside:
                    aim.after(running)
            elif not _calls(running, frame):
                aim.after(running)

    def raised(self, frame: FrameType, error: BaseException, traceback: TracebackType | None) -> None:
        """An exception reached `frame`."""
        self._note_error(frame, error, traceback)

    @guarded
    def _note_error(self, frame: FrameType, error: BaseException, traceback: TracebackType | None) -> None:
        for aim in self._all:
            if aim.is_inside(frame):
                aim.failed(frame)
        if not isinstance(error, _QUIET) and len(self.said) < _MOST_SAID:
            self._say(type(error).__name__, message_of(error), frame, passed=self._comes_from_the_user(traceback))

    def _comes_from_the_user(self, traceback: TracebackType | None) -> bool:
        """Whether a frame of the user's further in has seen the exception already."""
        inner = traceback.tb_next if traceback is not None else None
        while inner is not None and not self._frames.users[inner.tb_frame.f_code.co_filename]:
            inner = inner.tb_next
        return inner is not None

    def _say(self, kind: str, text: str, frame: FrameType, *, warning: bool = False, passed: bool = False) -> None:
        name = shown_filename(frame.f_code.co_filename)
        self.said[Said(kind, text[:2000], name, frame.f_lineno, warning, passed)] = None

    @guarded
    def warned(self, message: Warning | str, category: type[Warning]) -> None:
        """A warning was issued somewhere below a line of the user's."""
        frame = self._frames.nearest(sys._getframe(1))
        if frame is not None and len(self.said) < _MOST_SAID:
            self._say(category.__name__, str(message), frame, warning=True)

    def again(self) -> None:
        """The program begins anew."""
        for aim in self._all:
            aim.again()

    def watch_calls(self, patches: Patches) -> None:
        """Note which modules that have hooks are called."""
        original: Any = torch.nn.Module.__call__

        def call(module: Any, /, *args: Any, **kwargs: Any) -> Any:
            if any(getattr(module, name, None) for name in FORWARD_HOOKS):
                self._note_call(module, sys._getframe(1))
            return original(module, *args, **kwargs)

        patches.set(torch.nn.Module, "__call__", dressed(call, original))

    @guarded
    def _note_call(self, module: torch.nn.Module, frame: FrameType) -> None:
        user = self._frames.nearest(frame)
        if user is not None and len(self.called) < _MOST_SAID:
            name = shown_filename(user.f_code.co_filename)
            self.called[Called(name, user.f_lineno, id(module))] = None

    @guarded
    def finish(self) -> None:
        """The program has ended: what was under way is over."""
        for aim in self._all:
            for running, _ in list(aim.pending):
                aim.after(running)
            aim.finish()


def _calls(outer: FrameType, inner: FrameType) -> bool:
    """Whether `outer` is waiting for `inner`."""
    frame: FrameType | None = inner
    while frame is not None and frame is not outer:
        frame = frame.f_back
    return frame is not None


def testify(program: Program) -> object:
    """Run `program` as it is, and tell what it showed."""
    settle(program)

    def run(_: Witness) -> Part:
        program.run()
        return (), ""

    return observed(program, run)


def observed(program: Program, run: Callable[[Witness], Part], *, extra: Iterable[str] = ()) -> object:
    """What is shown by `run`, which runs the program or parts of it, as JSON.

    `extra` are names of other code that counts as the user's.
    """
    options = program.options
    files = Files(named=(program.filename, *extra))
    make = SequenceObserver if can_count_nodes() else HookObserver
    keywords: dict[str, Any] = {"instructions": True} if make is SequenceObserver else {}
    observer = make(files, index_reads=bool(options.get("index_reads")), **keywords)
    aims = [Aim(**aim) for aim in options.get("aims", ())]
    witness = Witness(observer.frames, observer.records, aims)
    observer.accompany(witness)
    torch.manual_seed(0)
    patches, spoiling = Patches(), Spoiling(observer.node)
    witness.watch_calls(patches)
    if options.get("spoiling"):
        spoiling.install(patches)
    try:
        with _warnings_to(witness), _alarm(options.get("seconds", 0.0)), observer, _tracing_kept():
            invented, failure = run(witness)
    finally:
        patches.undo()
    witness.finish()
    return to_json(
        Testimony(
            how=str(options.get("how", "")),
            torch=torch.__version__,
            events=tuple(observer.events()),
            said=tuple(witness.said),
            reached={shown_filename(name): frozenset(rows) for name, rows in witness.reached.items()},
            rounds={number: (*aim.rounds, *aim.earlier) for number, aim in enumerate(aims)},
            ends={number: aim.ends for number, aim in enumerate(aims) if aim.ends},
            left=tuple(_left(note) for note in observer.records.left),
            called=tuple(witness.called),
            spoilt=tuple(spoiling.found),
            ended=_shortened(_end_of(program.error) or failure),
            invented=tuple(invented),
            replaced=observer.records.replaced,
        )
    )


def _left(note: LeftNote) -> Left:
    return Left(note.how, note.place.filename, note.place.range.start.row, note.leaves)


def _end_of(error: BaseException | None) -> str:
    """Why a program did not run to its end; empty if it did."""
    if error is None:
        return ""
    if isinstance(error, EnoughTime):
        return "stopped: it ran for as long as it may"
    _, reason = classify(error)
    return "" if isinstance(error, SystemExit) and not error.code else reason


def _shortened(reason: str) -> str:
    """One line of it."""
    first = reason.strip().partition("\n")[0]
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"


@contextmanager
def _warnings_to(witness: Witness) -> Iterator[None]:
    """Hand every warning to `witness`, each time, and print none."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        witness.warned(message, category)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextmanager
def _tracing_kept() -> Iterator[None]:
    """Let nobody else trace: what the program does afterwards would be told of wrong places."""

    def refuse(function: Any) -> None:
        # New threads call it too, with what is meant for them.
        if function is not threading.gettrace():
            raise Refused(errno.EPERM, "wanted to trace what runs")
        set_trace(function)

    sys.settrace = refuse
    try:
        yield
    finally:
        sys.settrace = set_trace


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise EnoughTime in the program when it has run for `seconds`, where there are such signals.

    The time in which others had the processor does not count.
    """
    if not seconds or not hasattr(signal, "setitimer"):
        yield
        return

    clock, set_timer = time.monotonic, signal.setitimer  # programs may replace them
    began = clock() - waited()

    def ring(number: int, frame: FrameType | None) -> None:
        left = seconds - (clock() - waited() - began)
        if left < _MOMENT:
            raise EnoughTime
        set_timer(signal.ITIMER_REAL, left)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        # It may ring until this line; then the program has ended already.
        with suppress(EnoughTime):
            signal.setitimer(signal.ITIMER_REAL, 0)


def settle(program: Program) -> None:
    """Make `program` part of its package, if it is in one, and nothing that it draws appear."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    package = str(program.options.get("package", ""))
    if package:
        # Relative imports need the package; where it cannot be imported, the program will say so.
        with suppress(ImportError):
            importlib.import_module(package)
        program.module.__package__ = package

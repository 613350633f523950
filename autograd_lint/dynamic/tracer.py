"""Where the nodes of the graph were made: a log of (number of the next node, place), kept while the user's code runs.

Torch numbers the nodes of each thread. Looking at the next number whenever the user's code moves on tells which line
(or instruction) made which nodes; nothing of torch is touched for it.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, Protocol

from autograd_lint.dynamic.frames import Frames, shown_filename
from autograd_lint.dynamic.records import Moment, Place, row_of
from autograd_lint.dynamic.store import WriteLog

RETURNING: Final = frozenset(("__init__", "forward"))
set_trace: Final = sys.settrace
"""The function itself: programs may replace it, and those in the sandbox get another."""
get_trace: Final = sys.gettrace

_KEPT: Final = 1 << 17
"""Entries kept a thread; older nodes lose their place."""


@dataclass(slots=True)
class Trail:
    """One thread's log. `spots` are (code, offset of the instruction or -1, row, writes so far)."""

    numbers: list[int] = field(default_factory=list)
    spots: list[tuple[CodeType, int, int, int]] = field(default_factory=list)

    def add(self, number: int, spot: tuple[CodeType, int, int, int]) -> None:
        """Note that the code is at `spot` before node `number` is made."""
        if self.numbers and self.numbers[-1] == number:
            self.spots[-1] = spot
            return
        self.numbers.append(number)
        self.spots.append(spot)
        if len(self.numbers) > _KEPT:
            del self.numbers[: _KEPT // 2], self.spots[: _KEPT // 2]

    def find(self, number: int) -> tuple[CodeType, int, int, int] | None:
        """Where node `number` was made."""
        index = bisect_right(self.numbers, number) - 1
        return self.spots[index] if index >= 0 else None


class Visitor(Protocol):
    """Who else wants to know where the program is."""

    def line(self, frame: FrameType) -> None:
        """`frame` is about to run a line."""

    def raised(self, frame: FrameType, error: BaseException, traceback: TracebackType | None) -> None:
        """An exception reached `frame`."""


class Tracer(ABC):
    """Keeps the trails.

    `on_line` is called before each line, `on_exception` when an exception reaches a frame, `on_return` when a function
    of a name in `RETURNING` ends.
    """

    def __init__(self, frames: Frames, log: WriteLog, next_number: Callable[[], int]) -> None:
        self.frames = frames
        self.log = log
        self.next_number = next_number
        self.trails: dict[int, Trail] = {}
        self.on_line: Callable[[FrameType], None] | None = None
        self.on_exception: Callable[[FrameType, BaseException, TracebackType | None], None] | None = None
        self.on_return: Callable[[FrameType], None] | None = None
        self.visitor: Visitor | None = None
        self.hook: object = object()
        """What `get_trace` tells while this traces; a tracer that traces nothing has one that nobody else has."""

    @abstractmethod
    def start(self) -> None:
        """Begin to watch this thread and those started later."""

    @abstractmethod
    def stop(self) -> None:
        """Stop watching."""

    def place_of(self, number: int, thread: int) -> Place | None:
        """Where the node with this number was made."""
        spot = self._find(number, thread)
        if spot is None:
            return None
        code, lasti, row, _ = spot
        return self.frames.locate(code, lasti) if lasti >= 0 else row_of(shown_filename(code.co_filename), row)

    def moment_of(self, number: int, thread: int) -> Moment:
        """When the node with this number was made."""
        spot = self._find(number, thread)
        return Moment(spot[3] if spot else 0, thread, number)

    def _find(self, number: int, thread: int) -> tuple[CodeType, int, int, int] | None:
        trail = self.trails.get(thread)
        return trail.find(number) if trail is not None else None

    def pause(self) -> bool:
        """Stop tracing this thread, as its nodes belong to the line that runs now; whether there is need to resume.

        Calls are traced too, so what is called all the time does this itself: `get_trace() is hook`, `set_trace(None)`.
        """
        if get_trace() is not self.hook:
            return False
        set_trace(None)
        return True

    def resume(self) -> None:  # noqa: B027
        """Go on: only who has paused may say so."""

    def saved(self, number: int, frame: FrameType) -> None:  # noqa: B027
        """A node saves something while `frame` runs; most tracers know its place already."""

    def trail(self) -> Trail:
        """The trail of this thread."""
        thread = threading.get_ident()
        if thread not in self.trails:
            self.trails[thread] = Trail()
        return self.trails[thread]


class SetTrace(Tracer):
    """Watches by `sys.settrace`: every instruction of the user's code, or every line, which is faster."""

    def __init__(
        self, frames: Frames, log: WriteLog, next_number: Callable[[], int], *, instructions: bool = False
    ) -> None:
        super().__init__(frames, log, next_number)
        self._instructions = instructions
        self._locals: dict[int, Callable[..., Any]] = {}
        self._is_on = False
        self._call = self.hook = self._make_call()

    def start(self) -> None:
        """Begin with the frames that are running already."""
        self._is_on = True
        threading.settrace(self._call)
        set_trace(self._call)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_trace is None:
                frame.f_trace = self._call(frame, "call", None)
            frame = frame.f_back

    def stop(self) -> None:
        """Stop, unless another tool has taken over."""
        self._is_on = False
        threading.settrace(None)
        if get_trace() is self._call:
            set_trace(None)

    def resume(self) -> None:
        """Go on, unless the watch has ended or another tool has taken over meanwhile."""
        if self._is_on and get_trace() is None:
            set_trace(self._call)

    # Python calls these functions all the time: what they need is bound in closures, and each thread has its own.

    def _make_call(self) -> Callable[..., Any]:
        users, locals_ = self.frames.users, self._locals
        instructions, get_ident = self._instructions, threading.get_ident

        def call(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
            if not users[frame.f_code.co_filename]:
                return None
            if instructions:
                frame.f_trace_opcodes = True
            local = locals_.get(get_ident())
            if local is None:
                local = locals_[get_ident()] = self._make_local()
            return local

        return call

    def _make_local(self) -> Callable[..., Any]:
        next_number, log, nearest = self.next_number, self.log, self.frames.nearest
        trail, instructions = self.trail(), self._instructions
        wanted = "opcode" if instructions else "line"

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            if event == wanted:
                lasti = frame.f_lasti if instructions else -1
                trail.add(next_number(), (frame.f_code, lasti, frame.f_lineno, log.tick))
            if event == "line":
                if self.on_line is not None:
                    self.on_line(frame)
                if self.visitor is not None:
                    self.visitor.line(frame)
            elif event == "return":
                outer = nearest(frame.f_back)
                if outer is not None:
                    # What library code makes after this return belongs to the line that called the library.
                    trail.add(next_number(), (outer.f_code, outer.f_lasti, outer.f_lineno, log.tick))
                if frame.f_code.co_name in RETURNING and self.on_return is not None:
                    self.on_return(frame)
            elif event == "exception":
                if self.on_exception is not None:
                    self.on_exception(frame, argument[1], argument[2])
                if self.visitor is not None:
                    self.visitor.raised(frame, argument[1], argument[2])
            return local

        return local

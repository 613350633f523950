"""One job in its process, as its watcher sees it: what it prints, what it takes, how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.sandbox.turns import waited
from autograd_lint.dynamic.snippets import scratch
from autograd_lint.dynamic.snippets.jobs import JobResult, Status
from autograd_lint.dynamic.snippets.verdict import End, judge
from autograd_lint.dynamic.snippets.wire import ResultReader

_CHUNK: Final = 1 << 16
_WATCHED_SHARE: Final = 10
"""Looking at a folder takes time: this many times as long passes before the next look."""

_LONGEST_STEP: Final = 0.5
"""While the machine sleeps or stands still, the watcher does too: no program is blamed for more than this at a time."""

_PID: Final = re.compile(r"^Pid:\t(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pipes:
    """The watcher's ends of a process's pipes, and a handle of the process that says when it has ended."""

    output: int
    result: int
    process: int


class Running:
    """Watches one process. Each file in `readers` is to be read, by its function, when something is there."""

    def __init__(self, pid: int, pipes: Pipes, limits: Limits, mark: bytes, folder: str | None) -> None:
        """`folder`: the scratch folder, if its size must be watched."""
        self.pid = pid
        self.has_ended = False
        self.readers: dict[int, Callable[[], None]] = {
            pipes.output: self._read_output,
            pipes.result: self._read_result,
            pipes.process: self._note_end,
        }
        self._pipes = pipes
        self._limits = limits
        self._folder = folder
        self._reader = ResultReader(mark)
        self._output = bytearray()
        self._stopped: tuple[Status, str] | None = None
        self._ran = 0.0
        self._started = self._checked = self._next_look = time.monotonic()
        for source in (pipes.output, pipes.result):
            os.set_blocking(source, False)

    def check(self) -> None:
        """Stop the process if it takes what it may not."""
        now = time.monotonic()
        self._ran += min(now - self._checked, _LONGEST_STEP)
        self._checked = now
        if self._ran > self._limits.seconds and self._ran - waited(self._number()) > self._limits.seconds:
            self.stop(Status.TIMED_OUT, f"ran longer than {self._limits.seconds:g} s")
        elif self._count_threads() > self._limits.processes:
            self.stop(Status.PROCESS_LIMIT, f"had more than {self._limits.processes} threads")
        elif self._folder and now > self._next_look:
            self._look_at(self._folder)

    def _look_at(self, folder: str) -> None:
        began = time.monotonic()
        if scratch.used(folder, self._limits.file_size) > self._limits.file_size:
            self.stop(Status.DISK_LIMIT, f"filled its scratch folder of {self._limits.file_size} bytes")
        ended = time.monotonic()
        self._next_look = ended + _WATCHED_SHARE * (ended - began)

    def stop(self, status: Status, reason: str) -> None:
        """End the process, for `reason`; the first one counts."""
        if self._stopped is None:
            self._stopped = status, reason
        self.kill()

    def kill(self) -> None:
        """End the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> JobResult:
        """Take leave of the process, which has ended."""
        _, status = os.waitpid(self.pid, 0)
        # What it wrote at last may still lie in the pipes.
        for source in (self._pipes.output, self._pipes.result):
            while source in self.readers:
                self.readers[source]()
        for source in (self._pipes.output, self._pipes.result, self._pipes.process):
            os.close(source)
        result = judge(End(os.waitstatus_to_exitcode(status), self._stopped), self._reader)
        text = self._output[: self._limits.output].decode("utf-8", "replace")
        return replace(result, output=text, seconds=time.monotonic() - self._started)

    def _read_output(self) -> None:
        self._output += self._read(self._pipes.output)
        if len(self._output) > self._limits.output:
            self.readers.pop(self._pipes.output, None)
            self.stop(Status.OUTPUT_LIMIT, f"printed more than {self._limits.output} bytes")

    def _read_result(self) -> None:
        if self._reader.take(self._read(self._pipes.result)):
            self.readers.pop(self._pipes.result, None)
            self.kill()

    def _read(self, source: int) -> bytes:
        try:
            arrived = os.read(source, _CHUNK)
        except BlockingIOError:
            # Asked again after the end, when nobody is left to write more.
            arrived = b""
        if not arrived:
            self.readers.pop(source, None)
        return arrived

    def _note_end(self) -> None:
        self.has_ended = True

    def _count_threads(self) -> int:
        try:
            return len(os.listdir(f"/proc/{self._number()}/task"))
        except OSError:
            return 0

    def _number(self) -> str:
        """The process as `/proc` calls it, which may show the numbers of an outer space."""
        try:
            with open(f"/proc/self/fdinfo/{self._pipes.process}", encoding="ascii") as stream:
                found = _PID.search(stream.read())
        except OSError:
            return "none"
        return found[1] if found else "none"

"""From how a process ended, and what it sent before, to the result of its job."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import Any, Final

from autograd_lint.dynamic.snippets.jobs import JobResult, Status, result_from_json
from autograd_lint.dynamic.snippets.wire import ResultReader

LOST: Final = 113
"""Exit status of a process that could not send its result."""

_SAID_BY_PROCESSES: Final = frozenset(Status) - {Status.TIMED_OUT, Status.OUTPUT_LIMIT, Status.KILLED, Status.NO_RESULT}
_SIGNALS: Final = {
    "SIGSEGV": "it touched memory that is not its own, or recursed too deep",
    "SIGABRT": "a library gave up",
    "SIGKILL": "by itself, or by the kernel for want of memory",
}


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: its exit code (negative: the signal), and why it was stopped, if its watcher did that."""

    code: int
    stopped: tuple[Status, str] | None = None


def judge(end: End, reader: ResultReader) -> JobResult:
    """The result of a job whose process is no more."""
    if end.stopped is not None:
        return JobResult(*end.stopped)
    message = reader.message()
    if message is not None:
        return _accept(message)
    if not reader.is_empty:
        return JobResult(Status.NO_RESULT, "something else than the result came over the result channel")
    if end.code < 0:
        return _judge_signal(-end.code)
    if end.code == LOST:
        return JobResult(
            Status.NO_RESULT, "the result could not be sent: the program closed or broke the result channel"
        )
    return JobResult(Status.EXITED, f"left by os._exit({end.code}) before its end")


def _accept(message: dict[str, Any]) -> JobResult:
    """The result that a process sent. It may have been forged: then it harms nobody but its own program."""
    try:
        result = result_from_json(message)
        plausible = result.status in _SAID_BY_PROCESSES and isinstance(result.reason, str)
        plausible = plausible and all(isinstance(note, str) for note in result.notes)
    except (KeyError, TypeError, ValueError, AttributeError):
        plausible = False
    if not plausible:
        return JobResult(Status.NO_RESULT, "the message on the result channel is not one that the sandbox sends")
    return replace(result, output="", seconds=0.0)


def _judge_signal(number: int) -> JobResult:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name == "SIGXCPU":
        return JobResult(Status.TIMED_OUT, "used more processor time than it may")
    cause = f" ({_SIGNALS[name]})" if name in _SIGNALS else ""
    return JobResult(Status.KILLED, f"killed by {name}{cause}")

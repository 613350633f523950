"""The process that runs one job: closes itself in, runs the hook, sends the result, ends."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from autograd_lint.dynamic.sandbox import guards
from autograd_lint.dynamic.sandbox.walls import Walls, close_in
from autograd_lint.dynamic.snippets import wire
from autograd_lint.dynamic.snippets.failures import classify, message_of
from autograd_lint.dynamic.snippets.jobs import Job, JobResult, Status, result_to_json
from autograd_lint.dynamic.snippets.program import Program, find_hook
from autograd_lint.dynamic.snippets.verdict import LOST

_THREADS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs: its scratch folder, the walls around it, where its result goes, behind which mark."""

    scratch: str
    walls: Walls
    result: int
    mark: bytes


def run_job(job: Job, place: Place) -> NoReturn:
    """Run `job` in this process, whose standard streams are set up, and end it."""
    # The program may replace what it finds in modules, so what is needed after it is held from before.
    send, end, flush = _sender(place), os._exit, _flusher()
    try:
        refused = _prepare(job, place)
        hook = find_hook(job.hook)
    except (OSError, ImportError, AttributeError, TypeError, ValueError) as error:
        end(send(JobResult(Status.NOT_RUN, f"could not be started: {type(error).__name__}: {error}")))
    result = _run(hook, Program(job), refused)
    flush()
    end(send(result))
    raise AssertionError  # not reached: for the type checker


def _prepare(job: Job, place: Place) -> list[str]:
    assert job.limits is not None
    close_in(place.walls, job.limits, place.scratch)
    _settle(place.scratch)
    sys.path[:0] = job.path
    refused = guards.install(place.scratch)
    faulthandler.enable(sys.stderr, all_threads=False)
    return refused


def _settle(scratch: str) -> None:
    """Make programs write where they may, and torch work in this process."""
    os.environ.update(HOME=scratch, TMPDIR=scratch, TEMP=scratch, TMP=scratch)
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined] # asks anew where to write
    # Python takes a new seed after each fork; programs shall repeat themselves from run to run.
    random.seed(0)
    if "torch" in sys.modules:
        # A forked process has no threads of OpenMP, and waits for ever for those it believes in.
        sys.modules["torch"].set_num_threads(1)


def _run(hook: Callable[[Program], object], program: Program, refused: list[str]) -> JobResult:
    try:
        value = hook(program)
    except BaseException as error:  # the hook's, or a program's that broke it: either is told, none raised
        reason = f"the observation failed: {type(error).__qualname__}: {message_of(error)[:300]}"
        return JobResult(Status.HOOK_FAILED, reason, None, program.failure, notes=tuple(refused))
    status, reason = Status.FINISHED, "ran to its end"
    if program.error is not None:
        status, reason = classify(program.error)
    failure = program.failure if status is not Status.FINISHED else None
    return JobResult(status, reason, value, failure, notes=(*refused, *_left_running()))


def _left_running() -> list[str]:
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return [f"left {len(left)} threads running: {', '.join(left[:_THREADS_SHOWN])}"] if left else []


def _sender(place: Place) -> Callable[[JobResult], int]:
    write, encode, to_json = os.write, wire.encode, result_to_json

    def send(result: JobResult) -> int:
        try:
            message = encode(to_json(result))
        except (TypeError, ValueError, RecursionError) as error:
            message = encode(to_json(_unsayable(result, error)))
        if len(message) > wire.LONGEST_RESULT:
            message = encode(to_json(_unsayable(result, ValueError(f"{len(message)} bytes are too many"))))
        return _write_all(write, place.result, memoryview(place.mark + message))

    return send


def _unsayable(result: JobResult, error: Exception) -> JobResult:
    return JobResult(Status.HOOK_FAILED, f"what the hook returned cannot be sent: {error}", failure=result.failure)


def _write_all(write: Callable[[int, Any], int], target: int, rest: memoryview) -> int:
    try:
        while rest:
            rest = rest[write(target, rest) :]
    except OSError:
        return LOST
    return 0


def _flusher() -> Callable[[], None]:
    streams = (sys.stdout, sys.stderr)

    def flush() -> None:
        for stream in streams:
            # The program may have closed them, or what they write to.
            with contextlib.suppress(OSError, ValueError):
                stream.flush()

    return flush

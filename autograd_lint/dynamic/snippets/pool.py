"""The pool: programs in, results out, each run in a sandboxed process of the interpreter that has torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol

from autograd_lint.dynamic.snippets.forked import ForkedJobs
from autograd_lint.dynamic.snippets.jobs import Job, JobResult
from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.spawned import SpawnedJobs
from autograd_lint.dynamic.snippets.warm import Interpreter


class Jobs(Protocol):
    """A way to run jobs in other processes."""

    def interpreter(self) -> Interpreter:
        """The interpreter that runs the jobs; waits for it, ConfirmError if it cannot be used."""

    def submit(self, job: Job) -> Future[JobResult]:
        """Run `job` when its turn comes."""

    def close(self) -> None:
        """End everything."""


class Pool:
    """Runs programs, `setup.jobs` at a time. A context manager: its end is the end of every process that it started.

    It starts to load torch at once, elsewhere; this process never does, and has no thread more until it asks. Where
    processes cannot be forked, or if `spawn` is set, every job gets a new interpreter, which has to load torch itself.
    """

    def __init__(self, setup: Setup | None = None, *, spawn: bool | None = None) -> None:
        setup = setup or Setup()
        if spawn is None:
            spawn = not _can_fork()
        self._jobs: Jobs = SpawnedJobs(setup) if spawn else ForkedJobs(setup)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def interpreter(self) -> Interpreter:
        """The interpreter that runs the programs, and the walls around them; ConfirmError if it cannot be used."""
        return self._jobs.interpreter()

    def submit(self, job: Job) -> Future[JobResult]:
        """Run `job` when its turn comes. The future raises ConfirmError if the interpreter cannot be used."""
        return self._jobs.submit(job)

    def run(self, jobs: Iterable[Job]) -> Iterator[JobResult]:
        """The results of `jobs`, in their order."""
        futures = [self.submit(job) for job in jobs]
        for future in futures:
            yield future.result()

    def close(self) -> None:
        """End every process, and what still runs in it."""
        self._jobs.close()


def _can_fork() -> bool:
    """Whether a process can be forked after it has loaded torch, and watched: on Linux only."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True

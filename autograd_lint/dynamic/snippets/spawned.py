"""Where processes cannot be forked: each job gets an interpreter of its own, started ahead of time.

None is used twice: what one program did to torch, the next would see.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import IO, Final

from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.sandbox.turns import waited
from autograd_lint.dynamic.snippets import scratch, wire
from autograd_lint.dynamic.snippets.jobs import Job, JobResult, Status, job_to_json
from autograd_lint.dynamic.snippets.launch import Setup, launch, new_root
from autograd_lint.dynamic.snippets.verdict import End, judge
from autograd_lint.dynamic.snippets.warm import Interpreter, interpreter_from_json
from autograd_lint.errors import ConfirmError

_CHUNK: Final = 1 << 16
_MARK: Final = 16
_TICK: Final = 0.05
_LAST_WORDS: Final = 1.0

Task = tuple[Job, "Future[JobResult]"]


class Worker:
    """One interpreter, for one job."""

    def __init__(self, setup: Setup) -> None:
        self._root = new_root()
        try:
            self._process = launch(setup, "worker", self._root)
        except OSError:
            scratch.remove(self._root)
            raise
        self._stopped: tuple[Status, str] | None = None

    def load(self) -> Interpreter:
        """Wait until it is loaded; ConfirmError if that fails."""
        inbox, said = wire.Inbox(), b""
        while arrived := os.read(_open(self._process.stderr).fileno(), _CHUNK):
            said += arrived
            # A message begins with the high bytes of its length; all else is an interpreter's complaint.
            for message in inbox.take(arrived) if said.startswith(b"\0") else ():
                if "error" in message:
                    raise ConfirmError(message["error"])
                return interpreter_from_json(message["interpreter"])
        raise ConfirmError(f"it cannot run programs: {said.decode('utf-8', 'replace').strip()[-300:]}")

    def run(self, job: Job, limits: Limits) -> JobResult:
        """Run `job`, to its end or to that of its `limits`."""
        started, mark = time.monotonic(), os.urandom(_MARK)
        reader, output = wire.ResultReader(mark), bytearray()
        readers = [
            threading.Thread(target=self._read_output, args=(output, limits), daemon=True),
            threading.Thread(target=self._read_result, args=(reader,), daemon=True),
        ]
        for thread in readers:
            thread.start()
        # A worker that died meanwhile takes no job, and its end tells why.
        with contextlib.suppress(OSError), _open(self._process.stdin) as stream:
            stream.write(mark + wire.encode(job_to_json(job, limits)))
        self._wait(limits, started)
        for thread in readers:
            thread.join(_LAST_WORDS)
        text = output[: limits.output].decode("utf-8", "replace")
        result = judge(End(self._process.returncode, self._stopped), reader)
        return replace(result, output=text, seconds=time.monotonic() - started)

    def end(self) -> None:
        """End it with all that it started, and remove its files."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                _open(stream).close()
        scratch.remove(self._root)

    def _wait(self, limits: Limits, started: float) -> None:
        before = waited(self._process.pid)
        while True:
            try:
                self._process.wait(_TICK)
                return
            except subprocess.TimeoutExpired:
                ran = time.monotonic() - started
                if ran > limits.seconds and ran - (waited(self._process.pid) - before) > limits.seconds:
                    self._stop(Status.TIMED_OUT, f"ran longer than {limits.seconds:g} s")
                elif scratch.used(self._root, limits.file_size) > limits.file_size:
                    self._stop(Status.DISK_LIMIT, f"filled its scratch folder of {limits.file_size} bytes")

    def _read_output(self, output: bytearray, limits: Limits) -> None:
        while arrived := os.read(_open(self._process.stdout).fileno(), _CHUNK):
            output += arrived
            if len(output) > limits.output:
                self._stop(Status.OUTPUT_LIMIT, f"printed more than {limits.output} bytes")
                return

    def _read_result(self, reader: wire.ResultReader) -> None:
        while arrived := os.read(_open(self._process.stderr).fileno(), _CHUNK):
            if reader.take(arrived):
                self.kill()
                return

    def _stop(self, status: Status, reason: str) -> None:
        if self._stopped is None:
            self._stopped = status, reason
        self.kill()

    def kill(self) -> None:
        """End the process and its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


class SpawnedJobs:
    """Runs jobs in workers, `setup.jobs` at a time; as many are loading or waiting.

    The first workers load from the start, the threads that serve them begin when somebody first asks for something.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._interpreter: Future[Interpreter] = Future()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._ahead: list[Worker] = []
        # What hinders the first one hinders the others too, and is told when a lane tries again.
        with contextlib.suppress(OSError):
            self._ahead.extend(Worker(setup) for _ in range(setup.jobs))
        self._workers: set[Worker] = set(self._ahead)
        self._lanes = [threading.Thread(target=self._serve, daemon=True) for _ in range(setup.jobs)]
        self._has_begun = False

    def interpreter(self) -> Interpreter:
        """The interpreter that runs the jobs, once it is loaded; ConfirmError if it cannot be used."""
        self._begin()
        return self._interpreter.result()

    def submit(self, job: Job) -> Future[JobResult]:
        """Run `job` when its turn comes."""
        future: Future[JobResult] = Future()
        self._tasks.put((job, future))
        self._begin()
        return future

    def close(self) -> None:
        """End everything, jobs that run included."""
        with self._lock:
            self._closing.set()
            for worker in self._workers:
                worker.kill()
        for _ in self._lanes:
            self._tasks.put(None)
        for lane in self._lanes if self._has_begun else ():
            lane.join()
        for worker in self._ahead:
            worker.end()
        self._drain()

    def _begin(self) -> None:
        with self._lock:
            starts = not self._has_begun and not self._closing.is_set()
            self._has_begun = self._has_begun or starts
        for lane in self._lanes if starts else ():
            lane.start()

    def _serve(self) -> None:
        """One lane: a worker after the other, the next one started as soon as the last has ended."""
        while not self._closing.is_set():
            worker, error = self._start()
            try:
                task = self._tasks.get()
                if task is None:
                    return
                self._do(task, worker, error)
            finally:
                self._end(worker)

    def _start(self) -> tuple[Worker | None, ConfirmError | None]:
        """A loaded worker, or why there is none."""
        worker = None
        try:
            with self._lock:
                if self._closing.is_set():
                    return None, _closed()
                worker = self._ahead.pop() if self._ahead else Worker(self._setup)
                self._workers.add(worker)
            interpreter = worker.load()
        except (OSError, ConfirmError) as problem:
            error = ConfirmError(f"{self._setup.python}: {problem}")
            self._tell(lambda: self._interpreter.set_exception(error))
            return worker, error
        self._tell(lambda: self._interpreter.set_result(interpreter))
        return worker, None

    def _tell(self, tell: Callable[[], None]) -> None:
        with self._lock:
            if not self._interpreter.done():
                tell()

    def _do(self, task: Task, worker: Worker | None, error: ConfirmError | None) -> None:
        job, future = task
        if not future.set_running_or_notify_cancel():
            return
        if self._closing.is_set() or worker is None or error is not None:
            future.set_exception(error or _closed())
            return
        try:
            result = worker.run(job, job.limits or self._setup.limits)
        except BaseException as problem:
            future.set_exception(problem)
            raise
        if self._closing.is_set():
            future.set_exception(_closed())
        else:
            future.set_result(result)

    def _end(self, worker: Worker | None) -> None:
        if worker is None:
            return
        with self._lock:
            self._workers.discard(worker)
        worker.end()

    def _drain(self) -> None:
        while not self._tasks.empty():
            task = self._tasks.get()
            if task is not None and not task[1].cancelled():
                task[1].set_exception(_closed())


def _closed() -> ConfirmError:
    return ConfirmError("the pool was closed")


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "all streams are pipes"
    return stream

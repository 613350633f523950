"""The linter's side of the fork server: keeps it fed, starts it again when it dies, and knows which job killed it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import tempfile
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Final

from autograd_lint.dynamic.snippets import scratch, wire
from autograd_lint.dynamic.snippets.jobs import Job, JobResult, Status, job_to_json, result_from_json
from autograd_lint.dynamic.snippets.launch import Setup, last_line, launch, new_root
from autograd_lint.dynamic.snippets.warm import Interpreter, interpreter_from_json
from autograd_lint.errors import ConfirmError

_CHUNK: Final = 1 << 16
_MOST_DEATHS: Final = 3
_FAREWELL_SECONDS: Final = 5.0

Task = tuple[Job, "Future[JobResult]"]


class Server:
    """One fork server as a process: bytes to send, messages that came."""

    def __init__(self, setup: Setup) -> None:
        self._root = new_root()
        # Without a name: nothing is left of it, however the linter ends.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the server
        self._inbox = wire.Inbox()
        self._outgoing = bytearray()
        self.channel, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = launch(setup, "server", self._root, inherited=[theirs.fileno()], errors=self._errors)
        except OSError:
            self.channel.close()
            self._errors.close()
            scratch.remove(self._root)
            raise
        self.channel.setblocking(False)

    @property
    def wants_to_send(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._outgoing)

    def send(self, message: dict[str, Any]) -> None:
        """Send when the server takes it."""
        self._outgoing += wire.encode(message)
        self.flush()

    def flush(self) -> None:
        """Send what the server takes now."""
        # A dead server is noticed by what reads from it.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            del self._outgoing[: self.channel.send(self._outgoing)]

    def receive(self) -> list[dict[str, Any]] | None:
        """What came; None: it is dead."""
        try:
            arrived = self.channel.recv(_CHUNK)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return list(self._inbox.take(arrived)) if arrived else None

    def end(self, *, at_once: bool = False) -> str:
        """End it with all its processes and files; the last that it said. `at_once`: also while it loads."""
        self.channel.close()
        if at_once:
            self._process.kill()
        try:
            self._process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        scratch.remove(self._root)
        with self._errors:
            return last_line(self._errors)


def _server(setup: Setup) -> Server | OSError:
    """A new server, or why there is none."""
    try:
        return Server(setup)
    except OSError as problem:
        return problem


class ForkedJobs:
    """Runs jobs in processes forked from one server; one thread talks to it, from when somebody first asks for it.

    The server loads from the start. Until it is asked for, this process has no thread more, and may fork.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._first: Server | OSError | None = _server(setup)
        self._waiting: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._in_flight: dict[int, Task] = {}
        self._sent = 0
        self._deaths = 0
        self._closing = False
        self._interpreter: Future[Interpreter] = Future()
        self._bell, self._rope = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="autograd-lint pool", daemon=True)
        self._lock = threading.Lock()

    def interpreter(self) -> Interpreter:
        """The interpreter that runs the jobs, once it is loaded; ConfirmError if it cannot be used."""
        self._begin()
        return self._interpreter.result()

    def submit(self, job: Job) -> Future[JobResult]:
        """Run `job` when its turn comes."""
        future: Future[JobResult] = Future()
        self._waiting.append((job, future))
        self._ring()
        self._begin()
        return future

    def close(self) -> None:
        """End everything, jobs that run included."""
        self._closing = True
        if self._thread.ident is None:
            if isinstance(self._first, Server):
                self._first.end(at_once=True)
        else:
            self._ring()
            self._thread.join()
        self._bell.close()
        self._rope.close()

    def _begin(self) -> None:
        with self._lock:
            if self._thread.ident is None and not self._closing:
                self._thread.start()

    def _ring(self) -> None:
        self._rope.send(b"!")

    # -------------------------------------------------------------- the thread

    def _run(self) -> None:
        error: ConfirmError | None = ConfirmError("the pool broke down")
        try:
            error = self._keep_server()
        finally:
            # Nobody shall wait for ever, whatever happened here.
            self._give_up(error)

    def _keep_server(self) -> ConfirmError | None:
        """Have a server, one after the other, until the pool is closed; the error if none can be had."""
        error: ConfirmError | None = None
        while not self._closing and error is None:
            server, self._first = self._first or _server(self._setup), None
            if isinstance(server, OSError):
                return ConfirmError(f"{self._setup.python} cannot be started: {server}")
            try:
                self._talk(server)
            finally:
                said = server.end(at_once=not self._interpreter.done())
            if not self._closing:
                error = self._mourn(said)
        return error

    def _talk(self, server: Server) -> None:
        """Feed `server` until it dies or nobody wants it any more."""
        with selectors.DefaultSelector() as selector:
            selector.register(server.channel, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._closing:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if server.wants_to_send else 0)
                selector.modify(server.channel, wanted)
                ready = {key.fileobj for key, _ in selector.select()}
                if self._bell in ready:
                    self._bell.recv(_CHUNK)
                messages = server.receive()
                if messages is None:
                    return
                for message in messages:
                    self._take(message)
                if self._interpreter.done():
                    self._feed(server)
                server.flush()

    def _take(self, message: dict[str, Any]) -> None:
        if "error" in message:
            self._interpreter.set_exception(ConfirmError(message["error"]))
        elif "interpreter" in message:
            if not self._interpreter.done():
                self._interpreter.set_result(interpreter_from_json(message["interpreter"]))
        else:
            self._deaths = 0
            _, future = self._in_flight.pop(message["number"])
            future.set_result(result_from_json(message["result"]))

    def _feed(self, server: Server) -> None:
        # Of those that ran when a server died one is to blame: each gets the server for itself.
        while self._suspects and not self._in_flight:
            self._send(server, self._suspects.popleft())
        while self._waiting and not self._suspects and len(self._in_flight) < self._width():
            self._send(server, self._waiting.popleft())

    def _width(self) -> int:
        return 1 if self._deaths else self._setup.jobs

    def _send(self, server: Server, task: Task) -> None:
        job, future = task
        # A suspect is sent for the second time.
        if not future.running() and not future.set_running_or_notify_cancel():
            return
        self._sent += 1
        self._in_flight[self._sent] = task
        server.send({"number": self._sent, "job": job_to_json(job, self._setup.limits)})

    def _mourn(self, said: str) -> ConfirmError | None:
        """Judge those that ran when the server died; the error if there is no use in starting another."""
        self._deaths += 1
        if self._interpreter.done() and self._interpreter.exception() is not None:
            return ConfirmError(str(self._interpreter.exception()))
        if not self._interpreter.done() or (self._deaths > _MOST_DEATHS and not self._in_flight):
            return ConfirmError(f"{self._setup.python} cannot run programs: {said or 'it ended at once'}")
        tasks = list(self._in_flight.values())
        self._in_flight.clear()
        if len(tasks) == 1:
            tasks[0][1].set_result(JobResult(Status.NO_RESULT, "the server that watched it died, and so did it"))
        else:
            self._suspects.extend(tasks)
        return None

    def _give_up(self, error: ConfirmError | None) -> None:
        error = error or ConfirmError("the pool was closed")
        if not self._interpreter.done():
            self._interpreter.set_exception(error)
        while True:
            for _, future in [*self._in_flight.values(), *self._suspects, *self._waiting]:
                if not future.cancelled():
                    future.set_exception(error)
            self._in_flight.clear()
            self._suspects.clear()
            self._waiting.clear()
            if self._closing:
                return
            self._bell.recv(_CHUNK)

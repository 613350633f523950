"""The fork server: has loaded torch, never runs it, and forks a process for every job that the linter sends."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from dataclasses import dataclass, field
from typing import Any, Final

from autograd_lint.dynamic.sandbox.kernel import die_with_parent
from autograd_lint.dynamic.sandbox.walls import Walls
from autograd_lint.dynamic.snippets import scratch, wire
from autograd_lint.dynamic.snippets.child import Place, run_job
from autograd_lint.dynamic.snippets.jobs import Job, JobResult, Status, job_from_json, result_to_json
from autograd_lint.dynamic.snippets.running import Pipes, Running
from autograd_lint.dynamic.snippets.strays import end_strays
from autograd_lint.dynamic.snippets.streams import attach, close_others
from autograd_lint.dynamic.snippets.verdict import LOST
from autograd_lint.dynamic.snippets.warm import load_for

_TICK: Final = 0.02
_CHUNK: Final = 1 << 16
_MARK: Final = 16
_end: Final = os._exit  # programs may replace it


@dataclass(frozen=True, slots=True)
class Zygote:
    """Serves jobs that come over `channel`, several at a time, until the other end closes it."""

    channel: socket.socket
    walls: Walls
    root: str
    running: dict[int, Running] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    inbox: wire.Inbox = field(default_factory=wire.Inbox)

    def serve(self) -> None:
        """Run jobs until the linter is gone, then end what still runs."""
        self.selector.register(self.channel, selectors.EVENT_READ)
        while self._serve_once():
            for number in [number for number, running in self.running.items() if running.has_ended]:
                self._finish(number)
        for running in self.running.values():
            running.kill()

    def _serve_once(self) -> bool:
        for key, _ in self.selector.select(_TICK if self.running else None):
            if key.fileobj is self.channel:
                arrived = self.channel.recv(_CHUNK)
                if not arrived:
                    return False
                for message in self.inbox.take(arrived):
                    self._start(message["number"], job_from_json(message["job"]))
            else:
                self._read(key.fd, key.data)
        for running in self.running.values():
            running.check()
        return True

    def _read(self, source: int, running: Running) -> None:
        running.readers[source]()
        if source not in running.readers or running.has_ended:
            self.selector.unregister(source)

    def _start(self, number: int, job: Job) -> None:
        load_for(job.text)
        assert job.limits is not None
        mark = os.urandom(_MARK)
        folder = self._scratch(number)
        try:
            pid, pipes = self._fork(job, folder, mark)
        except OSError as error:
            self._answer(number, JobResult(Status.NOT_RUN, f"no process could be started for it: {error}"))
            return
        watched = None if self.walls.read_only_disk else folder
        running = self.running[number] = Running(pid, pipes, job.limits, mark, watched)
        for source in running.readers:
            self.selector.register(source, selectors.EVENT_READ, running)

    def _scratch(self, number: int) -> str:
        if self.walls.read_only_disk:
            # The process covers it by one of its own.
            return self.root
        folder = os.path.join(self.root, f"job-{number}")
        os.mkdir(folder, 0o700)
        return folder

    def _fork(self, job: Job, folder: str, mark: bytes) -> tuple[int, Pipes]:
        output, output_end = os.pipe()
        result, result_end = os.pipe()
        server, pid = os.getpid(), os.fork()
        if not pid:
            try:
                _become_child(server, output_end)
                run_job(job, Place(folder, self.walls, close_others(result_end), mark))
            finally:
                # Whatever happened, this process must not go on as a second server.
                _end(LOST)
        os.close(output_end)
        os.close(result_end)
        return pid, Pipes(output, result, os.pidfd_open(pid))

    def _finish(self, number: int) -> None:
        running = self.running.pop(number)
        for source in list(running.readers):
            if source in self.selector.get_map():
                self.selector.unregister(source)
        result = running.finish()
        clean = self.walls.seccomp or end_strays([other.pid for other in self.running.values()])
        if not self.walls.read_only_disk:
            # What cannot be removed now, the keeper tries again at the end.
            with contextlib.suppress(OSError):
                scratch.remove(os.path.join(self.root, f"job-{number}"))
        self._answer(number, result)
        if not clean:
            # They go with this process: it is the first of its number space, or its keeper ends them.
            raise SystemExit(1)

    def _answer(self, number: int, result: JobResult) -> None:
        self.send({"number": number, "result": result_to_json(result)})

    def send(self, message: dict[str, Any]) -> None:
        """Tell the linter."""
        self.channel.sendall(wire.encode(message))


def _become_child(server: int, output: int) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != server:
        _end(LOST)
    attach(output)

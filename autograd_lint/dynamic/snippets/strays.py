"""Processes that a program left behind where no wall kept it from starting them: found as children, and ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterator
from typing import Final

_PARENT: Final = re.compile(rb"^PPid:\t(\d+)$", re.MULTILINE)
_NUMBERS: Final = re.compile(rb"^NSpid:\t(?:\d+\t)*(\d+)$", re.MULTILINE)
_PATIENCE: Final = 2.0


def end_strays(known: Collection[int]) -> bool:
    """End every child of this process that is not `known`, and theirs, which become ours; False: they are too quick."""
    until = time.monotonic() + _PATIENCE
    while strays := [pid for pid in _children() if pid not in known]:
        if time.monotonic() > until:
            return False
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return True


def _children() -> Iterator[int]:
    # /proc may show the numbers of an outer space; a process's own entry and NSpid translate.
    me = os.readlink("/proc/self").encode()
    for name in os.listdir("/proc"):
        status = _status(name) if name.isdigit() else b""
        parent, number = _PARENT.search(status), _NUMBERS.search(status)
        if parent and number and parent[1] == me:
            yield int(number[1])


def _status(name: str) -> bytes:
    try:
        with open(f"/proc/{name}/status", "rb") as stream:
            return stream.read()
    except OSError:
        return b""

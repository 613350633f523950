"""The standard streams and the current folder as they were before a program ran in this process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from autograd_lint.streams import flush


class Beginning:
    """What stood when it was made; a report after the program goes there, wherever the program went meanwhile."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._folder = os.getcwd()
        self._streams = sys.stdout, sys.stderr
        self._copies = tuple(map(_copy, self._streams))

    @property
    def is_of_this_process(self) -> bool:
        """False in a process that the program has forked, and that came to its end as the program does."""
        return os.getpid() == self._process

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Go back there, and afterwards leave all as the program left it."""
        folder, streams = _current_folder(), (sys.stdout, sys.stderr)
        for stream in (*streams, *self._streams):
            _flush(stream)
        sys.stdout, sys.stderr = (
            kept if copy is None else copy for kept, copy in zip(self._streams, self._copies, strict=True)
        )
        os.chdir(self._folder)
        try:
            yield
            flush()
        finally:
            sys.stdout, sys.stderr = streams
            if folder is not None:
                os.chdir(folder)


def _copy(stream: TextIO | None) -> TextIO | None:
    """Another way to where `stream` leads, which stays open when that is closed; None where it leads to no file."""
    if stream is None:
        return None
    try:
        number = os.dup(stream.fileno())
    except (OSError, ValueError):
        return None
    return open(number, "w", encoding=stream.encoding, errors=stream.errors)


def _flush(stream: TextIO | None) -> None:
    # The program may have closed it, or replaced it by something that is no stream.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if stream is not None:
            stream.flush()


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None

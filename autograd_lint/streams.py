"""Writing to the standard streams: whatever their encoding, and in silence when nobody reads any more."""

from __future__ import annotations

import os
import sys
from typing import IO


def print_out(text: str) -> None:
    """Write to standard output; what its encoding cannot say is written as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        _to_nowhere(sys.stdout)


def flush() -> None:
    """Write what is buffered; who stopped reading (`| head`) does not want to hear about it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _to_nowhere(stream)


def _to_nowhere(stream: IO[str]) -> None:
    # The interpreter flushes the stream again when it ends: let that go well.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

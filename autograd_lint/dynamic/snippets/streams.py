"""The standard streams of a process that runs a job: no input, and one bounded pipe for what it prints."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

_ALL: Final = 1 << 16


def attach(output: int) -> None:
    """Read nothing, print to `output`."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdin = _opened(0, "r")
    sys.stdout = _opened(1, "w")
    sys.stderr = _opened(2, "w")


def close_others(kept: int) -> int:
    """Close every file but the standard streams and `kept`, which gets the number returned."""
    os.dup2(kept, 3)
    os.closerange(4, _ALL)
    return 3


def _opened(number: int, mode: str) -> TextIO:
    # Left open to the end of the process; the file stays the kernel's to close.
    return open(number, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # type: ignore[return-value]

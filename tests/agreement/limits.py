"""Ends a program that runs for long: a statement taken out, or other arguments, may leave a loop without an end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SECONDS: Final = 15.0
"""More than the import of torch's compiler computes, which some calls bring about (`apply_` under a mode: 5 s)."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raises TimeoutError in the body when it has computed for too long; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still running after {_SECONDS} s of computing")

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)

"""A program that SIGTERM ends is told of as one that came to its end; then the signal ends it as it would have."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_when_terminated(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` before SIGTERM ends this process; not where somebody else sees to that signal, or begins to.

    Python comes to it between two of its instructions. So ranks are left alone: `torchrun` ends them in the middle of
    collective operations, and they would not end in time.
    """
    main = threading.current_thread() is threading.main_thread()
    others = "TORCHELASTIC_RUN_ID" in os.environ
    if not main or others or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            if os.getpid() == process:  # a process that the program has forked is not ours to tell of
                tell()
        finally:
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

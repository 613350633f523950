"""Progress on standard error: only on a terminal, and only once a run takes longer than a second."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Final

_DELAY: Final = 1.0
_INTERVAL: Final = 0.1


@dataclass(slots=True)
class Progress:
    """A counter of files on one line, which is erased at the end."""

    total: int
    started: float = field(default_factory=time.monotonic)
    done: int = 0
    shown_at: float = 0.0

    def advance(self) -> None:
        """One more file is done."""
        self.done += 1
        now = time.monotonic()
        if now - self.started > _DELAY and now - self.shown_at > _INTERVAL and sys.stderr.isatty():
            self.shown_at = now
            sys.stderr.write(f"\r\x1b[Kchecked {self.done} of {self.total} files")
            sys.stderr.flush()

    def finish(self) -> None:
        """Erase the line, if there is one."""
        if self.shown_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

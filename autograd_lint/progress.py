"""Progress on standard error: only on a terminal, and only once a run takes longer than a second."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.report._text import count
from autograd_lint.streams import is_terminal

_DELAY: Final = 1.0
_INTERVAL: Final = 0.1


@dataclass(slots=True)
class Progress:
    """A line that counts the files found, then those that are done, then verdicts, and is erased at the end."""

    started: float = field(default_factory=time.monotonic)
    found: int = 0
    done: int = 0
    shown_at: float = 0.0

    def find(self) -> None:
        """One more file will have to be checked."""
        self.found += 1
        self._show(f"found {count(self.found, 'file')}")

    def advance(self) -> None:
        """One more file is done."""
        self.done += 1
        self._show(f"checked {self.done} of {count(self.found, 'file')}")

    def confirm(self, done: int, total: int) -> None:
        """Programs run, and `done` of `total` findings have their verdict."""
        self._show(f"confirmed or refuted {done} of {count(total, 'finding')}")

    def finish(self) -> None:
        """Erase the line, if there is one."""
        if self.shown_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.shown_at = 0.0

    def _show(self, text: str) -> None:
        now = time.monotonic()
        if now - self.started > _DELAY and now - self.shown_at > _INTERVAL and is_terminal(sys.stderr):
            self.shown_at = now
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

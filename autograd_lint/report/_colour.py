"""Colours for a terminal, and none elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO

from autograd_lint.finding import Severity, Verdict
from autograd_lint.streams import is_terminal


def wants_colour(stream: IO[str] | None) -> bool:
    """Whether to colour what goes to `stream`; `NO_COLOR` and `FORCE_COLOR` overrule the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream)


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts colours around text, or leaves it as it is."""

    on: bool

    def bold(self, text: str) -> str:
        """Bright."""
        return self._wrap("1", text)

    def gutter(self, text: str) -> str:
        """Line numbers and rules."""
        return self._wrap("1;34", text)

    def related(self, text: str) -> str:
        """The marks of related places."""
        return self._wrap("1;36", text)

    def help(self, text: str) -> str:
        """The word before advice."""
        return self._wrap("1;32", text)

    def removed(self, text: str) -> str:
        """A row that a fix takes away."""
        return self._wrap("31", text)

    def added(self, text: str) -> str:
        """A row that a fix puts in."""
        return self._wrap("32", text)

    def severity(self, severity: Severity, text: str) -> str:
        """The colour of a severity."""
        return self._wrap({Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.INFO: "1;35"}[severity], text)

    def verdict(self, verdict: Verdict, text: str) -> str:
        """The colour of a verdict."""
        codes = {Verdict.CONFIRMED: "1;31", Verdict.REFUTED: "1;32", Verdict.INCONCLUSIVE: "1;33"}
        return self._wrap(codes[verdict], text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

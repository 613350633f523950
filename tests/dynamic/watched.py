"""Runs a program under an observer, and tells what it found."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

import torch

from autograd_lint.dynamic.judge import judge
from autograd_lint.dynamic.observer import HookObserver, Observer, SequenceObserver
from autograd_lint.dynamic.syntax import add_text
from autograd_lint.dynamic.watch import Files
from autograd_lint.finding import Finding
from autograd_lint.rule import Rule, all_rules

PROGRAM = "<program>"
DEFAULT = tuple(rule for rule in all_rules() if rule.on and rule.default)
MODES = ("lines", "instructions", "hooks")


@dataclass(frozen=True)
class Watched:
    """How a program ran, and what was found."""

    findings: tuple[Finding, ...]
    error: BaseException | None
    printed: str

    def at(self, row: int) -> set[str]:
        """The codes found at a row."""
        return {finding.code for finding in self.findings if finding.range.start.row == row}

    @property
    def raised_in(self) -> set[int]:
        """The rows of the program that the exception went through."""
        entries = traceback.extract_tb(self.error.__traceback__) if self.error is not None else []
        return {entry.lineno or 0 for entry in entries if entry.filename == PROGRAM}

    @property
    def codes(self) -> list[str]:
        """All codes, in the order of their places."""
        return [finding.code for finding in self.findings]


def make_observer(mode: str, *, index_reads: bool = False) -> Observer:
    """An observer to which only the program is the user's, not the tests above it on the stack."""
    files = Files(named=(PROGRAM,), foreign=_files_above())
    if mode == "hooks":
        return HookObserver(files, index_reads=index_reads)
    return SequenceObserver(files, instructions=mode == "instructions", index_reads=index_reads)


def watch(text: str, *, mode: str = "instructions", rules: Sequence[type[Rule]] = DEFAULT) -> Watched:
    """Run a program and judge it by `rules`."""
    add_text(PROGRAM, text)
    code = compile(text, PROGRAM, "exec")
    observer = make_observer(mode, index_reads=any(not rule.default for rule in rules))
    printed, error = io.StringIO(), None
    torch.manual_seed(0)
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore")
        with observer:
            try:
                exec(code, {"__name__": "__main__"})
            except Exception as raised:
                error = raised
    torch.autograd.set_detect_anomaly(False)
    return Watched(tuple(judge(observer.events(), rules)), error, printed.getvalue())


def _files_above() -> frozenset[str]:
    names = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names.add(frame.f_code.co_filename)
        frame = frame.f_back
    return frozenset(names)

"""Findings made wrong on purpose: none of them may be confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from autograd_lint.finding import Finding, Position, Range
from autograd_lint.rule import all_rules
from autograd_lint.runner import RunResult

PROVABLE: Final = [rule for rule in all_rules() if rule.on]
"""Every rule that judges what a program does."""


def witnessed(result: RunResult) -> tuple[Finding, ...]:
    """The findings of rules whose events the observer tells of."""
    provable = {rule.code for rule in PROVABLE}
    return tuple(finding for finding in result.findings if finding.code in provable)


def moved(result: RunResult) -> Iterator[Finding]:
    """Each finding at the next line that has none."""
    rows = {(found.filename, found.range.start.row) for found in result.findings}
    for finding in witnessed(result):
        lines = Path(finding.filename).read_text(encoding="utf-8").splitlines()
        own = lines[finding.range.start.row - 1].strip()
        for row in range(finding.range.start.row + 1, len(lines) + 1):
            text = lines[row - 1]
            # The same statement again may well have the same fault.
            if text.strip() not in ("", own) and (finding.filename, row) not in rows:
                start = len(text) - len(text.lstrip()) + 1
                place = Range(Position(row, start), Position(row, len(text) + 1))
                yield replace(finding, range=place, related=())
                break


WAYS: Final[Mapping[str, Callable[[RunResult], Iterator[Finding]]]] = {"moved": moved}
"""How they are made wrong."""

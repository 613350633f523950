"""Findings about the run itself: files that cannot be read, errors inside the tool, suppressions gone wrong."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding, Position, Range
from autograd_lint.selectors import rules_by_code

UNREADABLE: Final = "AGL000"
UNUSED_SUPPRESSION: Final = "AGL001"
UNKNOWN_SUPPRESSION: Final = "AGL002"
CRASHED: Final = "AGL003"
REMARK: Final = "AGL004"


def run_finding(code: str, filename: str, message: str, *, at: Range, advice: str = "") -> Finding:
    """A finding of one of the 0xx rules."""
    rule = rules_by_code()[code]
    return Finding(code, rule.name, rule.severity, message, filename, at, help=advice, noqa_row=at.start.row)


def unreadable(filename: str, error: SourceError) -> Finding:
    """The file cannot be read, decoded or parsed."""
    return run_finding(UNREADABLE, filename, str(error), at=point(error.row, error.column))


def crashed(filename: str, message: str, *, row: int = 1, column: int = 1) -> Finding:
    """The tool failed on the file; `row` and `column` are where it was, when known."""
    advice = "this is a fault of autograd-lint, not of the file; please report it with this message"
    return run_finding(CRASHED, filename, f"internal error: {message}", at=point(row, column), advice=advice)


def describe_crash(error: BaseException) -> str:
    """The error and the line of the tool that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = str(error).split("\n", 1)[0][:200]
    return f"{type(error).__name__}{place}" + (f": {text}" if text else "")


def point(row: int, column: int) -> Range:
    """The single character at a place."""
    return Range(Position(row, column), Position(row, column + 1))

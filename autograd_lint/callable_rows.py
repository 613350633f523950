"""Which rows of a file only a call reaches: what rules find there may hang on a caller in another file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from autograd_lint.layout import split_lines

_SCRIPT: Final = re.compile(r"^if\s+\(?\s*(__name__\s*==|[\"']__main__[\"']\s*==)", re.MULTILINE)
_FUNCTION: Final = re.compile(r"(async\s+)?def\s")


def decides_alone(text: str, first: int, last: int) -> bool:
    """Whether the findings in rows `first` to `last` cannot hang on another file that imports this one.

    A file that is run as a program is its own caller; in other files the code of a function has callers elsewhere.
    """
    if _SCRIPT.search(text):
        return True
    lines = split_lines(text)
    if last >= len(lines):
        return not any(_FUNCTION.match(line.lstrip()) for line in lines)
    return not _is_in_function(lines, first)


def _is_in_function(lines: Sequence[str], row: int) -> bool:
    """Whether a row is in the body of a function, as its indentation tells."""
    depth = _depth(lines[row - 1])
    for line in reversed(lines[: row - 1]):
        if not line.strip() or line.lstrip().startswith("#") or _depth(line) >= depth:
            continue
        if _FUNCTION.match(line.lstrip()):
            return True
        depth = _depth(line)
    return False


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())

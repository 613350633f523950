"""A fix as a small diff of the rows it changes, for the `full` format."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.finding import Edit, Finding, Fix, Position, Range
from autograd_lint.fixing.edits import apply_edits
from autograd_lint.layout import split_lines
from autograd_lint.report._colour import Paint
from autograd_lint.report._text import expand, one_line
from autograd_lint.report._view import Texts

_MOST_ROWS = 200
"""A fix whose edits are further apart is told in words only."""


def draw_fix(finding: Finding, fix: Fix, texts: Texts, paint: Paint, *, width: int) -> Iterator[str]:
    """What the fix does, then its rows: those that go, those that come."""
    margin = " " * width
    yield f"{margin} {paint.gutter('=')} {paint.help(f'fix ({fix.applicability.value}):')} {one_line(fix.message)}"
    first, last = _rows(fix)
    if last - first >= _MOST_ROWS:
        return
    before = [text for row in range(first, last + 1) if (text := texts.line(finding.filename, row)) is not None]
    moved = [_moved(edit, first) for edit in fix.edits]
    after = split_lines(apply_edits("\n".join(before), moved))
    import difflib  # most reports need none

    row = first
    for line in difflib.ndiff(before, after):
        sign, text = line[0], line[2:]
        if sign in "-+":
            number = f"{row:>{width}}" if sign == "-" else margin
            colour = paint.removed if sign == "-" else paint.added
            yield f"{paint.gutter(f'{number} |')} {colour(f'{sign} {_shown(text)}'.rstrip())}"
        row += sign in "- "


def _rows(fix: Fix) -> tuple[int, int]:
    """The first and the last row the edits touch; one that ends where a row begins needs that row to be whole."""
    return min(edit.range.start.row for edit in fix.edits), max(edit.range.end.row for edit in fix.edits)


def _moved(edit: Edit, first: int) -> Edit:
    """The edit in a text that begins with the row `first`."""
    start, end = edit.range.start, edit.range.end
    place = Range(Position(start.row - first + 1, start.column), Position(end.row - first + 1, end.column))
    return Edit(edit.content.replace("\r\n", "\n"), place)


def _shown(text: str) -> str:
    return "".join(expand(text)[0])

"""A code frame: source lines with a gutter, and every place of a finding underlined and labelled."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from autograd_lint.finding import Finding, Range
from autograd_lint.report._colour import Paint
from autograd_lint.report._text import expand, one_line
from autograd_lint.report._view import Texts

_WIDTH: Final = 140
"""Cells of a source line that are shown; a longer one is cut around its mark."""
_WHOLE: Final = 4
"""A place of up to this many rows is shown whole; of a longer one, its first and last row."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A range to underline, with its label. `main`: it is the finding's own place."""

    range: Range
    label: str
    main: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The marks in one file."""

    path: str
    marks: tuple[Mark, ...]


def frames_of(finding: Finding) -> list[Frame]:
    """The finding's own file first, then other files in the order they are told of; marks in source order."""
    marks: dict[str, list[Mark]] = {finding.filename: [Mark(finding.range, "", True)]}
    for related in finding.related:
        marks.setdefault(related.filename, []).append(Mark(related.range, related.message, False))
    return [
        Frame(path, tuple(sorted(listed, key=lambda mark: (mark.range, not mark.main))))
        for path, listed in marks.items()
    ]


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws frames with a gutter `width` digits wide."""

    texts: Texts
    paint: Paint
    width: int
    underline: Callable[[str], str]

    def draw(self, frame: Frame) -> Iterator[str]:
        """The lines of one frame."""
        rows = _shown_rows(frame.marks)
        previous = 0
        yield self.gutter()
        for row in rows:
            text = self.texts.line(frame.path, row)
            if text is None:
                continue
            if previous and row == previous + 2:
                yield from self._row(row - 1, self.texts.line(frame.path, row - 1) or "", [])
            elif previous and row > previous + 1:
                yield self.paint.gutter("." * max(3, self.width))
            yield from self._row(row, text, [mark for mark in frame.marks if row in _rows(mark)])
            previous = row

    def gutter(self, row: int | None = None) -> str:
        """The number of a row and the rule beside it."""
        return self.paint.gutter(f"{'' if row is None else row:>{self.width}} |")

    def _row(self, row: int, text: str, marks: Sequence[Mark]) -> Iterator[str]:
        pieces, cells = expand(text)
        spans = [(mark, *_span(mark, row, text, cells)) for mark in marks]
        cut = _Cut.around(cells, [start for _, start, _ in spans])
        body = cut.text(pieces, cells)
        yield f"{self.gutter(row)} {body}".rstrip() if body.strip() else self.gutter(row)
        for mark, start, end in sorted(spans, key=lambda span: not span[0].main):
            left, right = cut.cell(start), max(cut.cell(end), cut.cell(start) + 1)
            paint = self.underline if mark.main else self.paint.related
            drawn = paint(("^" if mark.main else "-") * (right - left))
            label = mark.label if row == mark.range.end.row or row == _last_row(mark) else ""
            yield f"{self.gutter()} {' ' * left}{drawn}" + (f" {paint(one_line(label))}" if label else "")


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which cells of a long line are shown: from `start` to `end`."""

    start: int
    end: int

    @classmethod
    def around(cls, cells: Sequence[int], starts: Sequence[int]) -> _Cut:
        """All of a short line; of a long one, the cells near the first of `starts`."""
        total = cells[-1]
        if total <= _WIDTH:
            return cls(0, total)
        first = min(starts, default=0)
        start = 0 if first < _WIDTH // 2 else max(0, min(first - _WIDTH // 4, total - _WIDTH))
        return cls(start, min(total, start + _WIDTH))

    def text(self, pieces: Sequence[str], cells: Sequence[int]) -> str:
        """The part of a line that is shown; dots stand for what is not."""
        first = bisect.bisect_left(cells, self.start)
        last = bisect.bisect_right(cells, self.end) - 1
        before, after = "..." if self.start else "", "..." if self.end < cells[-1] else ""
        return before + "".join(pieces[first:last]) + after

    def cell(self, cell: int) -> int:
        """Where a cell of the whole line is in what is shown."""
        return min(max(cell, self.start), self.end) - self.start + (3 if self.start else 0)


def _rows(mark: Mark) -> list[int]:
    first, last = mark.range.start.row, _last_row(mark)
    return list(range(first, last + 1)) if last - first < _WHOLE else [first, last]


def _last_row(mark: Mark) -> int:
    """The last row with something of the range in it."""
    start, end = mark.range.start, mark.range.end
    return end.row - 1 if end.column == 1 and end.row > start.row else end.row


def _shown_rows(marks: Sequence[Mark]) -> list[int]:
    return sorted({row for mark in marks for row in _rows(mark)})


def _span(mark: Mark, row: int, text: str, cells: Sequence[int]) -> tuple[int, int]:
    """The cells of `row` that the mark underlines; indentation and what follows the text are left out."""
    start, end = mark.range.start, mark.range.end
    first = start.column - 1 if row == start.row else len(text) - len(text.lstrip())
    last = end.column - 1 if row == end.row else len(text.rstrip())
    first = min(max(first, 0), len(text))
    return cells[first], cells[min(max(last, first), len(text))]

"""Where a text's logical lines, comments and scopes are, from its tokens; works without a syntax tree."""

from __future__ import annotations

import bisect
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.finding import Position

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def split_lines(text: str) -> list[str]:
    """Lines as Python's parser counts them: form feeds and Unicode separators end none (`str.splitlines` differs)."""
    return _LINE_END.split(text)


class Offsets:
    """Finds the offset of a row and column in one text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self._end = len(text)

    def at(self, position: Position) -> int:
        """The offset of `position`; the end of the text for a row after the last."""
        if position.row > len(self._starts):
            return self._end
        return min(self._starts[position.row - 1] + position.column - 1, self._end)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment. `column` counts from 1; `alone`: nothing but white space stands before it."""

    row: int
    column: int
    text: str
    alone: bool


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """The rows of one simple statement, or of one header; `scope` is the dotted name of what it stands in.

    `decorates`: it is a decorator, so that it belongs to the line after it.
    """

    first: int
    last: int
    scope: str
    decorates: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The logical lines in order, the comments in order, and for each row inside a string or continuation its end."""

    lines: tuple[LogicalLine, ...]
    comments: tuple[Comment, ...]
    joined: dict[int, int] = field(default_factory=dict)

    def line_at(self, row: int) -> LogicalLine | None:
        """The logical line that covers `row`."""
        index = bisect.bisect_right(self.lines, row, key=lambda line: line.first) - 1
        if index >= 0 and self.lines[index].last >= row:
            return self.lines[index]
        return None

    def statement_after(self, row: int) -> tuple[int, int] | None:
        """First and last row of the next statement that begins after `row`; of a compound one, its header."""
        index = bisect.bisect_right(self.lines, row, key=lambda line: line.first)
        if index >= len(self.lines):
            return None
        first = self.lines[index].first
        while self.lines[index].decorates and index + 1 < len(self.lines):
            index += 1
        return first, self.lines[index].last

    def statement_at(self, row: int) -> tuple[int, int] | None:
        """First and last row of the statement that covers `row`; a header includes the decorators above it."""
        index = bisect.bisect_right(self.lines, row, key=lambda line: line.first) - 1
        if index < 0 or self.lines[index].last < row:
            return None
        last = self.lines[index].last
        if not self.lines[index].decorates:
            while index > 0 and self.lines[index - 1].decorates:
                index -= 1
        return self.lines[index].first, last

    def comment_row(self, row: int) -> int:
        """The row where a comment for `row` can stand: the end of a string or of a backslash continuation."""
        seen = row
        while self.joined.get(seen, seen) > seen:
            seen = self.joined[seen]
        return seen


def read_layout(text: str) -> Layout:
    """The layout of `text`. Where the tokenizer gives up, each remaining row is taken for a logical line."""
    builder = _Builder(split_lines(text))
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            builder.add(token)
    except (tokenize.TokenError, SyntaxError):
        builder.give_up()
    return builder.layout()


_SKIPPED: Final = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER})
_ANY_COMMENT: Final = re.compile(r"#\s*(?:noqa|autograd-lint)\b.*", re.IGNORECASE)


class _Builder:
    """Gathers logical lines token by token."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows
        self._lines: list[LogicalLine] = []
        self._comments: list[Comment] = []
        self._joined: dict[int, int] = {}
        self._scopes: list[tuple[int, str]] = []
        self._depth = 0
        self._tokens: list[tokenize.TokenInfo] = []
        self._previous_row = 0

    def add(self, token: tokenize.TokenInfo) -> None:
        """Take in the next token."""
        if token.type == tokenize.COMMENT:
            self._add_comment(token.start[0], token.start[1], token.string)
        elif token.type == tokenize.INDENT:
            self._depth += 1
        elif token.type == tokenize.DEDENT:
            self._depth -= 1
        elif token.type == tokenize.NEWLINE:
            self._end_line()
        elif token.type not in _SKIPPED:
            self._note_join(token)
            self._tokens.append(token)
        self._previous_row = token.end[0] + (token.type == tokenize.NL)

    def give_up(self) -> None:
        """The tokenizer failed: go on row by row after the last complete line."""
        done = self._lines[-1].last if self._lines else 0
        self._comments = [comment for comment in self._comments if comment.row <= done]
        for row, line in enumerate(self._rows[done:], start=done + 1):
            if not line.strip():
                continue
            found = _ANY_COMMENT.search(line)
            if found:
                self._add_comment(row, found.start(), found.group())
            if not line.lstrip().startswith("#"):
                self._lines.append(LogicalLine(row, row, ""))

    def layout(self) -> Layout:
        """What was gathered."""
        return Layout(tuple(self._lines), tuple(self._comments), self._joined)

    def _add_comment(self, row: int, offset: int, text: str) -> None:
        alone = not self._rows[row - 1][:offset].strip()
        self._comments.append(Comment(row, offset + 1, text, alone))

    def _note_join(self, token: tokenize.TokenInfo) -> None:
        first = token.start[0]
        if self._tokens and self._previous_row < first:
            # No NL token came between: a backslash joins the rows.
            first = self._previous_row
        # A token of several rows is a string or a part of one.
        self._joined.update(dict.fromkeys(range(first, token.end[0]), token.end[0]))

    def _end_line(self) -> None:
        if not self._tokens:
            return
        tokens, self._tokens = self._tokens, []
        while self._scopes and self._scopes[-1][0] >= self._depth:
            self._scopes.pop()
        scope = ".".join(name for _, name in self._scopes)
        self._lines.append(LogicalLine(tokens[0].start[0], tokens[-1].end[0], scope, tokens[0].string == "@"))
        name = next(_defined_names(tokens), None)
        if name is not None:
            self._scopes.append((self._depth, name))


def _defined_names(tokens: list[tokenize.TokenInfo]) -> Iterator[str]:
    start = 1 if tokens[0].string == "async" else 0
    if len(tokens) > start + 1 and tokens[start].string in ("def", "class"):
        yield tokens[start + 1].string

"""Rows and columns of LibCST nodes, found in one pass over a file's tree when the first one is asked for."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import Final, TypeAlias

import libcst as cst

# The base of LibCST's own position providers. They keep their results in metadata wrappers, which copy the tree.
from libcst._nodes.internal import CodegenState

from autograd_lint.finding import Position, Range
from autograd_lint.static.syntax.stack import with_room

# Row from 1 and column from 0, of the start and of the end.
Span: TypeAlias = tuple[int, int, int, int]

_NEWLINE: Final = re.compile(r"\r\n?|\n")
_WITH_BODY: Final = (
    cst.If,
    cst.Else,
    cst.For,
    cst.While,
    cst.With,
    cst.Try,
    cst.TryStar,
    cst.ExceptHandler,
    cst.ExceptStarHandler,
    cst.Finally,
    cst.MatchCase,
    cst.FunctionDef,
    cst.ClassDef,
)
_SUITES: Final = frozenset({cst.IndentedBlock, cst.SimpleStatementSuite})
_ON_ITS_OWN: Final = (cst.BaseSmallStatement, cst.SimpleStatementLine, cst.Decorator)


class Positions:
    """The places of one tree's nodes, the statements around them, and their text.

    A range is that of LibCST's PositionProvider: it leaves out the white space and the parentheses around a node.
    `text` is what the tree was parsed from: of a row that begins with a form feed, LibCST forgets that and what is
    before it.
    """

    def __init__(self, tree: cst.Module, text: str = "") -> None:
        self.tree = tree
        self._text = text if "\f" in text else ""

    def holds(self, node: object) -> bool:
        """Whether `node` is part of the tree."""
        return id(node) in self._pass.spans

    def range_of(self, node: object) -> Range:
        """Where `node` stands."""
        return self._range(self._span(node))

    def range_with_parentheses(self, node: object) -> Range:
        """Where `node` stands, with the parentheses around it: what a replacement of the node replaces."""
        opening, closing = getattr(node, "lpar", None), getattr(node, "rpar", None)
        if not isinstance(opening, list | tuple) or not opening or not closing:
            return self.range_of(node)
        start, end = self._span(opening[0]), self._span(closing[-1])
        return self._range((start[0], start[1], end[2], end[3]))

    def statement_range_of(self, node: object) -> Range:
        """The innermost statement around `node`; of a compound statement or clause only the header, to its colon."""
        current: object = node
        while current is not None:
            if isinstance(current, _ON_ITS_OWN):
                return self.range_of(current)
            if isinstance(current, _WITH_BODY):
                return self._header(current, self._pass.body_starts[id(current.body)])
            if isinstance(current, cst.Match):
                return self._header(current, self._span(current.whitespace_after_colon)[:2])
            self._span(current)
            current = self._pass.parents[id(current)]
        return self.range_of(node)

    def parent_of(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around `node`."""
        self._span(node)
        return self._pass.parents[id(node)]

    def enclosing_name(self, node: object) -> str:
        """The dotted name of the classes and functions around `node`, without itself; "" at module level."""
        names: list[str] = []
        self._span(node)
        current = self._pass.parents[id(node)]
        while current is not None:
            if isinstance(current, cst.FunctionDef | cst.ClassDef):
                names.append(current.name.value)
            current = self._pass.parents[id(current)]
        return ".".join(reversed(names))

    def source_of(self, node: object) -> str:
        """The text of `node`, its parentheses included, every run of white space folded to one space."""
        place = self.range_with_parentheses(node)
        lines = self._lines[place.start.row - 1 : place.end.row]
        lines[-1] = lines[-1][: place.end.column - 1]
        lines[0] = lines[0][place.start.column - 1 :]
        return " ".join(" ".join(lines).split())

    def _header(self, node: cst.CSTNode, end: tuple[int, int]) -> Range:
        return self._range((*self._span(node)[:2], *end))

    def _span(self, node: object) -> Span:
        span = self._pass.spans.get(id(node))
        if span is None:
            raise LookupError(f"a {type(node).__name__} that is no part of this file's tree has no position in it")
        return span

    def _range(self, span: Span) -> Range:
        row, column, end_row, end_column = span
        start = Position(row, column + self._forgotten.get(row, 0) + 1)
        return Range(start, Position(end_row, end_column + self._forgotten.get(end_row, 0) + 1))

    @cached_property
    def _forgotten(self) -> dict[int, int]:
        """How many characters at the beginning of each row are not in the tree, where there are any."""
        if not self._text:
            return {}
        written = _NEWLINE.split("".join(self._pass.tokens))
        pairs = enumerate(zip(self._lines, written, strict=False), 1)
        return {row: _margin(line) - _margin(other) for row, (line, other) in pairs if "\f" in line[: _margin(line)]}

    @cached_property
    def _lines(self) -> list[str]:
        return _NEWLINE.split(self._text or "".join(self._pass.tokens))

    @cached_property
    def _pass(self) -> _Recorder:
        return with_room(lambda: _record(self.tree))


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\f"))


def _record(tree: cst.Module) -> _Recorder:
    recorder = _Recorder(tree)
    tree._codegen(recorder)
    return recorder


class _Recorder(CodegenState):
    """Follows the tree being written out as text, and notes where each node begins and ends.

    Nodes are known by their `id`: hashing them is slow, and the tree outlives the recorder.
    """

    __slots__ = ("_column", "_open", "_row", "body_starts", "parents", "spans")

    def __init__(self, tree: cst.Module) -> None:
        super().__init__(tree.default_indent, tree.default_newline)
        self.spans: dict[int, Span] = {}
        self.parents: dict[int, cst.CSTNode | None] = {}
        self.body_starts: dict[int, tuple[int, int]] = {}
        self._open: list[tuple[cst.CSTNode | None, int, int]] = [(None, 1, 0)]
        self._row = 1
        self._column = 0

    def add_indent_tokens(self) -> None:
        for token in self.indent_tokens:
            self.add_token(token)

    def add_token(self, value: str) -> None:
        self.tokens.append(value)
        if "\n" in value or "\r" in value:
            lines = _NEWLINE.split(value)
            self._row += len(lines) - 1
            self._column = len(lines[-1])
        else:
            self._column += len(value)

    def before_codegen(self, node: cst.CSTNode) -> None:
        self.parents[id(node)] = self._open[-1][0]
        self._open.append((node, self._row, self._column))

    def after_codegen(self, node: cst.CSTNode) -> None:
        _, row, column = self._open.pop()
        key = id(node)
        if key not in self.spans:
            self.spans[key] = (row, column, self._row, self._column)
        if type(node) in _SUITES:
            self.body_starts[key] = (row, column)

    def record_syntactic_position(  # type: ignore[override]  # an iterator there, by its decorator a context here
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> AbstractContextManager[None]:
        return _Syntactic(self, node, ends=(start_node, end_node))

    def note(self, node: cst.CSTNode, *, start: tuple[int, int], ends: Ends) -> None:
        """Record the syntactic range of `node`, from `start` to here unless other nodes tell its ends."""
        start_node, end_node = ends
        if start_node is not None:
            start = self.spans[id(start_node)][:2]
        end = (self._row, self._column) if end_node is None else self.spans[id(end_node)][2:]
        self.spans[id(node)] = (*start, *end)

    def here(self) -> tuple[int, int]:
        """The place reached."""
        return self._row, self._column


Ends: TypeAlias = tuple[cst.CSTNode | None, cst.CSTNode | None]


class _Syntactic:
    """Around the part of a node that is neither white space nor parentheses."""

    __slots__ = ("_ends", "_node", "_recorder", "_start")

    def __init__(self, recorder: _Recorder, node: cst.CSTNode, *, ends: Ends) -> None:
        self._recorder = recorder
        self._node = node
        self._ends = ends
        self._start = recorder.here()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._recorder.note(self._node, start=self._start, ends=self._ends)

"""One file as the author of a fix sees it: its text and tree, what is around a node, and edits that lose nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import libcst as cst

from autograd_lint.events import Event, Site
from autograd_lint.finding import Applicability, Edit, Fix, Position, Range
from autograd_lint.fixing.edits import are_apart
from autograd_lint.layout import Comment, read_layout, split_lines
from autograd_lint.source import SourceFile
from autograd_lint.static.syntax.positions import Positions
from autograd_lint.static.syntax.tables import UNKNOWN_NAME

Scope = cst.FunctionDef | cst.ClassDef | cst.Lambda | cst.Module
N = TypeVar("N", bound=cst.CSTNode)

_SCOPES: Final = (cst.FunctionDef, cst.ClassDef, cst.Lambda)
_COMPREHENSIONS: Final = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)


class Code:
    """The text, the tree and the places of one file, and what was reported at each place of it."""

    def __init__(
        self,
        source: SourceFile,
        positions: Positions,
        reported: Mapping[tuple[str, object], Sequence[Event]],
    ) -> None:
        self.source = source
        self.tree = positions.tree
        self._positions = positions
        self._reported = reported

    # ------------------------------------------------------------------ nodes

    def events_at(self, site: Site) -> Sequence[Event]:
        """Every event that was reported at a place, on whatever path."""
        return self._reported.get(site.key, ())

    def reported(self, kind: type[Event]) -> Iterator[Site]:
        """The places of all events of a kind that were reported in this file."""
        for events in self._reported.values():
            yield from (event.site for event in events[:1] if isinstance(event, kind))

    def find(self, site: Site | None, kind: type[N]) -> N | None:
        """The node of a place in this file, if it is of this kind."""
        if site is None or site.filename != self.source.path or not isinstance(site.token, kind):
            return None
        return site.token

    def node(self, site: Site | None) -> cst.CSTNode | None:
        """The node of a place in this file, whatever it is."""
        return self.find(site, cst.CSTNode)  # type: ignore[type-abstract]  # nothing is made of the type

    def expression(self, site: Site | None) -> cst.BaseExpression | None:
        """The expression of a place in this file."""
        return self.find(site, cst.BaseExpression)  # type: ignore[type-abstract]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around `node`."""
        return self._positions.parent_of(node)

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around `node`, from the innermost one."""
        current = self.parent(node)
        while current is not None:
            yield current
            current = self.parent(current)

    def nearest(self, node: cst.CSTNode, kind: type[N]) -> N | None:
        """The innermost node of a kind around `node`, or itself."""
        return next((found for found in (node, *self.around(node)) if isinstance(found, kind)), None)

    def scope(self, node: cst.CSTNode) -> Scope:
        """The function, class or module whose names are read and bound at `node`."""
        return next((found for found in self.around(node) if isinstance(found, _SCOPES)), self.tree)

    def in_comprehension(self, node: cst.CSTNode) -> bool:
        """Whether `node` stands in a comprehension or a lambda, which have names of their own."""
        for found in self.around(node):
            if isinstance(found, cst.BaseStatement):
                return False
            if isinstance(found, (*_COMPREHENSIONS, cst.Lambda)):
                return True
        return False

    def line(self, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
        """The row of statements around `node` when it holds just one statement, else None."""
        found = self.nearest(node, cst.SimpleStatementLine)
        return found if found is not None and len(found.body) == 1 else None

    def statement(self, node: cst.CSTNode) -> cst.SimpleStatementLine | cst.BaseCompoundStatement | None:
        """The statement around `node` that stands in a block of its own indentation."""
        for found in (node, *self.around(node)):
            if isinstance(found, cst.BaseCompoundStatement):
                return found
            if isinstance(found, cst.SimpleStatementLine):
                return found if len(found.body) == 1 else None
            if isinstance(found, cst.SimpleStatementSuite):
                return None
        return None

    # ------------------------------------------------------------------- text

    def place(self, node: cst.CSTNode) -> Range:
        """Where `node` stands, the parentheses around it included."""
        return self._positions.range_with_parentheses(node)

    def text(self, node: cst.CSTNode) -> str:
        """The text of `node` as it is written, its parentheses included."""
        return self.source.text_of(self.place(node))

    def indent(self, row: int) -> str:
        """The white space that begins a row, from its last form feed on, which is what indents it."""
        line = split_lines(self.source.text)[row - 1]
        return line[: len(line) - len(line.lstrip())].rpartition("\f")[2]

    # ------------------------------------------------------------------ edits

    def replace(self, node: cst.CSTNode, content: str) -> Edit:
        """Replace `node`, with its parentheses."""
        return Edit(content, self.place(node))

    def replace_from(self, first: Position, last: Position, content: str) -> Edit:
        """Replace what stands between two places."""
        return Edit(content, Range(first, last))

    def insert(self, at: Position, content: str) -> Edit:
        """Insert text at a place."""
        return Edit(content, Range(at, at))

    def wrap(self, node: cst.CSTNode, before: str, after: str) -> tuple[Edit, Edit]:
        """Put text before and after `node`."""
        place = self.place(node)
        return self.insert(place.start, before), self.insert(place.end, after)

    def line_before(self, statement: cst.CSTNode, content: str) -> Edit:
        """A line of its own before a statement, below the comments above it."""
        row = self.place(statement).start.row
        return self.insert(Position(row, 1), f"{self.indent(row)}{content}\n")

    def line_after(self, statement: cst.CSTNode, content: str) -> Edit:
        """A line of its own after a statement, below the comment at its end."""
        place = self.place(statement)
        line = f"{self.indent(place.start.row)}{content}"
        end = place.end.row
        rows = split_lines(self.source.text)
        if end == len(rows):
            return self.insert(Position(end, len(rows[-1]) + 1), f"\n{line}")
        return self.insert(Position(end + 1, 1), f"{line}\n")

    def without_line(self, statement: cst.CSTNode) -> Edit:
        """Delete the rows of a statement."""
        place = self.place(statement)
        return Edit("", Range(Position(place.start.row, 1), Position(place.end.row + 1, 1)))

    def without_statement(self, statement: cst.CSTNode) -> Edit:
        """Delete the rows of a statement; the comment at its end stays, in a row of its own."""
        place = self.place(statement)
        behind = (
            c.column for c in self.source.layout.comments if c.row == place.end.row and c.column > place.end.column
        )
        column = next(behind, None)
        return (
            self.without_line(statement)
            if column is None
            else Edit("", Range(place.start, Position(place.end.row, column)))
        )

    def fix(self, applicability: Applicability, message: str, *edits: Edit | None) -> Fix | None:
        """A fix of these edits; None when one is missing, when two touch, or when a comment would be lost.

        Line ends are written as `\\n` and become the file's.
        """
        listed = tuple(edit for edit in edits if edit is not None)
        if not listed or len(listed) < len(edits) or not are_apart(listed):
            return None
        if any(UNKNOWN_NAME in edit.content for edit in listed) or self._lose_comment(listed):
            return None
        return Fix(applicability, message, tuple(self._with_line_ends(edit) for edit in sorted(listed, key=_start)))

    def safe(self, message: str, *edits: Edit | None) -> Fix | None:
        """A fix that keeps all values and gradients."""
        return self.fix(Applicability.SAFE, message, *edits)

    def unsafe(self, message: str, *edits: Edit | None) -> Fix | None:
        """A fix that changes what the program computes, or may."""
        return self.fix(Applicability.UNSAFE, message, *edits)

    def _with_line_ends(self, edit: Edit) -> Edit:
        content = edit.content.replace("\r\n", "\n").replace("\n", self.source.newline)
        return Edit(content, edit.range)

    def _lose_comment(self, edits: Sequence[Edit]) -> bool:
        """Whether a comment in what is replaced is not in what comes; an edit of a comment itself is meant."""
        lost: Counter[str] = Counter()
        for comment in self.source.layout.comments:
            for edit in edits:
                if _touches(edit.range, comment) and not _is_within(edit.range, comment):
                    lost[comment.text] += 1
        kept = Counter(comment.text for edit in edits for comment in read_layout(edit.content + "\n").comments)
        return not lost <= kept


def _start(edit: Edit) -> Position:
    return edit.range.start


def _touches(place: Range, comment: Comment) -> bool:
    start = Position(comment.row, comment.column)
    return place.start < _end(comment) and start < place.end


def _is_within(place: Range, comment: Comment) -> bool:
    return Position(comment.row, comment.column) <= place.start and place.end <= _end(comment)


def _end(comment: Comment) -> Position:
    return Position(comment.row, comment.column + len(comment.text))

"""Edits of whole statements: put under a `with`, moved to another place, put before or after another one."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from autograd_lint.finding import Edit, Position, Range
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import descendants
from autograd_lint.layout import split_lines


def under(code: Code, node: cst.CSTNode, header: str, *, until: cst.CSTNode | None = None) -> Edit | None:
    """Put the statement around `node`, and those to the one around `until`, under `header` (`with …:`): a new one, or
    one that ends right above."""
    statement, last = code.statement(node), code.statement(until or node)
    if statement is None or last is None or has_rows_of_text(code, statement) or has_rows_of_text(code, last):
        return None
    place = code.place(statement)
    whole = Range(Position(place.start.row, 1), code.place(last).end)
    text = code.source.text_of(whole)
    step = code.tree.default_indent
    rows = split_lines(text)
    feed = _form_feed(rows[0])
    rows[0] = rows[0].removeprefix(feed)
    rows = [_deeper(row, step) if row.strip() else row for row in rows]
    if not _ends_above(code, statement, header):
        rows.insert(0, feed + code.indent(place.start.row) + header)
    return Edit("\n".join(rows), whole)


def _ends_above(code: Code, statement: cst.CSTNode, header: str) -> bool:
    """Whether the row above is the last one of a block under `header`, indented as it is done here."""
    block = list(getattr(code.parent(statement), "body", ()))
    index = next((i for i, other in enumerate(block) if other is statement), 0)
    above = block[index - 1] if index else None
    if not isinstance(above, cst.With) or not isinstance(above.body, cst.IndentedBlock):
        return False
    row = code.place(above).start.row
    inner = code.indent(code.place(above.body.body[0]).start.row)
    text = split_lines(code.source.text)[row - 1].strip()
    near = code.place(above).end.row == code.place(statement).start.row - 1
    return near and text == header and inner == code.indent(row) + code.tree.default_indent


def in_a_row(code: Code, node: cst.CSTNode, others: Iterable[cst.CSTNode]) -> tuple[cst.CSTNode, cst.CSTNode]:
    """The first and the last statement of the row of statements around `node` that are all around one of `others`."""
    statements = {id(statement) for other in others if (statement := code.statement(other)) is not None}
    ours = code.statement(node)
    block = list(getattr(code.parent(ours), "body", ())) if ours is not None else []
    index = next((i for i, statement in enumerate(block) if statement is ours), None)
    if index is None or any(has_rows_of_text(code, statement) for statement in block if id(statement) in statements):
        return node, node
    first = last = index
    while first > 0 and id(block[first - 1]) in statements:
        first -= 1
    while last + 1 < len(block) and id(block[last + 1]) in statements:
        last += 1
    return block[first], block[last]


def _deeper(row: str, step: str) -> str:
    feed = _form_feed(row)
    return feed + step + row.removeprefix(feed)


def _form_feed(row: str) -> str:
    """What does not indent a row: all up to its last form feed."""
    margin = row[: len(row) - len(row.lstrip())]
    return margin[: margin.rfind("\f") + 1]


def without_header(code: Code, header: cst.With) -> Edit | None:
    """Put the block under a `with` in its place, one step further out."""
    if not isinstance(header.body, cst.IndentedBlock) or len(header.items) != 1 or has_rows_of_text(code, header):
        return None
    place, first = code.place(header), code.place(header.body.body[0]).start
    rows = split_lines(code.source.text)[place.start.row : place.end.row]
    inner, outer = code.indent(first.row), code.indent(place.start.row)
    kept = [outer + row.removeprefix(inner) if row.strip() else row for row in rows]
    kept[:0] = [outer + comment.text for comment in code.source.layout.comments if comment.row == place.start.row]
    whole = Range(Position(place.start.row, 1), Position(place.end.row, len(rows[-1]) + 1))
    return Edit("\n".join(kept), whole) if first.row > place.start.row else None


def before(code: Code, node: cst.CSTNode, rows: list[str]) -> Edit | None:
    """Put statements before the one around `node`: in rows of their own, or in its row behind a `for … :`."""
    line = code.line(node)
    if line is not None:
        return code.line_before(line, f"\n{code.indent(code.place(line).start.row)}".join(rows))
    small = next((it for it in (node, *code.around(node)) if _is_in_one_row(code, it)), None)
    if small is None or any(row.endswith(":") for row in rows):
        return None
    return code.insert(code.place(small).start, "".join(f"{row}; " for row in rows))


def _is_in_one_row(code: Code, node: cst.CSTNode) -> bool:
    return isinstance(node, cst.BaseSmallStatement) and isinstance(code.parent(node), cst.SimpleStatementSuite)


def moved_before(code: Code, node: cst.CSTNode, target: cst.CSTNode) -> tuple[Edit | None, ...]:
    """Move the statement around `node` before the one around `target`."""
    return _moved(code, node, target, after=False)


def moved_after(code: Code, node: cst.CSTNode, target: cst.CSTNode) -> tuple[Edit | None, ...]:
    """Move the statement around `node` after the one around `target`."""
    return _moved(code, node, target, after=True)


def are_neighbours(code: Code, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether the statements around two nodes stand in one block."""
    first, second = code.statement(one), code.statement(other)
    return first is not None and second is not None and code.parent(first) is code.parent(second)


def _moved(code: Code, node: cst.CSTNode, target: cst.CSTNode, *, after: bool) -> tuple[Edit | None, ...]:
    line, other = code.line(node), code.statement(target)
    if line is None or other is None:
        return (None,)
    block = code.parent(line)
    if isinstance(block, cst.IndentedBlock) and len(block.body) == 1:
        return (None,)  # nothing would be left of the block
    first, last = code.place(line).start.row, code.place(line).end.row
    rows = split_lines(code.source.text)[first - 1 : last]
    if has_rows_of_text(code, line):
        return (None,)
    indent = code.indent(first)
    there = code.indent(code.place(other).start.row)
    content = "\n".join(there + row.removeprefix(indent) for row in rows).removeprefix(there)
    return code.without_line(line), code.line_after(other, content) if after else code.line_before(other, content)


def has_rows_of_text(code: Code, statement: cst.CSTNode) -> bool:
    """Whether a string in it goes over several rows, which must not move."""
    strings = (found for found in descendants(statement) if isinstance(found, cst.SimpleString | cst.FormattedString))
    return any(code.place(found).start.row != code.place(found).end.row for found in strings)

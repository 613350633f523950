"""Makes a program smaller while what is interesting about it persists: delta debugging on its statements and expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Test = Callable[[str], bool]
_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text from `start` to `end`, offsets in the program."""

    start: int
    end: int
    text: str


def shrink(text: str, is_interesting: Test) -> str:
    """The smallest program found for which `is_interesting` still holds; `text` itself if it does not hold at all."""
    if not is_interesting(text):
        return text
    for _ in range(_ROUNDS):
        before = text
        text = _without_statements(text, is_interesting)
        text = _simplified(text, is_interesting)
        if text == before:
            break
    return text


# ------------------------------------------------------------------- statements


def _without_statements(text: str, is_interesting: Test) -> str:
    """Take out as many statements as can go: large groups first, last ones first."""
    size = max(1, len(_statements(text)) // 2)
    while True:
        text, changed = _without_groups(text, size, is_interesting)
        if size == 1 and not changed:
            return text
        if not changed or size > 1:
            size = max(1, size // 2)


def _without_groups(text: str, size: int, is_interesting: Test) -> tuple[str, bool]:
    changed, start = False, len(_statements(text)) - size
    while start > -size:
        statements = _statements(text)
        smaller = apply(text, _removals(text, statements[max(start, 0) : start + size]))
        if _is_smaller(smaller, text) and is_interesting(smaller):
            text, changed = smaller, True
        start -= size
    return text, changed


def _statements(text: str) -> list[tuple[ast.stmt, bool]]:
    """All statements in the order of the text; whether each is the only one of its block."""
    found: list[tuple[ast.stmt, bool]] = []
    for node in ast.walk(ast.parse(text)):
        for block in _blocks(node):
            found += [(statement, len(block) == 1 and not isinstance(node, ast.Module)) for statement in block]
    return sorted(found, key=lambda pair: (pair[0].lineno, -(pair[0].end_lineno or 0)))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block


def _removals(text: str, group: Sequence[tuple[ast.stmt, bool]]) -> list[Edit]:
    """Edits that take out the statements of `group`; those inside another of the group go with it."""
    edits: list[Edit] = []
    lines = _Lines(text)
    for statement, alone in group:
        start, end = lines.whole(statement)
        if edits and start < edits[-1].end:
            continue
        filler = " " * statement.col_offset + "pass\n" if alone and not isinstance(statement, ast.Pass) else ""
        edits.append(Edit(start, end, filler))
    return edits


# ------------------------------------------------------------------- blocks and expressions


def _simplified(text: str, is_interesting: Test) -> str:
    """Make one simplification after the other, as long as one is found."""
    position = 0
    while True:
        edits = list(_simplifications(text))
        for number, edit in enumerate(edits[position:], position):
            smaller = apply(text, [edit])
            if _is_smaller(smaller, text) and is_interesting(smaller):
                text, position = smaller, number
                break
        else:
            if position == 0:
                return text
            position = 0


def _simplifications(text: str) -> Iterator[Edit]:
    lines = _Lines(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            yield from _hoisted(node, lines)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from (Edit(*lines.whole_line(decorator), "") for decorator in node.decorator_list)
        elif isinstance(node, ast.expr):
            yield from _smaller_expressions(node, lines)
            yield from _bared(node, lines)


def _hoisted(node: ast.If | ast.For | ast.While | ast.With | ast.Try, lines: _Lines) -> Iterator[Edit]:
    """The bodies in place of the compound statement."""
    start, end = lines.whole(node)
    for block in _blocks(node):
        inner = lines.text[lines.whole(block[0])[0] : lines.whole(block[-1])[1]]
        shift = block[0].col_offset - node.col_offset
        if shift > 0:
            moved = "".join(line[min(shift, _indent(line)) :] for line in inner.splitlines(keepends=True))
            yield Edit(start, end, moved)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _smaller_expressions(node: ast.expr, lines: _Lines) -> Iterator[Edit]:
    """One of its parts in place of the expression; one element, keyword or argument less."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp):
        parts = [node.operand]
    elif isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        parts = [node.value] if isinstance(node.ctx, ast.Load) else []
    elif isinstance(node, ast.Call):
        parts = [*([node.func.value] if isinstance(node.func, ast.Attribute) else []), *node.args]
        yield from _fewer_arguments(node, lines)
    elif isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load):
        parts = list(node.elts)
    for part in parts:
        source = lines.source(part)
        if not isinstance(part, ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.Constant | ast.List):
            source = f"({source})"
        yield Edit(*lines.span(node), source)


def _bared(node: ast.expr, lines: _Lines) -> Iterator[Edit]:
    """The expression without the parentheses around it, where they are not a call's."""
    start, end = lines.span(node)
    around = lines.text[start - 1 : start] + lines.text[end : end + 1]
    bare = lines.text[: start - 1] + lines.source(node) + lines.text[end + 1 :]
    if around == "()" and _same_meaning(bare, lines.text):
        yield Edit(start - 1, end + 1, lines.source(node))


def _same_meaning(one: str, other: str) -> bool:
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except SyntaxError:
        return False


def _fewer_arguments(node: ast.Call, lines: _Lines) -> Iterator[Edit]:
    arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
    pieces = [lines.source(argument) for argument in arguments]
    head = lines.source(node.func)
    for left_out in range(len(pieces)):
        rest = ", ".join(piece for number, piece in enumerate(pieces) if number != left_out)
        yield Edit(*lines.span(node), f"{head}({rest})")


# ------------------------------------------------------------------- text


class _Lines:
    """Offsets of the nodes of a text. `ast` counts columns in bytes; the programs are ASCII."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.expr | ast.keyword | ast.stmt) -> tuple[int, int]:
        """Where the node starts and ends."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[end_line - 1] + end_column

    def source(self, node: ast.expr | ast.keyword) -> str:
        """The text of the node."""
        start, end = self.span(node)
        return self.text[start:end]

    def whole(self, statement: ast.stmt) -> tuple[int, int]:
        """The lines of a statement, with its decorators."""
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
        return self.starts[first - 1], self.starts[statement.end_lineno or statement.lineno]

    def whole_line(self, node: ast.expr) -> tuple[int, int]:
        """The lines of an expression."""
        return self.starts[node.lineno - 1], self.starts[node.end_lineno or node.lineno]


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with non-overlapping edits made."""
    for edit in sorted(edits, key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _is_smaller(text: str, than: str) -> bool:
    """A program still, one that ends, and simpler: fewer statements that do anything, or fewer characters that count."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    if _size(text, tree) >= _size(than, ast.parse(than)):
        return False
    return not any(_is_endless(node) for node in ast.walk(tree))


def _size(text: str, tree: ast.Module) -> tuple[int, int]:
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass)]
    return len(statements), len("".join(text.split()))


def _is_endless(node: ast.AST) -> bool:
    """A `while` that nothing in its body can end."""
    if not isinstance(node, ast.While):
        return False
    asked = {each.id for each in ast.walk(node.test) if isinstance(each, ast.Name)}
    inside = [each for statement in node.body for each in ast.walk(statement)]
    stored = {each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return not asked & stored and not any(isinstance(each, ast.Break | ast.Return) for each in inside)

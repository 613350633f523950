"""What the user's source says at a place: the expression there, its names, its statement; by Python's own `ast`."""

from __future__ import annotations

import ast
import linecache
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, TypeAlias

from autograd_lint.dynamic.records import Place
from autograd_lint.finding import Position, Range

Located: TypeAlias = ast.expr | ast.stmt | ast.keyword

_OPERATORS: Final = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.USub: "-",
    ast.UAdd: "+",
    ast.Invert: "~",
    ast.Not: "not",
}
_NODE_WORDS: Final = {
    "mul": "*",
    "add": "+",
    "sub": "-",
    "rsub": "-",
    "div": "/",
    "pow": "**",
    "mm": "@",
    "mv": "@",
    "bmm": "@",
    "dot": "@",
    "neg": "-",
    "remainder": "%",
    "select": "[]",
    "slice": "[]",
    "index": "[]",
    "copy_slices": "[]=",
    "index_put": "[]=",
}
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def add_text(name: str, text: str) -> None:
    """Make the text of code that was compiled under `name` known, where there is no such file."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)


def word_of_node(name: str) -> str:
    """The operation that makes nodes of this name in torch, as a reader writes it: `MulBackward0` is `*`."""
    short = re.sub(r"Backward\d*(?:_\w+)?$", "", name.rpartition("::")[2])
    word = _CAMEL.sub("_", short).lower()
    return _NODE_WORDS.get(word, word)


def word_of_operator(operator: ast.operator | ast.unaryop) -> str:
    """An operator as it is written."""
    return _OPERATORS[type(operator)]


class Syntax:
    """The tree of one file, with ways up and the nodes by where they end."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._ascii = all(line.isascii() for line in lines)
        self.parents: dict[ast.AST, ast.AST] = {}
        self._by_end: dict[Position, list[Located]] = defaultdict(list)
        self._by_row: dict[int, list[ast.stmt]] = defaultdict(list)
        try:
            tree = ast.parse("".join(lines))
        except (SyntaxError, ValueError):
            return  # generated, or changed since it was compiled: places keep the ranges they have
        for node in ast.walk(tree):
            self._add(node)

    def _add(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
        if isinstance(node, ast.expr | ast.stmt | ast.keyword):
            self._by_end[self.range_of(node).end].append(node)
        if isinstance(node, ast.stmt):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                self._by_row[row].append(node)

    def range_of(self, node: Located) -> Range:
        """Where a node stands, in characters."""
        row, end_row = node.lineno, node.end_lineno or node.lineno
        return Range(
            Position(row, self._character(row, node.col_offset)),
            Position(end_row, self._character(end_row, node.end_col_offset or node.col_offset)),
        )

    def _character(self, row: int, column: int) -> int:
        if self._ascii or row > len(self._lines):
            return column + 1
        return len(self._lines[row - 1].encode("utf-8")[:column].decode("utf-8", errors="replace")) + 1

    def at(self, place: Place) -> Located | None:
        """The node at an exact place. Instructions of a method call begin at the method's name, so ends decide."""
        if not place.exact:
            return None
        ending = [n for n in self._by_end.get(place.range.end, ()) if self.range_of(n).start <= place.range.start]
        return max(ending, key=lambda node: (self.range_of(node).start, not isinstance(node, ast.stmt)), default=None)

    def statement_at_row(self, row: int) -> ast.stmt | None:
        """The innermost statement that has this row."""
        return max(self._by_row.get(row, ()), key=lambda node: (node.lineno, node.col_offset), default=None)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """The statement a node is part of."""
        while not isinstance(node, ast.stmt):
            if node not in self.parents:
                return None
            node = self.parents[node]
        return node

    def reads_of(self, name: str) -> list[ast.expr]:
        """The expressions that read a variable or an attribute, given by its path, in the order of their rows."""
        found = [
            node
            for node in self.parents
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and name_of(node) == name
        ]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))

    def candidates(self, row: int, node_name: str) -> list[Located]:
        """The expressions on a row that may have made a node of this name."""
        statement = self.statement_at_row(row)
        word = word_of_node(node_name)
        found: list[Located] = []
        for node in _own_nodes(statement) if statement is not None else ():
            if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Subscript | ast.Call | ast.AugAssign):
                if word_of(node).removesuffix("=") == word or word_of(node).removesuffix("_") == word:
                    found.append(node)
        return found


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement without those of the statements inside it."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def word_of(node: ast.AST | None) -> str:
    """What an expression does, in a word: `*`, `exp`, `[]`."""
    match node:
        case ast.BinOp(op=op):
            return word_of_operator(op)
        case ast.UnaryOp(op=op):
            return word_of_operator(op)
        case ast.AugAssign(op=op):
            return f"{word_of_operator(op)}="
        case ast.Subscript():
            return "[]"
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
    return ""


def name_of(node: ast.AST | None) -> str:
    """A variable's name, an attribute's path, an element with a constant index; empty for anything longer."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            base = name_of(value)
            return f"{base}.{attr}" if base else ""
        case ast.Subscript(value=value, slice=ast.Constant() | ast.Name()):
            base = name_of(value)
            return ast.unparse(node) if base else ""
    return ""


def base_name(node: ast.AST) -> str:
    """The name of what is indexed, however often."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return name_of(node)


class Sources:
    """The syntax of every file that is asked about."""

    def __init__(self) -> None:
        self._files: dict[str, Syntax] = {}

    def of(self, filename: str) -> Syntax:
        """The syntax of a file; an empty one where there is no text."""
        if filename not in self._files:
            self._files[filename] = Syntax(linecache.getlines(filename))
        return self._files[filename]

    def node_at(self, place: Place) -> Located | None:
        """The node at a place."""
        return self.of(place.filename).at(place)

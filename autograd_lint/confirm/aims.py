"""What a run is to look at for a finding: the statement, and the expressions in it that may be tensors."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from autograd_lint.evidence import CODE
from autograd_lint.finding import Finding
from autograd_lint.selectors import rules_by_code

_MOST: Final = 12
_COMPOUND: Final = (
    *(ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)


@dataclass(frozen=True)
class Tree:
    """The syntax of one file. Not slotted, for its lazy property."""

    text: str

    @cached_property
    def module(self) -> ast.Module | None:
        """The tree; None where this Python cannot read the file."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return None

    def statement_at(self, row: int) -> ast.stmt | None:
        """The innermost statement that has `row`."""
        found = None
        for node in ast.walk(self.module) if self.module is not None else ():
            if isinstance(node, ast.stmt) and node.lineno <= row <= (node.end_lineno or node.lineno):
                if found is None or node.lineno >= found.lineno:
                    found = node
        return found


@lru_cache(maxsize=8)
def tree_of(text: str) -> Tree:
    """The syntax of a file with this text, parsed once for the findings and runs of a file."""
    return Tree(text)


class Aims:
    """The statements that a run is to look at, each once; `aims` is what the run is given.

    `tree` gives the syntax of a file, `name` what the file is called where it runs.
    """

    def __init__(self, tree: Callable[[str], Tree], name: Callable[[str], str]) -> None:
        self.aims: list[dict[str, Any]] = []
        self._tree = tree
        self._name = name
        self._numbers: dict[tuple[str, int], int] = {}

    def add(self, finding: Finding) -> tuple[int, ...]:
        """The numbers of the statements of `finding`: its own, then those of its related places."""
        places = [(finding.filename, finding.range), *((each.filename, each.range) for each in finding.related)]
        own = self._tree(finding.filename).statement_at(finding.range.start.row)
        names = list(dict.fromkeys((*_quoted(finding), *_assigned(own))))
        wants = {"graphs": finding.code.startswith(_ABOUT_GRAPHS), "probes": rules_by_code()[finding.code].probes}
        return tuple(self._aim(filename, place.start.row, names, wants) for filename, place in places)

    def _aim(self, filename: str, row: int, names: list[str], wants: Mapping[str, bool]) -> int:
        statement = self._tree(filename).statement_at(row)
        first = statement.lineno if statement is not None else row
        number = self._numbers.setdefault((filename, first), len(self.aims))
        if number == len(self.aims):
            last = last_row(statement) if statement is not None else row
            found = [] if statement is None else list(dict.fromkeys(_names(statement)))[:_MOST]
            self.aims.append({"filename": self._name(filename), "first": first, "last": last, "expressions": found})
        aim = self.aims[number]
        aim["expressions"] = list(dict.fromkeys((*aim["expressions"], *names)))
        aim.update({what: aim.get(what, False) or wanted for what, wanted in wants.items()})
        return number


_ABOUT_GRAPHS: Final = ("AGL2", "AGL3", "AGL5")


def last_row(statement: ast.stmt) -> int:
    """The last row of a simple statement, or of a compound one's header."""
    if isinstance(statement, _COMPOUND):
        body = getattr(statement, "body", None) or getattr(statement, "cases", [])
        inner = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
        return max(statement.lineno, inner - 1)
    return statement.end_lineno or statement.lineno


def _quoted(finding: Finding) -> Iterator[str]:
    """The expressions that the finding itself talks of."""
    for text in (finding.message, *(related.message for related in finding.related)):
        for found in CODE.findall(text):
            yield found.removesuffix(".grad")


def _assigned(statement: ast.stmt | None) -> Iterator[str]:
    """What a statement assigns to."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return (text for target in targets if (text := _path(target)))


def _names(statement: ast.stmt) -> Iterator[str]:
    for node in _own(statement):
        if isinstance(node, ast.Attribute | ast.Name | ast.Subscript):
            text = _path(node)
            if text:
                yield text


def _path(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            base = _path(inner)
            return f"{base}.{name}" if base else ""
        case ast.Subscript(value=inner, slice=ast.Constant(value=int() | str() as key)):
            base = _path(inner)
            return f"{base}[{key!r}]" if base else ""
    return ""


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a statement, without the statements inside it; of a function, nothing."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))

"""Pieces of a script that may move elsewhere: what they read of it, and what they bind."""

from __future__ import annotations

import ast
import builtins
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.agreement.generate.training.script import Script

_FORBIDDEN: Final = (ast.Break, ast.Continue, ast.Return, ast.Yield, ast.FunctionDef, ast.ClassDef, ast.Delete, ast.Import, ast.ImportFrom, ast.Global, ast.NamedExpr, ast.Starred)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Statements that may move: their text, the script's names they read, and those they bind."""

    text: str
    read: tuple[str, ...]
    bound: tuple[str, ...]

    @property
    def is_expression(self) -> bool:
        """One statement `name = expression`, or an expression alone."""
        return self.expression != ""

    @property
    def expression(self) -> str:
        """What is computed, if it is one expression."""
        body = ast.parse(self.text).body
        if len(body) != 1:
            return ""
        if isinstance(body[0], ast.Expr):
            return ast.unparse(body[0].value)
        if isinstance(body[0], ast.Assign) and len(body[0].targets) == 1 and isinstance(body[0].targets[0], ast.Name):
            return ast.unparse(body[0].value)
        return ""

    def call(self, function: str, given: Sequence[str] | None = None) -> str:
        """The statement that calls what it was moved into."""
        arguments = ", ".join(self.read if given is None else given)
        target = f"{', '.join(self.bound)} = " if self.bound else ""
        return f"{target}{function}({arguments})"

    def body(self, text: str | None = None) -> str:
        """The body of a function that does it."""
        returned = f"\nreturn {', '.join(self.bound)}" if self.bound else ""
        return textwrap.indent((self.text if text is None else text) + returned, "    ")


def piece_of(script: Script, text: str) -> Piece | None:
    """The piece that these statements of the body are; None if they cannot move."""
    tree = ast.parse(text)
    if any(isinstance(node, _FORBIDDEN) for node in ast.walk(tree)):
        return None
    taken = _top_names(script)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    inner = {
        node.id
        for each in ast.walk(tree)
        if isinstance(each, ast.comprehension)
        for node in ast.walk(each.target)
        if isinstance(node, ast.Name)
    }
    inner |= {argument.arg for each in ast.walk(tree) if isinstance(each, ast.Lambda) for argument in each.args.args}
    bound = [node.id for node in names if isinstance(node.ctx, ast.Store) and node.id not in inner]
    updated = [
        each.target.id
        for each in ast.walk(tree)
        if isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name)
    ]
    outside = "\n".join([*script.setup, script.header.rstrip(":") + ": pass" if script.header else "", *script.body])
    known = {
        node.id
        for node in ast.walk(ast.parse(outside))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    read = [
        node.id for node in names if isinstance(node.ctx, ast.Load) and node.id in known and node.id not in inner
    ] + updated
    read = [
        name for name in dict.fromkeys(read) if name not in taken and (name not in bound or _is_read_first(tree, name))
    ]
    return Piece(text, tuple(read), tuple(dict.fromkeys(bound)))


def _is_read_first(tree: ast.Module, name: str) -> bool:
    """Whether the statements use the value that the name had before them."""
    for statement in tree.body:
        uses = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id == name]
        if any(isinstance(node.ctx, ast.Load) for node in uses) or (uses and not isinstance(statement, ast.Assign)):
            return True
        if uses:
            return False
    return False


def _top_names(script: Script) -> set[str]:
    """Names that are the same everywhere: builtins, modules, definitions."""
    names = {"torch", "F", "nn", "optim", "copy", "np"} | set(dir(builtins))
    for line in script.imports:
        names |= {
            alias.asname or alias.name
            for node in ast.parse(line).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
    for text in script.definitions:
        names |= {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names

"""Dotted names in one file: what its imports call them, and the import that is added where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from autograd_lint.finding import Edit, Position
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import assigned_names, bound_names, dotted_name


@dataclass(frozen=True, slots=True)
class Named:
    """How to write a dotted name in this file, and the import it needs, if it is not there yet."""

    text: str
    imports: tuple[Edit, ...] = ()


def name_for(code: Code, dotted: str, at: cst.CSTNode) -> Named | None:
    """How to write `dotted` (`torch.nn.Parameter`) at a node; None where its names are taken by something else."""
    parts = dotted.split(".")
    imported = list(_imports_before(code, at))
    for known in range(len(parts), 0, -1):
        for local, meaning in imported:
            if meaning == ".".join(parts[:known]) and not _is_shadowed(code, local, at):
                return Named(".".join([local, *parts[known:]]))
    if parts[0] in assigned_names(code.tree):
        return None
    return Named(dotted, (code.insert(_import_place(code), f"import {parts[0]}\n"),))


def meaning_of(code: Code, node: cst.CSTNode) -> str:
    """The dotted name that a chain of attributes stands for by the file's imports: `torch.nn.ReLU` of `nn.ReLU`."""
    first, dot, rest = dotted_name(node).partition(".")
    meaning = dict(_imports_before(code, node)).get(first, "")
    return f"{meaning}{dot}{rest}" if meaning and not _is_shadowed(code, first, node) else ""


def _imports_before(code: Code, at: cst.CSTNode) -> Iterator[tuple[str, str]]:
    """Local and full names of the imports of the module, in its `try` blocks too, that stand before a node."""
    place = code.place(at).start
    for statement in _top_level(code):
        if code.place(statement).start > place:
            return
        for small in statement.body:
            yield from _imported(small)


def _top_level(code: Code) -> Iterator[cst.SimpleStatementLine]:
    for statement in code.tree.body:
        tried = statement.body.body if isinstance(statement, cst.Try) else (statement,)
        for inner in tried:
            if isinstance(inner, cst.SimpleStatementLine):
                yield inner


def _imported(node: cst.BaseSmallStatement) -> Iterator[tuple[str, str]]:
    if isinstance(node, cst.Import):
        for alias in node.names:
            name = dotted_name(alias.name)
            local = _local(alias)
            yield (local, name) if local else (name.partition(".")[0], name.partition(".")[0])
    elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        for alias in node.names if not isinstance(node.names, cst.ImportStar) else ():
            name = dotted_name(alias.name)
            yield _local(alias) or name, f"{dotted_name(node.module)}.{name}"


def _local(alias: cst.ImportAlias) -> str:
    return alias.asname.name.value if alias.asname is not None and isinstance(alias.asname.name, cst.Name) else ""


def _is_shadowed(code: Code, name: str, at: cst.CSTNode) -> bool:
    """Whether a scope around a node binds the imported name anew."""
    scope = code.scope(at)
    while not isinstance(scope, cst.Module):
        if name in bound_names(scope):
            return True
        scope = code.scope(scope)
    return name in assigned_names(scope)


def _import_place(code: Code) -> Position:
    """Before the first import that is no `from __future__`; without one, after the docstring and those."""
    last = None
    for statement in code.tree.body:
        first = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and statement.body else None
        if isinstance(first, cst.Import) or (isinstance(first, cst.ImportFrom) and not _is_future(first)):
            return Position(code.place(statement).start.row, 1)
        if not (isinstance(first, cst.ImportFrom) or _is_text(first)):
            break
        last = statement
    row = code.place(last).end.row + 1 if last is not None else _first_row(code)
    return Position(row, 1)


def _first_row(code: Code) -> int:
    """The row of the first statement: below the comments that begin the file."""
    return code.place(code.tree.body[0]).start.row


def _is_future(node: cst.ImportFrom) -> bool:
    return node.module is not None and dotted_name(node.module) == "__future__"


def _is_text(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)

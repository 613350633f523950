"""Which names something in a LibCST tree reads and binds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from autograd_lint.static.syntax.walk import descendants as descendants  # rules ask here for all of it
from autograd_lint.static.syntax.walk import fields_of


def names_read(node: cst.CSTNode) -> Iterator[cst.Name]:
    """Every name below `node`, or itself, that stands for a variable: no attribute, no keyword; bound ones too."""
    if isinstance(node, cst.Name):
        yield node
        return
    for name in fields_of(type(node)):
        if name in _NOT_VARIABLES.get(type(node), ()):
            continue
        value = getattr(node, name)
        for child in value if isinstance(value, list | tuple) else (value,):
            if isinstance(child, cst.CSTNode):
                yield from names_read(child)


_NOT_VARIABLES: Final[dict[type[cst.CSTNode], tuple[str, ...]]] = {
    cst.Attribute: ("attr",),
    cst.Arg: ("keyword",),
    cst.Import: ("names",),
    cst.ImportFrom: ("module", "names"),
}
"""Fields with names that are no variables."""


def bound_names(node: cst.CSTNode) -> Iterator[str]:
    """Every name that something below `node` binds or declares, nested functions included; imports do too."""
    for found in descendants(node):
        if isinstance(found, cst.ImportAlias) and found.asname is None:
            yield dotted_name(found.name).partition(".")[0]
        elif isinstance(found, cst.ImportAlias) and found.asname is not None:
            yield from target_names(found.asname.name)
    yield from assigned_names(node)


def assigned_names(node: cst.CSTNode) -> Iterator[str]:
    """Every name that something below `node` binds or declares otherwise than by an import."""
    for found in descendants(node):
        match found:
            case cst.AssignTarget() | cst.AugAssign() | cst.AnnAssign() | cst.For() | cst.CompFor() | cst.NamedExpr():
                yield from target_names(found.target)
            case cst.Param() | cst.NameItem() | cst.FunctionDef() | cst.ClassDef():
                yield from target_names(found.name)
            case cst.MatchAs() | cst.MatchStar() if found.name is not None:
                yield found.name.value
            case cst.WithItem(asname=cst.AsName(name=target)):
                yield from target_names(target)
            case cst.ExceptHandler(name=cst.AsName(name=target)) | cst.ExceptStarHandler(name=cst.AsName(name=target)):
                yield from target_names(target)
            case cst.Del():
                yield from target_names(found.target)


def target_names(target: cst.CSTNode) -> Iterator[str]:
    """The names that assigning to `target` binds."""
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from target_names(element.value)


def dotted_name(node: cst.CSTNode) -> str:
    """`a.b.c` of a chain of attributes; empty for anything else."""
    if isinstance(node, cst.Attribute):
        base = dotted_name(node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return node.value if isinstance(node, cst.Name) else ""


def only_one(statement: cst.CSTNode) -> cst.BaseSmallStatement | None:
    """The statement of a row that holds just one; None of anything else."""
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    return statement.body[0]

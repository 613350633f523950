"""Which statements of a function a value is computed from, by names alone: for what the analysis could not follow."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.walk import descendants, dotted_name, target_names

_DATA = frozenset({"torch.tensor", "torch.zeros", "torch.ones", "torch.rand", "torch.randn", "torch.from_numpy"})
"""What makes a tensor without a history."""


def origins(code: Code, value: cst.CSTNode) -> set[cst.Assign | cst.AugAssign] | None:
    """The assignments in the same function that `value` is computed from; None where they cannot be told.

    What makes plain data is left out, as no graph goes through it.
    """
    scope = code.scope(value)
    binders = [
        found
        for found in descendants(scope)
        if isinstance(found, cst.Assign | cst.AugAssign) and code.scope(found) is scope
    ]
    found: set[cst.Assign | cst.AugAssign] = set()
    open_ends: list[cst.CSTNode] = [value]
    while open_ends:
        node = open_ends.pop()
        for name in _names(node):
            for binder in _reaching(code, binders, name, node):
                if binder not in found and not _makes_data(code, binder):
                    found.add(binder)
                    open_ends.append(binder)
    return found or None


def _names(node: cst.CSTNode) -> Iterator[str]:
    """The names and dotted names below `node` that are read."""
    inner = node.value if isinstance(node, cst.Assign) else node
    for found in descendants(inner):
        if isinstance(found, cst.Name | cst.Attribute) and (name := dotted_name(found)):
            yield name
    if isinstance(inner, cst.Name):
        yield inner.value


def _reaching(
    code: Code, binders: list[cst.Assign | cst.AugAssign], name: str, use: cst.CSTNode
) -> Iterator[cst.Assign | cst.AugAssign]:
    """The assignments of `name` that a use may read: the last one before it, and those that one may not replace."""
    place = code.place(use).start
    ours = [binder for binder in binders if name in _bound(binder)]
    before = [binder for binder in ours if code.place(binder).start < place]
    around = set(code.around(use))
    for binder in reversed(before):
        yield binder
        line = code.line(binder)
        if isinstance(binder, cst.Assign) and line is not None and code.parent(line) in around:
            return
    if not before:
        yield from ours  # the round of a loop before has bound it


def _bound(node: cst.Assign | cst.AugAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, cst.Assign) else ():
        yield from target_names(target.target)
        if dotted_name(target.target):
            yield dotted_name(target.target)
    if isinstance(node, cst.AugAssign):
        yield dotted_name(node.target)


def _makes_data(code: Code, node: cst.Assign | cst.AugAssign) -> bool:
    """`torch.tensor(…)`, and methods of it: `.to(device)`, `.view(-1)`."""
    value: cst.BaseExpression = node.value
    while isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute):
        if meaning_of(code, value.func) in _DATA:
            return True
        value = value.func.value
    return isinstance(value, cst.BaseNumber)

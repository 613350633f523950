"""Who calls a function that is run on its own: whether all that this file shows of it is without gradients.

Read from the source alone, and only used to keep silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.walk import subtree

_SWITCHES: Final = frozenset({"no_grad", "inference_mode", "set_grad_enabled"})


def called_without_gradients(module: ir.Module) -> set[str]:
    """The names of functions that are called where gradients are switched off, directly or by one that is."""
    names: set[str] = set()
    for node in subtree(module.cst):
        if isinstance(node, cst.With | cst.FunctionDef) and _switches_off(node):
            names.update(_calls(node.body))
    bodies = [node for node in subtree(module.cst) if isinstance(node, cst.FunctionDef)] if names else []
    calls = {node.name.value: set(_calls(node.body)) for node in bodies}
    waiting = list(names)
    while waiting:
        for name in calls.get(waiting.pop(), set()) - names:
            names.add(name)
            waiting.append(name)
    return names


def _switches_off(node: cst.With | cst.FunctionDef) -> bool:
    if isinstance(node, cst.With):
        return any(_name(item.item) in _SWITCHES for item in node.items)
    return any(_name(decorator.decorator) in _SWITCHES for decorator in node.decorators)


def _calls(node: cst.CSTNode) -> Iterator[str]:
    for part in subtree(node):
        if isinstance(part, cst.Call):
            yield _name(part.func)


def _name(node: cst.BaseExpression) -> str:
    """The last name of what is called or read."""
    if isinstance(node, cst.Call):
        return _name(node.func)
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""

"""What the source does with a `.grad` it reads."""

from __future__ import annotations

import ast
import enum

from autograd_lint.dynamic.syntax import Located, Syntax

_CLEARING = ("zero_", "fill_", "detach_", "requires_grad_")


class GradUse(enum.Enum):
    """What a read is for."""

    VALUE = "its value"
    DIFFERENCE = "its difference from an earlier one"
    CHECK = "whether there is one"
    CLEAR = "clearing it"


def use_of_grad(node: Located | None, syntax: Syntax) -> GradUse:
    """What `x.grad`, the expression `node`, is read for; its value where nothing else can be seen."""
    if node is None:
        return GradUse.VALUE
    parent = syntax.parents.get(node)
    match parent:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return GradUse.CHECK
        case ast.BinOp(op=ast.Sub()):
            return GradUse.DIFFERENCE
        case ast.AugAssign(target=target) if target is node:
            return GradUse.CLEAR
        case ast.Attribute(attr="data"):
            return use_of_grad(parent, syntax)
        case ast.Attribute(attr=name) if name in _CLEARING:
            return GradUse.CLEAR
    return GradUse.VALUE

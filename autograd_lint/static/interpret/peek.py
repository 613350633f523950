"""What an expression is made of, looked up without evaluating it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Instance, NNModule, Unknown, Value
from autograd_lint.static.syntax import ir

_KEEPING: Final = frozenset({"mean", "sum", "clone", "cpu", "to", "float", "view", "reshape", "squeeze"})
"""Methods of a tensor whose result keeps its graph."""


def peek(run: Run, expr: ir.Expr) -> Value | None:
    """The value of a name or of an attribute of a name, without reading anything anew."""
    if type(expr) is ir.Name:
        return run.env.find(expr.id)
    if type(expr) is ir.Attr:
        base = peek(run, expr.base)
        if isinstance(base, Instance | NNModule | Unknown) and base.attrs is not None:
            return base.attrs.get(expr.name)
    return None


def terms(run: Run, expr: ir.Expr) -> Iterator[Value]:
    """The values of the names that an arithmetic expression is made of: what keeps the graph of each of them."""
    waiting = [expr]
    while waiting:
        part = waiting.pop()
        if type(part) is ir.BinOp:
            waiting.extend((part.left, part.right))
        elif type(part) is ir.UnaryOp:
            waiting.append(part.operand)
        elif type(part) is ir.Call and type(part.func) is ir.Attr and part.func.name in _KEEPING:
            waiting.append(part.func.base)
        else:
            value = peek(run, part)
            if value is not None:
                yield value

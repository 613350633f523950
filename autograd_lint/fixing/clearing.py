"""Gradients set to zero by hand, cleared by what holds them."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import GradZero
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import descendants, names_read


def cleared(code: Code, event: GradZero) -> Fix | None:
    """One call for a whole loop over parameters; else `zero_grad()` of the owner, or `x.grad = None`."""
    node = code.node(event.site)
    line = None if node is None else code.line(node)
    gradient = None if line is None else _gradient(line)
    if line is None or gradient is None:
        return None
    loop = _loop_over_parameters(code, line, gradient)
    if loop is not None:
        module = code.text(loop.iter).removesuffix(".parameters()")
        call = f"{module}.zero_grad(set_to_none=False)"
        # Something in scope owns the Parameter: what has these parameters is a Module.
        fix = code.safe if event.target.parameter and event.owner else code.unsafe
        return fix(f"call `{call}`", code.replace(loop, call))
    if event.owner:
        call = f"{event.owner}.zero_grad()"
        return code.unsafe(f"call `{call}`", code.replace(line.body[0], call))
    text = code.text(gradient)
    return code.unsafe(f"set `{text} = None`", code.replace(line.body[0], f"{text} = None"))


def _gradient(line: cst.SimpleStatementLine) -> cst.Attribute | None:
    """The `x.grad` of a statement that clears it, alone on its line."""
    statement = line.body[0]
    if not isinstance(statement, cst.AugAssign | cst.Expr):
        return None
    found = [node for node in descendants(statement) if isinstance(node, cst.Attribute) and node.attr.value == "grad"]
    return found[0] if len(found) == 1 else None


def _loop_over_parameters(code: Code, line: cst.SimpleStatementLine, gradient: cst.Attribute) -> cst.For | None:
    """`for p in module.parameters(): p.grad.zero_()`, where the loop does nothing else; a test for None is harmless."""
    around = code.parent(line)
    while isinstance(around, cst.IndentedBlock) and len(around.body) == 1:
        owner = code.parent(around)
        if isinstance(owner, cst.For):
            return owner if owner.orelse is None and _iterates(code, owner, gradient) else None
        if not isinstance(owner, cst.If) or owner.orelse is not None:
            return None
        if code.text(owner.test) not in (f"{code.text(gradient)} is not None", code.text(gradient)):
            return None
        around = code.parent(owner)
    return None


def _iterates(code: Code, loop: cst.For, gradient: cst.Attribute) -> bool:
    called = code.text(loop.iter)
    inside = [read for read in names_read(loop) if read.value == code.text(loop.target)]
    everywhere = [read for read in names_read(code.scope(loop)) if read.value == code.text(loop.target)]
    if len(everywhere) > len(inside):
        return False  # the variable of the loop is used after it
    return code.text(gradient) == f"{code.text(loop.target)}.grad" and called.endswith(".parameters()")

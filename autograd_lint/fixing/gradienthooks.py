"""A tensor hook that returns a new gradient, in place of one that writes to the gradient it is given."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import GradientWritten
from autograd_lint.finding import Edit, Fix, Range
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import dotted_name


def returned(code: Code, event: GradientWritten) -> Fix | None:
    """`return grad.mul(2)` of `grad.mul_(2)`, `grad = grad * 2` of `grad *= 2`, a clone where an index is written."""
    node = code.node(event.site)
    if isinstance(node, cst.Call):
        return _method(code, node)
    write = None if node is None else code.nearest(node, cst.BaseSmallStatement)  # type: ignore[type-abstract]
    line = None if write is None else code.line(write)
    hook = None if line is None else code.scope(line)
    if write is None or line is None or not isinstance(hook, cst.FunctionDef) or not _stands_in(hook, line):
        return None
    target = _target(write)
    giving = _giving_back(code, hook, target)
    if not target or giving is None:
        return None
    if isinstance(write, cst.AugAssign) and isinstance(write.target, cst.Name):
        sign = code.source.text_of(Range(code.place(write.target).end, code.place(write.value).start)).strip()
        between = code.replace_from(
            code.place(write.target).end, code.place(write.value).start, f" = {target} {sign.removesuffix('=')} "
        )
        value = write.value
        bare = value.lpar or isinstance(value, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.BaseNumber)
        around = () if bare else code.wrap(value, "(", ")")
        return code.unsafe("return a new tensor", between, *around, *giving)
    clone = code.line_before(line, f"{target} = {target}.clone()")
    return code.unsafe("write to a clone, and return it", clone, *giving)


def _method(code: Code, call: cst.Call) -> Fix | None:
    if not isinstance(call.func, cst.Attribute) or not call.func.attr.value.endswith("_"):
        return None
    around = code.parent(call)
    renamed = code.replace(call.func.attr, call.func.attr.value.removesuffix("_"))
    if isinstance(around, cst.Lambda | cst.Return):
        return code.unsafe("return a new tensor", renamed)
    line, scope = code.line(call), code.scope(call)
    if not isinstance(around, cst.Expr) or not isinstance(scope, cst.FunctionDef) or line is not scope.body.body[-1]:
        return None
    return code.unsafe("return a new tensor", code.insert(code.place(call).start, "return "), renamed)


def _stands_in(hook: cst.FunctionDef, line: cst.SimpleStatementLine) -> bool:
    """Whether the write runs each time the hook does."""
    return any(statement is line for statement in hook.body.body)


def _target(write: cst.CSTNode) -> str:
    """The name of the tensor that is written."""
    if isinstance(write, cst.AugAssign):
        target: cst.BaseExpression = write.target
    elif isinstance(write, cst.Assign) and len(write.targets) == 1:
        target = write.targets[0].target
    else:
        return ""
    if isinstance(target, cst.Subscript):
        target = target.value
    return dotted_name(target) if isinstance(target, cst.Name) else ""


def _giving_back(code: Code, hook: cst.FunctionDef, name: str) -> tuple[Edit, ...] | None:
    """What lets the hook return `name` at its end; None where it returns something else."""
    last = hook.body.body[-1]
    small = last.body[0] if isinstance(last, cst.SimpleStatementLine) and len(last.body) == 1 else None
    if isinstance(small, cst.Return):
        return () if small.value is not None and code.text(small.value) == name else None
    return (code.line_after(last, f"return {name}"),)

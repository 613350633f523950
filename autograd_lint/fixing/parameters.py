"""Tensors of a Module that require grad, registered with it: as a Parameter, or in a list of them."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import Holder, Unregistered
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.values import without_flag
from autograd_lint.fixing.walk import descendants, dotted_name, only_one


def registered(code: Code, event: Unregistered) -> Fix | None:
    """`nn.Parameter(…)` around the value, without its flag, or `nn.ParameterList()` in place of an empty list."""
    value = code.expression(event.site)
    if value is None:
        return None
    if event.holder is Holder.LIST:
        return _listed(code, value)
    parameter = name_for(code, "torch.nn.Parameter", value)
    if event.holder is not Holder.ATTRIBUTE or parameter is None or not isinstance(value, cst.Call):
        return None
    plain = without_flag(code, value) or code.text(value)
    made = code.replace(value, f"{parameter.text}({plain})")
    return code.unsafe("make it a Parameter", *parameter.imports, made, *_flags(code, value, event.attribute))


def _listed(code: Code, value: cst.BaseExpression) -> Fix | None:
    container = name_for(code, "torch.nn.ParameterList", value)
    if container is None or not isinstance(value, cst.List) or value.elements:
        return None
    return code.unsafe("use `ParameterList`", *container.imports, code.replace(value, f"{container.text}()"))


def _flags(code: Code, value: cst.CSTNode, attribute: str) -> list[Edit]:
    """`self.w.requires_grad_()` in the same function, which a Parameter does not need."""
    found = []
    for line in descendants(code.scope(value)):
        small = only_one(line)
        call = small.value if isinstance(small, cst.Expr) else None
        if not isinstance(call, cst.Call) or call.args or len(getattr(code.parent(line), "body", ())) < 2:
            continue
        if dotted_name(call.func) == f"self.{attribute}.requires_grad_":
            found.append(code.without_statement(line))
    return found

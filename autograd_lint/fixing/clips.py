"""Which parameters a clipping of gradients was meant for, where only one module is in question."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.walk import assigned_names, descendants, dotted_name


def parameters_for(code: Code, call: cst.Call) -> str:
    """`module.parameters()` of the only module that the function, or else its class, speaks of; empty otherwise."""
    scope, owner = code.scope(call), code.nearest(call, cst.ClassDef)
    held = set(_written(code, scope))
    if not held and owner is not None:
        held = {text for text in _written(code, owner) if text.startswith("self.")}
    held = held or set(_called_for(code, call.args[0].value))
    return held.pop() if len(held) == 1 else ""


def _written(code: Code, part: cst.CSTNode) -> Iterator[str]:
    """Every `module.parameters()` that is written somewhere."""
    for found in descendants(part):
        if isinstance(found, cst.Call) and not found.args and dotted_name(found.func).endswith(".parameters"):
            yield code.text(found)


def _called_for(code: Code, loss: cst.BaseExpression) -> Iterator[str]:
    """The parameters of what is called on plain inputs to compute `loss`: `model` of `criterion(model(x), y)`."""
    values = [
        found.value
        for found in descendants(code.scope(loss))
        if isinstance(found, cst.Assign) and isinstance(loss, cst.Name) and loss.value in assigned_names(found)
    ]
    modules = [
        found
        for value in values
        for found in (value, *descendants(value))
        if isinstance(found, cst.Call) and found.args and dotted_name(found.func) and not meaning_of(code, found.func)
    ]
    for module in modules:
        given = {id(inner) for arg in module.args for inner in descendants(arg)}
        if not any(id(other) in given for other in modules):
            yield f"{dotted_name(module.func)}.parameters()"

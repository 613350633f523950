"""Clears the gradients before a backward: by the optimizer or the optimizers that step, else each by hand."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import Accumulation
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.lines import before
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.walk import descendants, dotted_name, target_names


def cleared_first(code: Code, event: Accumulation) -> Fix | None:
    """`optimizer.zero_grad()` before the backward; in a loop where the steps are in one."""
    if event.by_hand:
        return _by_hand(code, event)
    backward, step = code.find(event.site, cst.Call), code.find(event.stepped, cst.Call)
    if backward is None or step is None or step.args or not isinstance(step.func, cst.Attribute):
        return None
    optimizer = dotted_name(step.func.value)
    if not optimizer:
        return None
    loop = _loop_over(code, step, optimizer)
    known = _known_at(code, event, step, dotted_name(loop.iter) if loop is not None else optimizer)
    if not known:
        return None
    rows = [f"{known}.zero_grad()"]
    if loop is not None:
        rows = [f"for {optimizer} in {known}:", f"{code.tree.default_indent}{optimizer}.zero_grad()"]
    return code.unsafe(f"call `{rows[-1].strip()}` before this backward", before(code, backward, rows))


def _by_hand(code: Code, event: Accumulation) -> Fix | None:
    """`w.grad = None` before the backward, for each tensor that is updated by hand, or `net.zero_grad()`."""
    backward = code.find(event.site, cst.Call)
    if backward is None:
        return None
    events = [other for other in code.events_at(event.site) if isinstance(other, Accumulation)]
    rows = list(dict.fromkeys(_clearing(code, other, code.scope(backward)) for other in events))
    if not all(rows):
        return None
    message = f"clear the gradients before this backward: `{rows[0]}`"
    return code.unsafe(message, before(code, backward, rows))


def _clearing(code: Code, event: Accumulation, scope: cst.CSTNode) -> str:
    """The statement that clears the gradient of a tensor, or of the module that is made in this function."""
    made = code.node(event.leaf.made)
    assign = None if made is None else code.parent(made)
    alone = isinstance(made, cst.Call) and meaning_of(code, made.func).endswith(".Parameter")
    if event.leaf.parameter and not alone:
        own = isinstance(assign, cst.Assign) and len(assign.targets) == 1 and code.scope(assign) is scope
        holder = dotted_name(assign.targets[0].target) if own and isinstance(assign, cst.Assign) else ""
        return f"{holder}.zero_grad()" if holder else ""
    name = event.leaf.name
    named = (found for found in descendants(scope) if isinstance(found, cst.Name | cst.Attribute))
    return f"{name}.grad = None" if name and any(dotted_name(found) == name for found in named) else ""


def _loop_over(code: Code, step: cst.Call, optimizer: str) -> cst.For | None:
    """The loop whose variable the optimizer is."""
    for found in code.around(step):
        if isinstance(found, cst.For) and optimizer in target_names(found.target):
            return found if code.scope(found) is code.scope(step) else None
    return None


def _known_at(code: Code, event: Accumulation, step: cst.Call, name: str) -> str:
    """How what is called `name` at the step is called at the backward; empty where it has no name there."""
    backward = code.node(event.site)
    first, _, rest = name.partition(".")
    if backward is None or not first:
        return ""
    scope, ours = code.scope(step), code.scope(backward)
    if scope is ours:
        return name if not _is_loop_variable(ours, first) else ""
    if first == "self":
        owner = code.nearest(scope, cst.ClassDef)
        return name if rest and owner is not None and owner is code.nearest(ours, cst.ClassDef) else ""
    given = _given(code, event, scope, ours, first)
    return f"{given}.{rest}" if given and rest else given


def _is_loop_variable(scope: cst.CSTNode, name: str) -> bool:
    return any(name in target_names(found.target) for found in descendants(scope) if isinstance(found, cst.For))


def _given(code: Code, event: Accumulation, scope: cst.CSTNode, ours: cst.CSTNode, name: str) -> str:
    """The argument that the function of the step gets for its parameter `name`, where it is called at the backward."""
    calls = () if event.stepped is None else event.stepped.calls
    call = next((found for site in calls if (found := code.find(site, cst.Call)) and code.scope(found) is ours), None)
    if call is None or code.node(calls[-1]) is not call or not isinstance(scope, cst.FunctionDef):
        return ""
    names = [param.name.value for param in scope.params.params]
    names = names[1:] if names[:1] == ["self"] else names
    for i, arg in enumerate(call.args):
        keyword = arg.keyword.value if arg.keyword is not None else names[i] if i < len(names) else ""
        if keyword == name and not arg.star:
            given = dotted_name(arg.value)
            return "" if _is_loop_variable(ours, given.partition(".")[0]) else given
    return ""

"""Values that are kept from round to round of a loop, kept without their graph."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import GraphKept
from autograd_lint.finding import Fix
from autograd_lint.fixing.calls import call_method
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import names_read, target_names


def kept_without_graph(code: Code, event: GraphKept) -> Fix | None:
    """`total += loss.detach()`, `losses.append(loss.detach())`, `by_step[step] = loss.detach()`."""
    node = code.node(event.site)
    line = None if node is None else code.line(node)
    if node is None or line is None:
        return None
    inner = node if isinstance(node, cst.BaseExpression) and code.in_comprehension(node) else None  # in a lambda
    value = _kept(line.body[0] if inner is None else cst.Expr(inner))
    if value is None or (event.site.calls and _binds_local(line.body[0])):
        return None
    part = _part(value, event.value.name)
    if part is None:
        return None
    events = [other for other in code.events_at(event.site) if isinstance(other, GraphKept)]
    if any(other.inside or _began_inside(code, other, part) for other in events):
        return None  # no tensor, and what else it holds is not known
    known = len(events) == len(code.events_at(event.site)) and all(other.value.in_graph for other in events)
    safe = known and isinstance(part, cst.Name) and _had_backward(code, line, part.value)
    return (code.safe if safe else code.unsafe)("keep it without its graph", *call_method(code, part, ".detach()"))


def _kept(statement: cst.BaseSmallStatement) -> cst.BaseExpression | None:
    """The expression whose value is kept."""
    match statement:
        case cst.AugAssign(value=value) | cst.Assign(value=value):
            return value
        case cst.Expr(value=cst.Call(func=cst.Attribute(), args=[cst.Arg(value=value, star="")])):
            return value
    return None


def _binds_local(statement: cst.BaseSmallStatement) -> bool:
    """Whether a local name of a helper gets the sum: what the helper returns may need the graph."""
    targets = [to.target for to in statement.targets] if isinstance(statement, cst.Assign) else []
    targets += [statement.target] if isinstance(statement, cst.AugAssign) else []
    return any(isinstance(target, cst.Name | cst.Tuple) for target in targets)


def _part(value: cst.BaseExpression, name: str) -> cst.BaseExpression | None:
    """The part of the kept expression that is the tensor: its name where it has one, or all of it."""
    named = [read for read in names_read(value) if read.value == name]
    if len(named) == 1:
        return named[0]
    if isinstance(value, cst.Tuple | cst.List | cst.Dict | cst.ListComp) or named:
        return None
    return value


def _began_inside(code: Code, event: GraphKept, part: cst.BaseExpression) -> bool:
    """Whether the backward began at an entry or an attribute of `part`: at `output["loss"]`, at `output.loss`."""
    call = None if event.backward is None else code.find(event.backward, cst.Call)
    match call:
        case cst.Call(
            func=cst.Attribute(value=cst.Subscript(value=owner, slice=[cst.SubscriptElement(cst.Index(key))]))
        ):
            return isinstance(key, cst.SimpleString) and owner.deep_equals(part)
        case cst.Call(func=cst.Attribute(value=cst.Attribute(value=owner))):
            return owner.deep_equals(part)
    return False


def _had_backward(code: Code, line: cst.SimpleStatementLine, name: str) -> bool:
    """Whether a script ran `name.backward()` in the same block before, so that the graph is gone.

    In a function, who gets the sum may still want to run a backward through it.
    """
    if code.scope(line) is not code.tree:
        return False
    ran = False
    for statement in getattr(code.parent(line), "body", ()):
        if statement is line:
            return ran
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        match small:
            case cst.Expr(value=cst.Call(func=cst.Attribute(value=cst.Name(value=root), attr=attr), args=())):
                ran = ran or (root == name and attr.value == "backward")
            case cst.Assign(targets=targets):
                ran = ran and not any(name in target_names(target.target) for target in targets)
    return False

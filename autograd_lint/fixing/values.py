"""Edits of the expressions that give values: a part left out, a wrapper put around, a copy in place of an alias."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import How, Site, Write
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.calls import argument, needs_parentheses, receiver, without_argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.walk import descendants, dotted_name


def with_part(code: Code, whole: cst.CSTNode, part: cst.CSTNode, content: str) -> str:
    """The text of `whole` with `content` in the place of `part`."""
    offsets = code.source.offsets
    start, end = (offsets.at(at) for at in (code.place(whole).start, code.place(whole).end))
    first, last = (offsets.at(at) for at in (code.place(part).start, code.place(part).end))
    return code.source.text[start:first] + content + code.source.text[last:end]


def without_flag(code: Code, call: cst.Call) -> str | None:
    """The text of a call without `requires_grad=True`; None when it has no such argument."""
    flag = argument(call, "requires_grad")
    edit = None if flag is None else without_argument(code, call, flag)
    if edit is None:
        return None
    offsets, text = code.source.offsets, code.source.text
    place = code.place(call)
    return (
        text[offsets.at(place.start) : offsets.at(edit.range.start)]
        + text[offsets.at(edit.range.end) : offsets.at(place.end)]
    )


def wrapped(code: Code, node: cst.BaseExpression, dotted: str) -> tuple[Edit, ...] | None:
    """Put a call of `dotted` around an expression."""
    name = name_for(code, dotted, node)
    return None if name is None else (*name.imports, *code.wrap(node, f"{name.text}(", ")"))


def instead(code: Code, node: cst.BaseExpression, text: str) -> Edit:
    """`text` in the place of `node`; where that would be `x = x`, no statement at all."""
    assign, line = code.parent(node), code.line(node)
    own = isinstance(assign, cst.Assign) and all(code.text(to.target) == text for to in assign.targets)
    if not own or line is None:
        return code.replace(node, text)
    alone = len(getattr(code.parent(line), "body", ())) == 1
    return code.replace(line.body[0], "pass") if alone else code.without_statement(line)


def cloned_first(code: Code, event: Write) -> Fix | None:
    """Let a name hold a clone before the write."""
    node = code.node(event.site)
    statement = None if node is None else code.statement(node)
    name = event.target.name
    if statement is None or not name.isidentifier() or not isinstance(statement, cst.SimpleStatementLine):
        return None
    if code.source.text_of(code.place(statement)).startswith(f"{name}["):
        if event.refusal is not None or event.how not in (How.INDEX, How.INDEX_AUGMENTED):
            return None  # what is written is an element, of a list perhaps
    return code.unsafe(f"clone `{name}` before the write", code.line_before(statement, f"{name} = {name}.clone()"))


def saved_copy(code: Code, event: Write) -> Fix | None:
    """Let the operation save a clone of the operand that is written later."""
    stale = event.stale
    operation = None if stale is None or stale.saved_result else code.expression(stale.saved)
    if stale is None or operation is None or not stale.saved_name or event.how is How.MODULE:
        return None
    operands = [found for found in descendants(operation) if _is_named(found, stale.saved_name)]
    if len(operands) != 1 or any(isinstance(code.parent(found), cst.Attribute) for found in operands):
        return None
    copy = code.insert(code.place(operands[0]).end, ".clone()")
    return code.unsafe(f"let `{stale.saved_by}` save a copy", copy)


def _is_named(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name | cst.Attribute) and dotted_name(node) == name


def copied(code: Code, site: Site | None) -> Fix | None:
    """Make a copy where `detach()`, `.data` or `numpy()` made an alias; not where only its write is wanted of it."""
    node = code.node(site)
    if node is None or _is_only_written(code, node):
        return None
    message = "make a copy"
    if isinstance(node, cst.Attribute) and node.attr.value == "data":
        return code.unsafe(message, code.replace(node, f"{receiver(code, node.value)}.detach().clone()"))
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    if node.func.attr.value == "detach":
        return code.unsafe(message, code.insert(code.place(node).end, ".clone()"))
    if node.func.attr.value == "numpy":
        return code.unsafe(message, code.insert(code.place(node.func.value).end, ".clone()"))
    return None


def _is_only_written(code: Code, node: cst.CSTNode) -> bool:
    """Whether `node` stands in what a statement writes to and binds to no name: `x.data.mul_(2)`, `x.data[0] = 1`."""
    inner: cst.CSTNode = node
    for outer in code.around(node):
        if isinstance(outer, cst.Expr | cst.AssignTarget | cst.AugAssign):
            return not isinstance(outer, cst.AugAssign) or outer.target is inner
        if not _carries(outer, inner):
            return False
        inner = outer
    return False


def _carries(outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
    """Whether a write to `outer` is one to `inner`: what it is an item, an attribute, or the result of a method of."""
    if isinstance(outer, cst.Attribute | cst.Subscript):
        return outer.value is inner
    return isinstance(outer, cst.Call) and outer.func is inner


def bracketed(code: Code, node: cst.BaseExpression) -> str:
    """The text of `node` as an operand of anything."""
    return f"({code.text(node)})" if needs_parentheses(node) else code.text(node)

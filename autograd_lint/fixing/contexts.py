"""Mends the contexts of custom Functions: tensors saved for backward, written inputs marked or cloned."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.events import ContextKept, InputWritten
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import assigned_names, descendants, names_read, only_one

# ------------------------------------------------------------- saved tensors


def saved(code: Code, event: ContextKept) -> Fix | None:
    """`ctx.save_for_backward(x)` in place of `ctx.x = x`, and `(x,) = ctx.saved_tensors` where it is read."""
    node = code.node(event.site)
    assign = None if node is None else code.nearest(node, cst.Assign)
    owner = None if assign is None else code.nearest(assign, cst.ClassDef)
    line = None if assign is None else code.line(assign)
    if assign is None or owner is None or line is None or len(assign.targets) != 1:
        return None
    target = assign.targets[0].target
    inside = [found for found in descendants(owner) if isinstance(found, cst.Attribute)]
    reads = [found for found in inside if found.attr.value == event.attribute and found is not target]
    backward = _only_scope(code, reads)
    if not isinstance(target, cst.Attribute) or backward is None or backward.name.value != "backward":
        return None
    name = _free_name(backward, event.attribute)
    stored = _stored(code, assign, line, target)
    unpacked = _unpacked(code, backward, reads[0], name)
    if stored is None or unpacked is None or _saves(code, code.scope(assign)) != _unpacks(code, backward):
        return None
    return code.unsafe("save it for backward", *stored, unpacked, *(code.replace(read, name) for read in reads))


def _only_scope(code: Code, nodes: list[cst.Attribute]) -> cst.FunctionDef | None:
    scopes = {id(code.scope(node)): code.scope(node) for node in nodes}
    found = next(iter(scopes.values()), None)
    return found if len(scopes) == 1 and isinstance(found, cst.FunctionDef) else None


def _free_name(function: cst.FunctionDef, wanted: str) -> str:
    taken = {read.value for read in names_read(function)} | set(assigned_names(function))
    return wanted if wanted not in taken else f"saved_{wanted}"


def _save_call(code: Code, forward: cst.CSTNode) -> cst.Call | None:
    for found in descendants(forward):
        if isinstance(found, cst.Call) and isinstance(found.func, cst.Attribute):
            if found.func.attr.value == "save_for_backward":
                return found
    return None


def _saves(code: Code, forward: cst.CSTNode) -> int:
    """How many tensors the forward saves; -1 where that cannot be counted."""
    calls = [
        found
        for found in descendants(forward)
        if isinstance(found, cst.Call) and isinstance(found.func, cst.Attribute)
        if found.func.attr.value == "save_for_backward"
    ]
    if len(calls) > 1 or any(arg.star for call in calls for arg in call.args):
        return -1
    return len(calls[0].args) if calls else 0


def _unpacks(code: Code, backward: cst.FunctionDef) -> int:
    """How many tensors the backward unpacks by one statement; -2 where it reads them otherwise."""
    found = list(_saved_reads(backward))
    if not found:
        return 0
    unpacking = _unpacking(code, found[0]) if len(found) == 1 else None
    return -2 if unpacking is None else len(unpacking.elements)


def _saved_reads(function: cst.FunctionDef) -> Iterator[cst.Attribute]:
    for found in descendants(function):
        if isinstance(found, cst.Attribute) and found.attr.value in ("saved_tensors", "saved_variables"):
            yield found


def _unpacking(code: Code, read: cst.Attribute) -> cst.Tuple | None:
    """The targets of `a, b = ctx.saved_tensors`."""
    assign = code.parent(read)
    if not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
        return None
    target = assign.targets[0].target
    whole = isinstance(target, cst.Tuple) and all(isinstance(part, cst.Element) for part in target.elements)
    return target if whole and isinstance(target, cst.Tuple) else None


def _stored(code: Code, assign: cst.Assign, line: cst.CSTNode, target: cst.Attribute) -> tuple[Edit, ...] | None:
    """The value saved: by the call that saves others already, or by one in place of the assignment."""
    call = _save_call(code, code.scope(assign))
    value = code.text(assign.value)
    if call is None:
        return (code.replace(assign, f"{code.text(target.value)}.save_for_backward({value})"),)
    names = {read.value for read in names_read(assign.value)}
    before = code.place(call).start
    for found in descendants(code.scope(assign)):
        if isinstance(found, cst.Assign) and names & set(assigned_names(found)) and code.place(found).start > before:
            return None  # not there yet when the others are saved
    if not call.args:
        return None
    return (code.insert(code.place(call.args[-1].value).end, f", {value}"), code.without_statement(line))


def _unpacked(code: Code, backward: cst.FunctionDef, read: cst.Attribute, name: str) -> Edit | None:
    """The value unpacked with the others, or by a statement of its own at the start of the function."""
    reads = list(_saved_reads(backward))
    if reads:
        unpacking = _unpacking(code, reads[0])
        if unpacking is None or len(reads) > 1 or not unpacking.elements:
            return None
        names = [code.text(element.value) for element in unpacking.elements]
        text = ", ".join([*names, name])
        return code.replace(unpacking, f"({text})" if unpacking.lpar and len(names) > 1 else text)
    if not isinstance(backward.body, cst.IndentedBlock):
        return None
    for statement in backward.body.body:
        small = only_one(statement)
        if not isinstance(small, cst.Expr) or not isinstance(small.value, cst.SimpleString):
            return code.line_before(statement, f"({name},) = {code.text(read.value)}.saved_tensors")
    return None


# ------------------------------------------------------------ written inputs


def marked(code: Code, event: InputWritten) -> Fix | None:
    """`ctx.mark_dirty(x)` where the written input is returned; else the write goes to a clone."""
    node = next((found for found in _places(code, event) if _is_forward(code, found, event.function)), None)
    forward = None if node is None else code.scope(node)
    statement = None if node is None else code.statement(node)
    if node is None or statement is None or not isinstance(forward, cst.FunctionDef):
        return None
    written = _written(code, node, event)
    if written is None or not forward.params.params:
        return None
    if any(code.text(value) == written for value in _returned(forward)):
        context = forward.params.params[0].name.value
        return code.unsafe(f"mark `{written}`", code.line_after(statement, f"{context}.mark_dirty({written})"))
    if any(written in set(assigned_names(found)) for found in _loops(code, node, forward)):
        return None
    first = next(iter(reversed(_loops(code, node, forward))), statement)
    return code.unsafe("write to a clone", code.line_before(first, f"{written} = {written}.clone()"))


def _places(code: Code, event: InputWritten) -> Iterator[cst.CSTNode]:
    """The write, and the calls that lead to it from the innermost on."""
    for site in (event.site, *reversed(event.site.calls)):
        node = code.node(site)
        if node is not None:
            yield node


def _is_forward(code: Code, node: cst.CSTNode, function: str) -> bool:
    scope = code.scope(node)
    owner = code.nearest(scope, cst.ClassDef)
    named = isinstance(scope, cst.FunctionDef) and scope.name.value == "forward"
    return named and owner is not None and owner.name.value == function


def _written(code: Code, node: cst.CSTNode, event: InputWritten) -> str | None:
    """The name in `forward` of what is written: by the statement itself, or by the function that gets it."""
    if node is code.node(event.site):
        return event.target.name if event.target.name.isidentifier() else None
    given = [arg.value for arg in node.args] if isinstance(node, cst.Call) else []
    names = [value.value for value in given if isinstance(value, cst.Name)]
    return names[0] if len(given) == len(names) == 1 else None


def _returned(function: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
    for found in descendants(function):
        if isinstance(found, cst.Return) and found.value is not None:
            yield found.value
            for element in found.value.elements if isinstance(found.value, cst.Tuple) else ():
                yield element.value


def _loops(code: Code, node: cst.CSTNode, function: cst.CSTNode) -> list[cst.CSTNode]:
    around = [found for found in code.around(node) if isinstance(found, cst.For | cst.While)]
    return [found for found in around if code.scope(found) is function]

"""Edits of the expressions that give values: a part left out, a wrapper put around, an index write made a value."""

from __future__ import annotations

import libcst as cst

from autograd_lint.events import How, Site, Write
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.calls import argument, needs_parentheses, receiver, without_argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.ownership import owns


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


def copied(code: Code, site: Site | None) -> Fix | None:
    """Make a copy where `detach()`, `.data` or `numpy()` made an alias."""
    node = code.node(site)
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


def scattered(code: Code, event: Write) -> Fix | None:
    """`x[i] = v` as a new tensor: `x.select_scatter(v, …)`, `x.slice_scatter(v, …)` or `x.masked_fill(x < 0, v)`."""
    target = code.find(event.site, cst.Subscript)
    assign = None if target is None else code.nearest(target, cst.Assign)
    if event.how is not How.INDEX or target is None or assign is None or code.line(assign) is None:
        return None
    if len(assign.targets) != 1 or assign.targets[0].target is not target or not isinstance(target.value, cst.Name):
        return None
    name = target.value.value
    filled = _filled(code, target, assign.value)
    if filled is not None:
        fix = code.safe if event.grad_enabled and owns(code, name, assign, event.target.made) else code.unsafe
        return fix("fill a new tensor", code.replace(assign, f"{name} = {filled}"))
    made = _scatter(code, target) if event.value_in_graph else None
    if made is None:
        return None
    method, places = made
    value = f"{name} = {name}.{method}({code.text(assign.value)}, {places})"
    return code.unsafe("put the value into a new tensor", code.replace(assign, value))


def _filled(code: Code, target: cst.Subscript, value: cst.BaseExpression) -> str | None:
    """`x[x < 0] = 0`: a condition on the tensor itself has its shape."""
    index = target.slice[0].slice
    if len(target.slice) != 1 or not isinstance(index, cst.Index) or not isinstance(index.value, cst.Comparison):
        return None
    compared = index.value
    name = code.text(target.value)
    numbers = (cst.Integer, cst.Float)
    if len(compared.comparisons) != 1 or not isinstance(compared.comparisons[0].comparator, numbers):
        return None
    if code.text(compared.left) != name or not isinstance(value, numbers):
        return None
    return f"{name}.masked_fill({code.text(compared)}, {code.text(value)})"


def _scatter(code: Code, target: cst.Subscript) -> tuple[str, str] | None:
    """The method, and the dimension with its index or bounds, of an index that selects in one dimension."""
    chosen = [(i, part.slice) for i, part in enumerate(target.slice) if not _is_all(part.slice)]
    if len(chosen) != 1:
        return None
    dimension, index = chosen[0]
    if isinstance(index, cst.Slice):
        bounds = [("None" if part is None else code.text(part)) for part in (index.lower, index.upper)]
        step = "" if index.step is None else f", {code.text(index.step)}"
        return "slice_scatter", f"{dimension}, {', '.join(bounds)}{step}"
    if not isinstance(index, cst.Index):
        return None
    value = index.value
    if isinstance(value, cst.UnaryOperation):
        value = value.expression
    if not isinstance(value, cst.Integer):
        return None
    return "select_scatter", f"{dimension}, {code.text(index.value)}"


def _is_all(index: cst.BaseSlice) -> bool:
    return isinstance(index, cst.Slice) and index.lower is None and index.upper is None and index.step is None


def bracketed(code: Code, node: cst.BaseExpression) -> str:
    """The text of `node` as an operand of anything."""
    return f"({code.text(node)})" if needs_parentheses(node) else code.text(node)

"""A write to a copy that indexing made becomes an assignment; else the copy gets a name, and goes back afterwards."""

from __future__ import annotations

import re

import libcst as cst

from autograd_lint.events import LostWrite
from autograd_lint.facts import table
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import descendants


def assigned(code: Code, event: LostWrite) -> Fix | None:
    """`x[mask].mul_(2)` becomes `x[mask] *= 2`."""
    call = code.find(event.site, cst.Call)
    if call is None or not isinstance(call.func, cst.Attribute) or not isinstance(code.parent(call), cst.Expr):
        return None
    method, target = call.func.attr.value.removesuffix("_"), call.func.value
    if not isinstance(target, cst.Subscript) or method == call.func.attr.value:
        return None
    name, given = code.text(target), [code.text(arg) for arg in call.args]
    sign = {"add": "+", "sub": "-", "mul": "*", "div": "/"}.get(method)
    if method in ("copy", "fill", "zero") and len(given) <= 1:
        changed = f"{name} = {given[0] if given else 0}"
    elif sign and len(given) == 1 and "=" not in given[0]:
        changed = f"{name} {sign}= {given[0]}"
    elif table.parameters(f"Tensor.{method}") is not None:
        changed = f"{name} = {name}.{method}({', '.join(given)})"
    else:
        return None
    return code.unsafe("assign to the indexed tensor", code.replace(call, changed))


def put_back(code: Code, event: LostWrite) -> Fix | None:
    """`x[mask][0] = 1` becomes `part = x[mask]`, `part[0] = 1`, `x[mask] = part`."""
    item, written = code.find(event.copied, cst.Subscript), code.node(event.site)
    line = None if item is None else code.line(item)
    if item is None or written is None or line is None or len(line.body) != 1 or code.line(written) is not line:
        return None
    if event.target.in_graph is not False or event.target.parameter or code.in_comprehension(item):
        return None  # torch would refuse to put it back, or record it
    if any(isinstance(found, cst.Call | cst.NamedExpr | cst.Await | cst.Yield) for found in descendants(item)):
        return None
    name, text = _unused(code, "part"), code.text(item)
    named = f"{name} = {text}"
    if code.place(item).start == code.place(line).start:
        first = [code.replace(item, f"{named}\n{code.indent(code.place(line).start.row)}{name}")]
    else:
        first = [code.line_before(line, named), code.replace(item, name)]
    back = code.line_after(line, f"{text} = {name}")
    return code.unsafe(f"write to `{name}`, and put it back: `{text} = {name}`", *first, back)


def _unused(code: Code, name: str) -> str:
    taken = set(re.findall(r"\w+", code.source.text))
    return next(other for number in range(1, 1000) if (other := f"{name}{number if number > 1 else ''}") not in taken)

"""Builds an optimizer before the loop: the loop around it, or the one that calls the helper which builds it."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from autograd_lint.events import OptimizerRebuilt
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.lines import moved_before
from autograd_lint.fixing.walk import assigned_names, descendants, dotted_name, names_read, target_names

_MESSAGE = "build the optimizer before the loop"


def built_before(code: Code, event: OptimizerRebuilt) -> Fix | None:
    """The optimizer built before the loop, where it needs nothing of the loop."""
    call = code.find(event.site, cst.Call)
    line = None if call is None else code.line(call)
    block = None if line is None else code.parent(line)
    loop = None if block is None else code.parent(block)
    if call is None or line is None:
        return None
    if isinstance(loop, cst.For | cst.While):
        needed = {name.value for name in names_read(call)} & _bound_in(loop, but=line)
        return None if needed else code.unsafe(_MESSAGE, *moved_before(code, line, loop))
    helper, used = code.scope(call), code.find(event.site.calls[-1], cst.Call) if event.site.calls else None
    if not isinstance(helper, cst.FunctionDef) or used is None or _uses(code, helper.name.value) != 1:
        return None
    if _changes(code, helper, call) or _changes(code, code.scope(used), call):
        return None
    return _of_object(code, call, line, used) or _handed_in(code, call, line, helper, used)


def _bound_in(loop: cst.For | cst.While, *, but: cst.CSTNode) -> set[str]:
    """The names that a loop binds, other than by the statement that is to leave it."""
    own = target_names(loop.target) if isinstance(loop, cst.For) else ()
    return (set(assigned_names(loop)) - set(assigned_names(but))) | set(own)


def _changes(code: Code, where: cst.CSTNode, call: cst.Call) -> bool:
    """Whether attributes that the call reads are bound there, `self.rate = …`."""
    read = {code.text(found) for found in descendants(call) if isinstance(found, cst.Attribute)}
    targets = (found.target for found in descendants(where) if isinstance(found, cst.AssignTarget | cst.AugAssign))
    return any(code.text(target) in read for target in targets if isinstance(target, cst.Attribute))


def _uses(code: Code, function: str) -> int:
    """How often the file speaks of a function or method, beside its definition."""
    return sum(
        isinstance(found, cst.Name) and found.value == function and not isinstance(code.parent(found), cst.FunctionDef)
        for found in descendants(code.tree)
    )


def _of_object(code: Code, call: cst.Call, line: cst.SimpleStatementLine, used: cst.Call) -> Fix | None:
    """`self.optimizer = Adam(self.net.parameters())` goes to the method of the object that calls in a loop."""
    loop = _loop_around(code, used)
    targets = [dotted_name(target.target) for target in getattr(line.body[0], "targets", ())]
    if (
        loop is None
        or not all(name.startswith("self.") for name in targets)
        or not dotted_name(used.func).startswith("self.")
    ):
        return None
    if not targets or not {name.value for name in names_read(call)} - _global_names(code) <= {"self"}:
        return None
    return code.unsafe(_MESSAGE, *moved_before(code, line, loop))


def _handed_in(
    code: Code, call: cst.Call, line: cst.SimpleStatementLine, helper: cst.FunctionDef, used: cst.Call
) -> Fix | None:
    """`optimizer = Adam(parameters)` goes before the loop, and the optimizer into the helper as an argument."""
    loop, assign = _loop_around(code, used), line.body[0]
    names = [name for target in getattr(assign, "targets", ()) for name in target_names(target.target)]
    around = [found.value for found in names_read(code.scope(used)) if code.scope(found) is not helper]
    given = _arguments(code, helper, used)
    if loop is None or len(names) != 1 or given is None or not isinstance(used.func, cst.Name):
        return None
    name = names[0]
    read = [found for found in names_read(call) if found.value in given]
    others = {found.value for found in names_read(call)} - given.keys() - _global_names(code)
    bound = _bound_in(loop, but=line)
    needed = {found.value for part in read for found in names_read(given[part.value])}
    if others or name in around or needed & bound or not used.args or not helper.params.params:
        return None
    text, start = code.text(call), code.source.offsets.at(code.place(call).start)
    for found in sorted(read, key=lambda part: code.place(part).start, reverse=True):
        at = code.source.offsets.at(code.place(found).start) - start
        text = text[:at] + code.text(given[found.value]) + text[at + len(found.value) :]
    keyword = f"{name}=" if any(arg.keyword is not None for arg in used.args) else ""
    return code.unsafe(
        f"{_MESSAGE}, and give it to `{helper.name.value}`",
        code.without_statement(line),
        code.insert(code.place(helper.params.params[-1]).end, f", {name}"),
        code.line_before(loop, f"{name} = {text}"),
        code.insert(code.place(used.args[-1].value).end, f", {keyword}{name}"),
    )


def _loop_around(code: Code, used: cst.Call) -> cst.For | cst.While | None:
    """The loop that calls the helper, in the same function."""
    loop = next((found for found in code.around(used) if isinstance(found, cst.For | cst.While)), None)
    return loop if loop is not None and code.scope(loop) is code.scope(used) else None


def _global_names(code: Code) -> set[str]:
    """The names that the module binds at its top: imports, functions, classes."""
    found: set[str] = set()
    for statement in code.tree.body:
        if isinstance(statement, cst.FunctionDef | cst.ClassDef):
            found.add(statement.name.value)
        for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Import | cst.ImportFrom) and not isinstance(part.names, cst.ImportStar):
                found.update(
                    (dotted_name(a.asname.name) if a.asname else dotted_name(a.name).partition(".")[0])
                    for a in part.names
                )
    return found


def _arguments(code: Code, helper: cst.FunctionDef, used: cst.Call) -> Mapping[str, cst.BaseExpression] | None:
    """The arguments of the call by parameter; None where that is not plain to see."""
    params = helper.params
    plain = not (params.kwonly_params or params.posonly_params or params.star_kwarg) and not isinstance(
        params.star_arg, cst.Param
    )
    names = [param.name.value for param in params.params if param.default is None]
    if not plain or len(names) < len(params.params) or any(arg.star for arg in used.args):
        return None
    given = {
        arg.keyword.value if arg.keyword else names[i]: arg.value for i, arg in enumerate(used.args) if i < len(names)
    }
    return given if len(given) == len(names) else None

"""History cut where a round of a loop begins: `state = state.detach()` for what the round before has computed."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.events import Backward
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.walk import descendants, dotted_name, names_read, target_names


def carried_without_graph(code: Code, event: Backward) -> Fix | None:
    """The values that the loop around the backward carries from round to round, detached at the start of each."""
    backward = code.node(event.site)
    loop = None if backward is None else _loop_around(code, backward)
    if loop is None or not isinstance(loop.body, cst.IndentedBlock) or not loop.body.body:
        return None
    made = _made_in(code, event, loop)
    if made is None:
        return None
    cuts = _of_names(code, event, loop, made) or _of_attribute(code, event, made)
    if not cuts:
        return None
    first = loop.body.body[0]
    lines = [row for cut in cuts for row in cut]
    indent = code.indent(code.place(first).start.row)
    return code.unsafe(f"cut the history: `{cuts[0][-1].strip()}`", code.line_before(first, f"\n{indent}".join(lines)))


def _loop_around(code: Code, node: cst.CSTNode) -> cst.For | cst.While | None:
    """The innermost loop in the same function."""
    scope = code.scope(node)
    around = (found for found in code.around(node) if code.scope(found) is scope)
    return next((found for found in around if isinstance(found, cst.For | cst.While)), None)


def _made_in(code: Code, event: Backward, loop: cst.For | cst.While) -> cst.CSTNode | None:
    """What makes the shared part of the graph, in the loop itself: an operation, or the call that leads to it."""
    if event.shared is None:
        return None
    scope = code.scope(loop)
    for site in (event.shared, *event.shared.calls):
        node = code.node(site)
        if node is not None and code.scope(node) is scope and loop in code.around(node):
            return node
    return None


# --------------------------------------------------------------------- names


def _of_names(code: Code, event: Backward, loop: cst.For | cst.While, made: cst.CSTNode) -> list[list[str]]:
    """The rows that cut every local name the loop carries the made values in; empty where it carries none."""
    line = code.line(made)
    fresh = set() if line is None else {name for small in line.body for name in _assigned(small)}
    if not fresh:
        return []
    carried = [name for name in dict.fromkeys(_carriers(loop, fresh)) if _is_read_before(code, loop, name)]
    cuts = [_cut(code, event, loop, name) for name in carried]
    return [cut for cut in cuts if cut] if all(cuts) else []


def _carriers(loop: cst.For | cst.While, fresh: set[str]) -> Iterator[str]:
    """The made names, and those that are bound to something computed of them."""
    yield from sorted(fresh)
    for found in descendants(loop.body):
        if isinstance(found, cst.Assign) and any(read.value in fresh for read in names_read(found.value)):
            yield from _assigned(found)


def _is_read_before(code: Code, loop: cst.For | cst.While, name: str) -> bool:
    """Whether a round reads `name` as the round before left it."""
    bound = [code.place(found).end for found in descendants(loop.body) if name in _assigned(found)]
    reads = (read for read in names_read(loop.body) if read.value == name and not _is_target(code, read))
    return bool(bound) and any(code.place(read).start < min(bound) for read in reads)


def _is_target(code: Code, read: cst.Name) -> bool:
    return any(isinstance(found, cst.AssignTarget) for found in code.around(read))


def _cut(code: Code, event: Backward, loop: cst.For | cst.While, name: str) -> list[str]:
    """The rows that cut `name`, by what it is bound to before the loop; none where that is not known."""
    start = code.place(loop).start
    before = [
        found.value
        for found in descendants(code.scope(loop))
        if isinstance(found, cst.Assign) and code.place(found).start < start
        if any(isinstance(to.target, cst.Name) and to.target.value == name for to in found.targets)
    ]
    pairs = (
        found
        for found in descendants(code.scope(loop))
        if isinstance(found, cst.Assign) and code.place(found).start < start and name in _assigned(found)
    )
    if not before:
        return [f"{name} = {name}.detach()"] if any(pairs) else []  # one of several that are bound at once
    kind = _kind(code, event, before[-1])
    if kind == "tuple":
        part = "part" if name != "part" else "value"
        return [f"{name} = tuple({part}.detach() for {part} in {name})"]
    if kind == "None":
        return [f"if {name} is not None:", f"{code.tree.default_indent}{name} = {name}.detach()"]
    return [f"{name} = {name}.detach()"] if kind == "tensor" else []


def _kind(code: Code, event: Backward, value: cst.BaseExpression) -> str:
    """Whether a value before the loop is a tensor, a tuple of them or None; empty where that is not known."""
    if isinstance(value, cst.Tuple):
        return "tuple"
    if isinstance(value, cst.Name) and value.value == "None":
        return "" if "LSTM" in event.shared_by else "None"
    if "LSTM" in event.shared_by and "Cell" not in event.shared_by:
        return "tuple"
    call = value
    while isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and isinstance(call.func.value, cst.Call):
        call = call.func.value
    if isinstance(call, cst.Call) and not meaning_of(code, call.func):
        return _returned(code, call)
    return "tensor"


def _returned(code: Code, call: cst.Call) -> str:
    """What a function of this file with this name returns."""
    name = dotted_name(call.func).rpartition(".")[2]
    functions = [f for f in descendants(code.tree) if isinstance(f, cst.FunctionDef) and f.name.value == name]
    if len(functions) != 1:
        return ""
    returned = [r.value for r in descendants(functions[0]) if isinstance(r, cst.Return) and r.value is not None]
    if returned and all(isinstance(value, cst.Tuple) for value in returned):
        return "tuple"
    tensors = all(isinstance(value, cst.Call) and meaning_of(code, value.func) for value in returned)
    return "tensor" if returned and tensors else ""


def _assigned(node: cst.CSTNode) -> Iterator[str]:
    for target in node.targets if isinstance(node, cst.Assign) else ():
        yield from target_names(target.target)


# ---------------------------------------------------------------- attributes


def _of_attribute(code: Code, event: Backward, made: cst.CSTNode) -> list[list[str]]:
    """`net.state = net.state.detach()`, for a state that the called object keeps on `self`."""
    inside = code.node(event.shared)
    line = None if inside is None else code.line(inside)
    owner = None if inside is None else code.nearest(inside, cst.ClassDef)
    if line is None or owner is None or not isinstance(made, cst.Call) or inside is made:
        return []
    kept = [name for name in _attributes(line) if _starts_as_tensor(code, owner, name)]
    called = made.func.value if isinstance(made.func, cst.Attribute) else made.func
    target = dotted_name(called)
    if not kept or not target:
        return []
    return [[f"{target}.{name} = {target}.{name}.detach()"] for name in kept]


def _attributes(line: cst.CSTNode) -> Iterator[str]:
    """The names of the attributes of `self` that a statement binds."""
    for found in descendants(line):
        if isinstance(found, cst.AssignTarget):
            first, _, name = dotted_name(found.target).partition(".")
            if first == "self" and name.isidentifier():
                yield name


def _starts_as_tensor(code: Code, owner: cst.ClassDef, name: str) -> bool:
    """Whether all that the class binds the attribute to are torch's tensors, so that there is always one to detach."""
    values = [
        found.value
        for found in descendants(owner)
        if isinstance(found, cst.Assign) and any(dotted_name(to.target) == f"self.{name}" for to in found.targets)
    ]
    return len(values) > 1 and all(isinstance(value, cst.Call) and meaning_of(code, value.func) for value in values)

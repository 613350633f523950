"""Mends backward passes: a graph kept in vain, two roots in one pass, history cut between the rounds of a loop."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.events import Backward
from autograd_lint.finding import Fix
from autograd_lint.fixing.calls import argument, receiver, without_argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.walk import descendants, names_read, target_names

_PASSES = frozenset({"backward", "grad"})


def only_once(code: Code, event: Backward) -> Fix | None:
    """Drop `retain_graph=True` where nothing uses the graph again; else run one backward of the sum."""
    call = code.find(event.site, cst.Call)
    given = None if call is None else argument(call, "retain_graph", 1)
    if call is None or given is None:
        return None
    if event.reused:
        return _summed(code, event, call)
    everywhere = [other for other in code.events_at(event.site) if isinstance(other, Backward)]
    known = all(other.certain and other.root.in_graph and not other.reused for other in everywhere)
    fix = code.safe if known and _is_last_pass(code, call) else code.unsafe
    return fix("drop `retain_graph=True`", without_argument(code, call, given))


def carried_without_graph(code: Code, event: Backward) -> Fix | None:
    """`state = state.detach()` where a round begins, for the value that the round before has computed."""
    backward, shared = code.node(event.site), code.node(event.shared)
    loop = None if backward is None else _loop_around(code, backward)
    if loop is None or shared is None or not isinstance(loop.body, cst.IndentedBlock) or not loop.body.body:
        return None
    line = code.line(shared)
    made = () if line is None else [name for small in line.body for name in _assigned(small)]
    name = next((name for name in made if _is_carried(code, loop, name)), None)
    if name is None:
        return None
    first = loop.body.body[0]
    cut = f"{name} = {name}.detach()"
    return code.unsafe(f"cut the history: `{cut}`", code.line_before(first, cut))


def _summed(code: Code, event: Backward, call: cst.Call) -> Fix | None:
    """`a.backward(retain_graph=True)` and then `b.backward()` become `(a + b).backward()`."""
    again = code.find(event.reused[0], cst.Call) if len(event.reused) == 1 else None
    ours, theirs = code.line(call), None if again is None else code.line(again)
    if again is None or ours is None or theirs is None or event.stepped is not None or again.args:
        return None
    if len(call.args) != 1 or not _is_plain(code, call) or not _is_plain(code, again):
        return None
    block = getattr(code.parent(ours), "body", ())
    places = [i for i, statement in enumerate(block) if statement is ours or statement is theirs]
    if len(places) != 2 or places[1] != places[0] + 1 or block[places[0]] is not ours:
        return None
    first, second = (found.func.value for found in (call, again) if isinstance(found.func, cst.Attribute))
    text = f"({receiver(code, first)} + {receiver(code, second)})"
    return code.unsafe("run one backward of the sum", code.without_line(ours), code.replace(second, text))


def _is_plain(code: Code, call: cst.Call) -> bool:
    method = isinstance(call.func, cst.Attribute) and call.func.attr.value == "backward"
    return method and isinstance(code.parent(call), cst.Expr)


def _is_last_pass(code: Code, call: cst.Call) -> bool:
    """Whether a script can run no other backward after this one: it is in no loop and no function, and the last."""
    if code.scope(call) is not code.tree or any(isinstance(found, cst.For | cst.While) for found in code.around(call)):
        return False
    place = code.place(call).start
    return all(code.scope(other) is code.tree and code.place(other).start <= place for other in _passes(code))


def _passes(code: Code) -> Iterator[cst.CSTNode]:
    for found in descendants(code.tree):
        if isinstance(found, cst.Name) and found.value in _PASSES:
            yield found


def _loop_around(code: Code, node: cst.CSTNode) -> cst.For | cst.While | None:
    """The innermost loop in the same function."""
    scope = code.scope(node)
    around = (found for found in code.around(node) if code.scope(found) is scope)
    return next((found for found in around if isinstance(found, cst.For | cst.While)), None)


def _assigned(node: cst.BaseSmallStatement) -> Iterator[str]:
    for target in node.targets if isinstance(node, cst.Assign) else ():
        yield from target_names(target.target)


def _is_carried(code: Code, loop: cst.For | cst.While, name: str) -> bool:
    """Whether a round reads `name` as the round before left it: it is bound before the loop to what is not None."""
    scope, start = code.scope(loop), code.place(loop).start
    before = [
        found
        for found in descendants(scope)
        if isinstance(found, cst.Assign) and code.place(found).start < start and name in _assigned(found)
    ]
    if not before or (isinstance(before[-1].value, cst.Name) and before[-1].value.value == "None"):
        return False
    return any(read.value == name for read in names_read(loop.body))

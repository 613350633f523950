"""Mends backward passes that keep their graph: in vain, or for another pass that one backward of the sum replaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from autograd_lint.events import Backward
from autograd_lint.finding import Fix
from autograd_lint.fixing.calls import argument, receiver, without_argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.origins import origins
from autograd_lint.fixing.walk import descendants, names_read, only_one, target_names

_PASSES: Final = frozenset({"backward", "grad"})
_OF_GRADIENTS: Final = frozenset({*_PASSES, "step", "zero_grad", "unscale_", "clip_grad_norm_", "clip_grad_value_"})
"""Names of what must not come between two passes that become one."""


def only_once(code: Code, event: Backward) -> Fix | None:
    """Drop `retain_graph=True` where nothing uses the graph again; else run one backward of the sum."""
    call = code.find(event.site, cst.Call)
    given = None if call is None else argument(call, "retain_graph", 1)
    if call is None or given is None:
        return None
    if _is_true(argument(call, "create_graph", 2)):  # which keeps the graph by itself
        return code.safe("drop `retain_graph=True`", without_argument(code, call, given))
    if event.reused:
        return _looped(code, event, call) or _summed(code, event, call)
    everywhere = [other for other in code.events_at(event.site) if isinstance(other, Backward)]
    known = all(other.certain and other.root.in_graph and not other.reused for other in everywhere)
    if not known and _may_be_needed(code, call):
        return None
    fix = code.safe if known and _is_last_pass(code, call) else code.unsafe
    return fix("drop `retain_graph=True`", without_argument(code, call, given))


def _is_true(given: cst.Arg | None) -> bool:
    return given is not None and isinstance(given.value, cst.Name) and given.value.value == "True"


def _may_be_needed(code: Code, call: cst.Call) -> bool:
    """Whether a later pass in the same function may go through the graph, as far as names tell."""
    root = _root(call)
    ours = None if root is None else origins(code, root)
    if root is None or ours is None or _is_returned(code, root):
        return True
    scope, looped = code.scope(call), any(isinstance(found, cst.For | cst.While) for found in code.around(call))
    for name in _passes(code):
        other = next((found for found in code.around(name) if isinstance(found, cst.Call)), None)
        if other is None or other is call or code.scope(other) is not scope:
            continue
        if code.place(other).start < code.place(call).start and not looped:
            continue
        again = _root(other)
        theirs = None if again is None else origins(code, again)
        if theirs is None or ours & theirs:
            return True
    return False


def _root(call: cst.Call) -> cst.BaseExpression | None:
    """What a pass starts from: the tensor whose method is called, or the first argument."""
    if call.args and not call.args[0].keyword and not call.args[0].star:
        return call.args[0].value
    return call.func.value if isinstance(call.func, cst.Attribute) else None


def _is_returned(code: Code, root: cst.BaseExpression) -> bool:
    names = {read.value for read in names_read(root)}
    return any(
        found.value is not None
        for found in descendants(code.scope(root))
        if isinstance(found, cst.Return) and names & {read.value for read in names_read(found)}
    )


# ---------------------------------------------------------------------- sums


def _summed(code: Code, event: Backward, call: cst.Call) -> Fix | None:
    """`a.backward(retain_graph=True)` and then `b.backward()` become `(a + b).backward()`."""
    again = code.find(event.reused[0], cst.Call) if len(event.reused) == 1 else None
    ours, theirs = code.line(call), None if again is None else code.line(again)
    if again is None or ours is None or theirs is None or event.stepped is not None:
        return None
    if not _is_plain(code, call) or not _is_plain(code, again):
        return None
    first, second = (found.func.value for found in (call, again) if isinstance(found.func, cst.Attribute))
    if not _can_wait(code, ours, theirs, first):
        return None
    text = f"({receiver(code, first)} + {_term(code, second)})"
    return code.unsafe("run one backward of the sum", code.without_statement(ours), code.replace(second, text))


def _term(code: Code, node: cst.BaseExpression) -> str:
    """The text of what is added; a sum needs no parentheses of its own."""
    text = receiver(code, node)
    is_sum = isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add) and len(node.lpar) == 1
    return text[1:-1] if is_sum else text


def _can_wait(code: Code, ours: cst.CSTNode, theirs: cst.CSTNode, root: cst.CSTNode) -> bool:
    """Whether the first pass can run with the second: what lies between them in one block only computes."""
    block = list(getattr(code.parent(ours), "body", ()))
    places = [i for i, statement in enumerate(block) if statement is ours or statement is theirs]
    if len(places) != 2 or block[places[0]] is not ours:
        return False
    read = {name.value for name in names_read(root)}
    for statement in block[places[0] + 1 : places[1]]:
        small = only_one(statement)
        if not isinstance(small, cst.Assign) or read & {
            name for to in small.targets for name in target_names(to.target)
        }:
            return False
        if any(isinstance(found, cst.Name) and found.value in _OF_GRADIENTS for found in descendants(small)):
            return False
    return True


def _is_plain(code: Code, call: cst.Call) -> bool:
    """`x.backward()`, a statement of its own, with no other argument than `retain_graph`."""
    method = isinstance(call.func, cst.Attribute) and call.func.attr.value == "backward"
    keeps = all(arg.keyword is not None and arg.keyword.value == "retain_graph" for arg in call.args)
    return method and keeps and isinstance(code.parent(call), cst.Expr)


def _looped(code: Code, event: Backward, call: cst.Call) -> Fix | None:
    """`for loss in losses: loss.backward(retain_graph=True)` becomes `sum(losses).backward()`."""
    line = code.line(call)
    block = None if line is None else code.parent(line)
    loop = None if block is None else code.parent(block)
    if not isinstance(block, cst.IndentedBlock) or not isinstance(loop, cst.For) or len(block.body) != 1:
        return None
    if loop.orelse is not None or loop.asynchronous is not None or not isinstance(loop.target, cst.Name):
        return None
    alone = all(code.node(site) is call for site in event.reused) and event.stepped is None and _is_plain(code, call)
    if not alone or not isinstance(call.func, cst.Attribute) or _is_used_outside(code, loop, loop.target.value):
        return None
    terms = f"sum({_terms(code, loop, call.func.value)})"
    return code.unsafe("run one backward of the sum", code.replace(loop, f"{terms}.backward()"))


def _terms(code: Code, loop: cst.For, root: cst.BaseExpression) -> str:
    variable, losses = code.text(loop.target), code.text(loop.iter)
    if isinstance(root, cst.Name) and root.value == variable:
        return f"[{losses}]" if isinstance(loop.iter, cst.Tuple) and not loop.iter.lpar else losses
    return f"{code.text(root)} for {variable} in {losses}"


def _is_used_outside(code: Code, loop: cst.For, name: str) -> bool:
    everywhere = sum(read.value == name for read in names_read(code.scope(loop)))
    return everywhere > sum(read.value == name for read in names_read(loop))


# --------------------------------------------------------------- last passes


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

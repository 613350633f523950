"""Optimizers over parameters that are not known: stepped round after round with nothing that clears the gradients.

What is not called cannot clear. So the steps are seen by executing the loop, and that nothing in it could have cleared
is read from the source of the function around it. Nothing learned so is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import libcst as cst

from autograd_lint.events import Accumulation, Site, TensorRef
from autograd_lint.static.model.values import OptimizerValue, Unknown, Value
from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.walk import subtree

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run

_CLEARING: Final = re.compile(r"zero|clear|reset|flush|accumul|sync", re.IGNORECASE)
"""Names of what may clear gradients, or of what leaves them uncleared on purpose."""
_HARMLESS: Final = frozenset({"print", "len", "isinstance", "clip_grad_norm_", "clip_grad_value_", "clip_grad_norm"})
_MODES: Final = frozenset({"train", "eval", "parameters", "to", "cuda"})


def note_uncleared(run: Run, step: Site, owner: Value, name: str, first: Site, again: Site, others: set[str]) -> None:
    """`owner`, called `name`, stepped after the backward at `first`, and now after the one at `again`.

    `others` are the names of the optimizers that were stepped too, whose own gradients may be cleared.
    """
    function = run.frame.function
    unknown = isinstance(owner, Unknown) or (isinstance(owner, OptimizerValue) and owner.open and not owner.params)
    if not unknown or function is None or isinstance(function.node, ir.Lambda) or run.machine.failed:
        return
    if run.env.find(name) is not owner or not _shows_all(function.node.cst, step.token, name, others):
        return
    run.machine.emit(
        Accumulation(site=again, first=first, leaf=TensorRef(""), stepped=step, in_loop=True, certain=False)
    )


def _shows_all(function: cst.CSTNode, step: object, optimizer: str, others: set[str]) -> bool:
    """Nothing in `function` is called as if it cleared, and nothing in the loop is handed what it would clear."""
    loops = [node for node in subtree(function) if isinstance(node, cst.For | cst.While)]
    inside = [loop for loop in loops if any(part is step for part in subtree(loop))]
    elsewhere: set[cst.CSTNode] | None = None
    for node in subtree(function):
        if isinstance(node, cst.Attribute | cst.Name | cst.Arg) and _CLEARING.search(_last(node)):
            if _belongs_to(function, node, others - {optimizer}):
                continue
            elsewhere = _never_with(inside, step) if elsewhere is None else elsewhere
            if node not in elsewhere:
                return False
        if isinstance(node, cst.AssignTarget) and _last(node.target) == "grad":
            return False
    return bool(inside) and not any(_hands_over(loop, optimizer) for loop in inside)


def _never_with(loops: list[cst.For | cst.While], step: object) -> set[cst.CSTNode]:
    """What is in no round of a run whose rounds reach `step`: the other branch of a flag that no round changes."""
    if not loops:
        return set()
    apart: set[cst.CSTNode] = set()
    bound = set(_bound_in(loops[0]))
    for branch in subtree(loops[0]):
        if not isinstance(branch, cst.If) or branch.orelse is None or not _is_flag(branch.test, bound):
            continue
        body, orelse = set(subtree(branch.body)), set(subtree(branch.orelse))
        if step in orelse:
            apart |= body
        elif step in body:
            apart |= orelse
    return apart


def _bound_in(loop: cst.CSTNode) -> Iterator[str]:
    """The names that something in `loop` binds."""
    for node in subtree(loop):
        if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.NamedExpr | cst.For | cst.CompFor):
            yield from (part.value for part in subtree(node.target) if isinstance(part, cst.Name))
        elif isinstance(node, cst.AsName):
            yield from (part.value for part in subtree(node.name) if isinstance(part, cst.Name))


def _is_flag(test: cst.BaseExpression, bound: set[str]) -> bool:
    """The test is a name that no round binds anew, or its negation."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _is_flag(test.expression, bound)
    return isinstance(test, cst.Name) and test.value not in bound


def _belongs_to(function: cst.CSTNode, node: cst.CSTNode, others: set[str]) -> bool:
    """`node` is the `zero_grad` of `other.zero_grad()`."""
    return any(
        isinstance(part, cst.Attribute)
        and (part is node or part.attr is node)
        and isinstance(part.value, cst.Name)
        and part.value.value in others
        for part in subtree(function)
    )


def _hands_over(loop: cst.CSTNode, optimizer: str) -> bool:
    """The optimizer or a network is given to a call, or a method of them is called that is not known."""
    calls = [node for node in subtree(loop) if isinstance(node, cst.Call)]
    networks = {call.func.value for call in calls if isinstance(call.func, cst.Name)}
    for call in calls:
        if _last(call.func) in _HARMLESS:
            continue
        given = {arg.value.value for arg in call.args if isinstance(arg.value, cst.Name)}
        if given & (networks | {optimizer}):
            return True
        owner = call.func.value if isinstance(call.func, cst.Attribute) else None
        if isinstance(owner, cst.Name) and owner.value in (networks | {"self"}) and _last(call.func) not in _MODES:
            return True
    return False


def _last(node: cst.CSTNode) -> str:
    """The last name of what is called, read or given."""
    if isinstance(node, cst.Arg):
        return node.keyword.value if node.keyword is not None else ""
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""

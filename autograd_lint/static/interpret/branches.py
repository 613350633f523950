"""Which way an `if` goes on a path, and what other paths must reach for it."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.static.interpret.expressions import decide, evaluate
from autograd_lint.static.interpret.state import Run, Signal, truth
from autograd_lint.static.syntax import ir

_LEAVING: Final[ir.Block] = (ir.Jump(cst.Pass(), "pass"),)
"""Stands for the statements behind an `if` whose arm leaves the block: never reached by itself."""


def execute_if(run: Run, node: ir.If) -> Signal | None:
    """A branch that only raises is not taken: the program is read as one that runs."""
    if node.body and type(node.body[-1]) is ir.Raise and not run.machine.catching:
        value = evaluate(run, node.test)
        taken = truth(value) is True
        if truth(value) is None:
            run.path.memo.setdefault(id(value), (value, False))
    else:
        at = len(run.path.choices)
        taken = decide(run, node.test, first=_leads_to_news(run, node))
        if len(run.path.choices) > at:
            return _undecided(run, node, at, taken=taken)
        if run.shortened:
            run.skipped.append(node.orelse if taken else node.body)
    return run.execute(node.body if taken else node.orelse)


def _leads_to_news(run: Run, node: ir.If) -> bool:
    """Whether the body is tried first: not where earlier paths have been in it, and not yet in what it skips."""
    seen = run.path.seen
    if not node.body or node.body[0].cst not in seen:
        return True
    other = _instead(node, taken=True)
    return not other or other[0].cst in seen


def _undecided(run: Run, node: ir.If, at: int, *, taken: bool) -> Signal | None:
    """An arm that was chosen: on another path it is the other one. In imported files not every arm need be reached."""
    for choice in range(at, len(run.path.choices)) if run.filename == run.home else ():
        run.path.untaken[choice] = _instead(node, taken=taken)
    if not taken:
        run.reached.add(node.test.cst)
    run.branches.append(run.machine.loops)
    try:
        return run.execute(node.body if taken else node.orelse)
    finally:
        run.branches.pop()


def _instead(node: ir.If, *, taken: bool) -> ir.Block:
    """What runs when the condition goes the other way; the `if` itself where the arm taken leaves the block."""
    ours, other = (node.body, node.orelse) if taken else (node.orelse, node.body)
    leaves = bool(ours) and isinstance(ours[-1], ir.Return | ir.Raise | ir.Jump)
    return other or (_LEAVING if leaves else _skipping(node) if taken else ())


def _skipping(node: ir.If) -> ir.Block:
    """Stands for a round that leaves out a body in which something begins anew, `total = 0`: what it holds goes on."""
    anew = any(type(statement) is ir.Assign and _is_fresh(statement.value) for statement in node.body)
    return (ir.ExprStmt(node.test.cst, node.test),) if anew else ()


def _is_fresh(value: ir.Expr) -> bool:
    """A number, an empty list, or several of them."""
    if type(value) is ir.Sequence:
        return all(_is_fresh(part) for part in value.elts)
    return type(value) is ir.Const and type(value.value) in (int, float)

"""Lists that a loop may fill in rounds or branches that this path leaves out: what is in them is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import libcst as cst

from autograd_lint.static.model.values import Seq
from autograd_lint.static.syntax.walk import subtree

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run
    from autograd_lint.static.syntax import ir

_GROWING: Final = frozenset({"append", "extend", "insert"})


def empty_lists(run: Run) -> dict[str, Seq]:
    """The lists in this scope that hold nothing yet, by name."""
    names = run.env.names.items()
    return {name: value for name, value in names if type(value) is Seq and not value.items and not value.open}


def open_unfilled(loop: ir.For, before: dict[str, Seq]) -> None:
    """`loop` has ended, and left some of its source's `items.append(…)` out: other rounds may have come to them."""
    unfilled = {name: value for name, value in before.items() if not value.items}
    if not unfilled:
        return
    if loop.filled is None:
        loop.filled = frozenset(_filled(loop.cst))
    for name in loop.filled & unfilled.keys():
        unfilled[name].open = True


def _filled(node: cst.CSTNode) -> Iterator[str]:
    for here in subtree(node):
        if isinstance(here, cst.AugAssign) and isinstance(here.target, cst.Name):
            yield here.target.value
        elif isinstance(here, cst.Attribute) and isinstance(here.value, cst.Name) and here.attr.value in _GROWING:
            yield here.value.value

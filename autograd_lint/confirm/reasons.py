"""Why a run did not come to a row: nothing called the function, or the run turned off before."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from autograd_lint.confirm.aims import Tree, last_row

_LONG: Final = 80
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Why:
    """Why a row was not reached, in words; empty if nothing tells. `near`: the run was in its function or script.

    `last` is the row after which it turned off.
    """

    text: str
    near: bool
    last: int = 0


def why_not_reached(tree: Tree, row: int, reached: Collection[int]) -> Why:
    """What the rows that a run `reached` tell of why it did not come to `row`."""
    function = _around(tree, row)
    body = function.body if function is not None else tree.module.body if tree.module is not None else []
    statements = [found for part in body for found in ast.walk(part) if isinstance(found, ast.stmt)]
    before = [found for found in statements if found.lineno < row and found.lineno in reached]
    if not before:
        return Why(f"nothing called `{function.name}`" if function is not None else "", near=False)
    last = max(before, key=lambda found: (found.lineno, found.col_offset))
    text = " ".join(" ".join(tree.text.splitlines()[last.lineno - 1 : last_row(last)]).split())
    quoted = text if len(text) <= _LONG else text[:_LONG] + "…"
    return Why(f"the run turned off after row {last.lineno}, `{quoted}`", near=True, last=last.lineno)


def _around(tree: Tree, row: int) -> _Function | None:
    """The innermost function that has `row` in its body."""
    nodes = ast.walk(tree.module) if tree.module is not None else ()
    functions = [node for node in nodes if isinstance(node, _Function)]
    inside = [node for node in functions if node.body[0].lineno <= row <= (node.end_lineno or row)]
    return max(inside, key=lambda node: node.lineno, default=None)

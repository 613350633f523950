"""Why a run did not come to a row: nothing called the function, or the run turned off before."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import Final

from autograd_lint.confirm.aims import Tree, last_row

_LONG: Final = 80
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def why_not_reached(tree: Tree, row: int, reached: Collection[int]) -> str:
    """What the rows that a run `reached` tell of why it did not come to `row`; empty if nothing."""
    function = _around(tree, row)
    body = function.body if function is not None else tree.module.body if tree.module is not None else []
    statements = [found for part in body for found in ast.walk(part) if isinstance(found, ast.stmt)]
    before = [found for found in statements if found.lineno < row and found.lineno in reached]
    if not before:
        return f"nothing called `{function.name}`" if function is not None else ""
    last = max(before, key=lambda found: (found.lineno, found.col_offset))
    text = " ".join(" ".join(tree.text.splitlines()[last.lineno - 1 : last_row(last)]).split())
    return f"the run turned off after row {last.lineno}, `{text if len(text) <= _LONG else text[:_LONG] + '…'}`"


def _around(tree: Tree, row: int) -> _Function | None:
    """The innermost function that has `row` in its body."""
    nodes = ast.walk(tree.module) if tree.module is not None else ()
    functions = [node for node in nodes if isinstance(node, _Function)]
    inside = [node for node in functions if node.body[0].lineno <= row <= (node.end_lineno or row)]
    return max(inside, key=lambda node: node.lineno, default=None)

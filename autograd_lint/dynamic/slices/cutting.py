"""Changes the syntax tree of a program so that it comes to an end: loops are cut, devices are this machine's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any, Final

ROUNDS: Final = "__autograd_lint_rounds__"
ENOUGH: Final = "__autograd_lint_enough__"
_FEW: Final = 8
"""A loop over so many items runs in full: it may build something."""
_CUT: Final = 2
_WHILE: Final = 200
_DEVICE: Final = re.compile(r"(?:cuda|mps|xpu|hip)(?::\d+)?:?\Z")


class Cutter(ast.NodeTransformer):
    """Wraps what loops run over, bounds `while` loops, and names the CPU in place of other devices."""

    def __init__(self) -> None:
        self._numbers = count()

    def visit_For(self, node: ast.For) -> ast.AST:
        """`for x in rounds(items)`."""
        self.generic_visit(node)
        node.iter = _call(ROUNDS, node.iter)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        """A `while` whose condition fails after enough rounds."""
        self.generic_visit(node)
        trains = any(isinstance(part, ast.Attribute) and part.attr in ("backward", "step") for part in ast.walk(node))
        most = _CUT if trains else _WHILE
        asked = ast.Call(_name(ENOUGH), [ast.Constant(next(self._numbers)), ast.Constant(most)], [])
        node.test = ast.BoolOp(ast.And(), [asked, node.test])
        ast.copy_location(asked, node.test.values[1])
        ast.copy_location(node.test, node.test.values[1])
        ast.fix_missing_locations(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """`"cpu"` for `"cuda:0"`."""
        if isinstance(node.value, str) and _DEVICE.match(node.value):
            return ast.copy_location(ast.Constant("cpu"), node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """`"cpu"` for `f"cuda:{rank}"`; other texts stay as they are."""
        first = node.values[0] if node.values else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and _DEVICE.match(first.value):
            return ast.copy_location(ast.Constant("cpu"), node)
        return node


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(name: str, argument: ast.expr) -> ast.expr:
    call = ast.copy_location(ast.Call(_name(name), [argument], []), argument)
    ast.copy_location(call.func, argument)
    return call


def rounds(items: Iterable[Any]) -> Iterator[Any]:
    """The items of a short loop; the first two of a long one, or of one whose length is not known."""
    try:
        size: float = len(items)  # type: ignore[arg-type]
    except TypeError:
        size = float("inf")
    return iter(items) if size <= _FEW else islice(items, _CUT)


class Enough:
    """Counts the rounds of each `while` loop."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def __call__(self, number: int, most: int) -> bool:
        """Whether the loop may go on; when it may not, the next time begins anew."""
        self._counts[number] = self._counts.get(number, 0) + 1
        if self._counts[number] > most:
            del self._counts[number]
            return False
        return True

"""Changes the syntax tree of a program so that it comes to an end: loops are cut, devices are this machine's."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any, Final

ROUNDS: Final = "__autograd_lint_rounds__"
ENOUGH: Final = "__autograd_lint_enough__"
REFUSED: Final = "__autograd_lint_refused__"
OVER: Final = "__autograd_lint_over__"
UNPACKED: Final = "__autograd_lint_unpacked__"
PLAIN: Final = "__autograd_lint_plain__"
LACKING: Final = "__autograd_lint_lacking__"
ABSENT: Final = "__autograd_lint_absent__"
WAITS: Final = "__autograd_lint_waits__"
_FEW: Final = 8
"""A loop over so many items runs in full: it may build something."""
_CUT: Final = 2
_WHILE: Final = 200
_CUDA_TYPE: Final = re.compile(r"torch\.cuda\.(?=\w+Tensor\Z)")
_TENSOR_CLASS: Final = re.compile(r"(?:Float|Double|Half|Int|Long|Short|Byte|Bool)?Tensor")
_DEVICE: Final = re.compile(r"(?:cuda|mps|xpu|hip)(?::\d+)?:?\Z")


class Devices(ast.NodeTransformer):
    """Names the CPU in place of other devices."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """`"cpu"` for `"cuda:0"`."""
        if isinstance(node.value, str) and _DEVICE.match(node.value):
            return ast.copy_location(ast.Constant("cpu"), node)
        if isinstance(node.value, str) and _CUDA_TYPE.match(node.value):
            return ast.copy_location(ast.Constant(_CUDA_TYPE.sub("torch.", node.value)), node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """`"cpu"` for `f"cuda:{rank}"`; other texts stay as they are."""
        first = node.values[0] if node.values else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and _DEVICE.match(first.value):
            return ast.copy_location(ast.Constant("cpu"), node)
        return node


class Cutter(Devices):
    """Wraps what loops run over, bounds `while` loops, and names the CPU in place of other devices.

    A statement that autograd refuses is stepped over, so that what comes after it is seen too; except where the program
    itself is prepared for the exception.
    """

    def __init__(self) -> None:
        self._numbers = count()
        self._prepared = 0

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """What is tried may raise."""
        self._prepared += 1
        node.body = [self.visit(each) for each in node.body]
        self._prepared -= 1
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        """`with raises(…)` waits for an exception."""
        waits = any(isinstance(part, ast.Name | ast.Attribute) and _last(part) in _WAITING for part in _heads(node))
        self._prepared += waits
        self.generic_visit(node)
        self._prepared -= waits
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A call for its effect, such as that of `backward`."""
        self.generic_visit(node)
        return self._stepped_over(node) if isinstance(node.value, ast.Call) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`torch.Tensor(plain(x))`: a class, which cannot be replaced by what takes all that is not known."""
        self.generic_visit(node)
        made = isinstance(node.func, ast.Name | ast.Attribute) and _TENSOR_CLASS.fullmatch(_last(node.func))
        if made and len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
            node.args[0] = _call(PLAIN, node.args[0])
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """A write in place."""
        self.generic_visit(node)
        return self._stepped_over(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """A write to elements; and an unpacking, which tells how many values there are."""
        self.generic_visit(node)
        target = node.targets[0]
        form = _form_of(target)
        if form:
            node.value = _call(UNPACKED, node.value)
            node.value.args.append(_written(form, node.value))
        if isinstance(target, ast.Subscript):
            return self._stepped_over(node)
        value = node.value.args[0] if form and isinstance(node.value, ast.Call) else node.value
        return self._made_up(node, value, form) if isinstance(value, ast.Call) else node

    def _made_up(self, node: ast.Assign, call: ast.Call, form: tuple[Any, ...]) -> ast.stmt:
        """`try: …`, with something that is not known where the call wants what is not here: a file, a service."""
        if self._prepared:
            return node
        given = [ast.Constant(node.lineno), ast.Constant(ast.unparse(call.func)), _written(form, call)]
        instead = ast.Assign(node.targets, ast.Call(_name(ABSENT), given, []))
        handler = ast.ExceptHandler(_name(LACKING), None, [instead])
        tried = ast.Try([node], [handler], [], [])
        for new in (handler, instead, tried):
            ast.copy_location(new, node)
        return ast.fix_missing_locations(tried)

    def _stepped_over(self, node: ast.stmt) -> ast.stmt:
        """`try: …` that goes on after what autograd says."""
        if self._prepared:
            return node
        told = ast.Expr(ast.Call(_name(OVER), [ast.Constant(node.lineno)], []))
        handler = ast.ExceptHandler(_name(REFUSED), None, [told])
        tried = ast.Try([node], [handler], [], [])
        for new in (handler, told, tried):
            ast.copy_location(new, node)
        return ast.fix_missing_locations(tried)

    def visit_For(self, node: ast.For) -> ast.AST:
        """`for x in rounds(items)`; with the form of what each item is unpacked into, if it is."""
        self.generic_visit(node)
        form = _form_of(node.target)
        node.iter = _call(ROUNDS, node.iter)
        if form:
            node.iter.args.append(_written(form, node.iter))
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """`if waits(len(memory) < batch_size, row): return`: what takes more rounds than there are may be passed."""
        self.generic_visit(node)
        leaves = isinstance(node.body[-1], ast.Return | ast.Continue) and not node.orelse
        if leaves and isinstance(node.test, ast.Compare) and any(map(_is_length, ast.walk(node.test))):
            node.test = _call(WAITS, node.test)
            node.test.args.append(ast.copy_location(ast.Constant(node.lineno), node.test))
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


def _is_length(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _form_of(target: ast.expr) -> tuple[Any, ...]:
    """How a target takes a value apart: an item for each name, its own form if that is taken apart; empty if not."""
    if not isinstance(target, ast.Tuple | ast.List) or any(isinstance(part, ast.Starred) for part in target.elts):
        return ()
    return tuple(_form_of(part) for part in target.elts)


def _written(form: tuple[Any, ...], near: ast.expr) -> ast.expr:
    """A form as an expression."""
    return ast.copy_location(ast.Tuple([_written(part, near) for part in form], ast.Load()), near)


_WAITING: Final = ("raises", "assertRaises", "assertRaisesRegex", "suppress")


def _heads(node: ast.With) -> Iterator[ast.AST]:
    """What is called to make the contexts."""
    return (item.context_expr.func for item in node.items if isinstance(item.context_expr, ast.Call))


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(name: str, argument: ast.expr) -> ast.Call:
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


class Guards:
    """Conditions that a length does not fulfil yet, because loops were cut: `forced`, they count as passed."""

    def __init__(self) -> None:
        self.forced = False
        self.passed: dict[int, None] = {}
        self.met = False

    def __call__(self, waits: Any, row: int) -> Any:
        """The condition in `row`, which keeps the program from going on."""
        if not waits:
            return waits
        self.met = True
        if not self.forced:
            return waits
        self.passed[row] = None
        return False


class Over:
    """Goes on after what autograd raised, and remembers in which rows."""

    def __init__(self, is_autograds: Callable[[str], bool]) -> None:
        self.rows: dict[int, None] = {}
        self._is_autograds = is_autograds

    def __call__(self, row: int) -> None:
        """In the handler of an exception: it goes on its way if it is not autograd's."""
        error = sys.exc_info()[1]
        if error is not None and not self._is_autograds(str(error)):
            raise error
        self.rows[row] = None

"""A validation under `no_grad`: the function decorated where it only evaluates, else the loop or statement wrapped."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.events import EvalForward
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.lines import in_a_row, under
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.walk import descendants, dotted_name

_TRAINING: Final = frozenset(
    {"backward", "step", "grad", "enable_grad", "set_grad_enabled", "requires_grad_", "zero_grad"}
)
"""Names of which one is in all code that needs gradients."""
_TELLING: Final = ("train", "fit", "update", "optimi")
"""Parts of the names of functions that train."""


def without_gradients(code: Code, event: EvalForward) -> Fix | None:
    """`@torch.no_grad()` on a function that only evaluates, else `with torch.no_grad():`."""
    node, mode = code.node(event.site), code.node(event.mode)
    no_grad = None if node is None else name_for(code, "torch.no_grad", node)
    if node is None or no_grad is None:
        return None
    scope = code.scope(node)
    if isinstance(scope, cst.FunctionDef) and mode is not None and _only_evaluates(code, scope, mode):
        name = scope.name.value
        decorator = code.line_before(scope, f"@{no_grad.text}()")
        return code.unsafe(f"run `{name}` under `no_grad`", *no_grad.imports, decorator)
    first, last = _run(code, node, mode)
    edit = under(code, first, f"with {no_grad.text}():", until=last)
    return code.unsafe("evaluate under `no_grad`", *no_grad.imports, edit)


def _only_evaluates(code: Code, function: cst.FunctionDef, mode: cst.CSTNode) -> bool:
    """Whether the mode is set in the function itself, once, and nothing in it seems to need gradients."""
    if code.scope(mode) is not function or function.asynchronous is not None or function.name.value == "forward":
        return False
    in_loop = any(
        isinstance(found, cst.For | cst.While) and code.scope(found) is function for found in _loops(code, mode)
    )
    return not in_loop and not _trains(code, function)


def _run(code: Code, node: cst.CSTNode, mode: cst.CSTNode | None) -> tuple[cst.CSTNode, cst.CSTNode]:
    """The first and the last of the statements in a row that are all such forwards, or loops around them."""
    forwards = [found for site in code.reported(EvalForward) if (found := code.node(site)) is not None]
    parts = [_widest_loop(code, forward, mode) or forward for forward in forwards]
    return in_a_row(code, _widest_loop(code, node, mode) or node, parts)


def _widest_loop(code: Code, node: cst.CSTNode, mode: cst.CSTNode | None) -> cst.CSTNode | None:
    """The outermost loop around the forward that neither trains nor begins before evaluation mode is set."""
    scope, widest = code.scope(node), None
    for loop in _loops(code, node):
        holds_mode = mode is not None and any(found is loop for found in code.around(mode))
        if code.scope(loop) is not scope or holds_mode or _trains(code, loop):
            break
        widest = loop
    return widest


def _loops(code: Code, node: cst.CSTNode) -> list[cst.CSTNode]:
    return [found for found in code.around(node) if isinstance(found, cst.For | cst.While)]


def _trains(code: Code, part: cst.CSTNode) -> bool:
    """Whether code runs a backward or a step, itself or by a function that this file defines or that is called so."""
    called = set()
    for found in descendants(part):
        if isinstance(found, cst.Name) and found.value in _TRAINING:
            return True
        if isinstance(found, cst.Call):
            name = dotted_name(found.func).rpartition(".")[2]
            mode = isinstance(found.func, cst.Attribute) and name == "train" and len(found.args) <= 1
            if not mode and any(word in name.lower() for word in _TELLING):
                return True
            called.add(name)
    return any(
        isinstance(found, cst.Name) and found.value in _TRAINING
        for function in descendants(code.tree)
        if isinstance(function, cst.FunctionDef) and function.name.value in called
        for found in descendants(function)
    )

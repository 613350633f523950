"""What to call so that a row runs: the function, the method or the `forward` around it, with made-up arguments."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.inventing import Inventor, uses_of

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Call = tuple[Callable[..., Any], list[Any], dict[str, Any]]
"""A function and its arguments."""


def call_of(outer: Any, path: list[Definition], inventor: Inventor, *, direct: bool) -> Callable[[], Call] | None:
    """What to call: the function; of a class, an object's `forward`, or the method that the row is in."""
    if not isinstance(path[0], ast.ClassDef):
        return partial(call_with, outer, path[0], inventor)
    if issubclass(outer, torch.autograd.Function):
        return _apply(outer, path[0], inventor)
    constructor = _method(path[0], "__init__")
    positional, named = inventor.arguments(outer, constructor)
    made = outer(*positional, **named)
    if inventor.guesses.zeros and isinstance(made, torch.nn.Module):
        _clear(made)
    method = path[1] if len(path) > 1 and not isinstance(path[1], ast.ClassDef) else None
    if isinstance(made, torch.nn.Module):
        inventor.modules.append(made)
        if method is None or method.name in ("__init__", "forward") or (method.name[0] == "_" and not direct):
            method = _method(path[0], "forward")
    if method is None or method.name == "__init__":
        return None
    bound = made if method.name == "forward" and isinstance(made, torch.nn.Module) else getattr(made, method.name)
    return lambda: (bound, *inventor.arguments(getattr(made, method.name), method, path[0]))


def call_with(function: Callable[..., Any], node: ast.AST, inventor: Inventor) -> Call:
    """A call of `function`, which `node` defines."""
    return (function, *inventor.arguments(function, node))


def _apply(function: Any, node: ast.ClassDef, inventor: Inventor) -> Callable[[], Call]:
    """A call of a custom Function: what its forward takes after the context."""
    forward = _method(node, "forward")
    names = [each.arg for each in forward.args.args] if forward is not None else []
    names = names[1:] if names and _method(node, "setup_context") is None else names

    def make() -> Call:
        kinds = ((name, "Tensor" if sure else "", uses_of(forward, name)) for name, sure in _kinds(names))
        return function.apply, [inventor.value(*kind) for kind in kinds], {}

    return make


def functions_in(results: list[Any], outer: ast.AST) -> Iterator[tuple[Callable[..., Any], ast.AST]]:
    """The functions that a call has returned, those that are defined in what was called, with their definitions."""
    inner = {node.lineno: node for node in ast.walk(outer) if isinstance(node, ast.FunctionDef | ast.Lambda)}
    for result in results[-1:]:
        for value in result if isinstance(result, list | tuple) else (result,):
            code = getattr(value, "__code__", None)
            first = getattr(code, "co_firstlineno", 0)
            if isinstance(value, types.FunctionType) and first in inner and inner[first] is not outer:
                yield value, inner[first]


def _kinds(names: list[str]) -> Iterator[tuple[str, bool]]:
    """Names, and whether each is surely a tensor: the first one is."""
    for number, name in enumerate(names):
        yield name, number == 0 or name in ("weight", "bias", "y", "other")


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == name), None)


def path_to(body: list[ast.stmt], row: int) -> list[Definition]:
    """The definitions around `row`, outermost first: functions and methods, not what is nested in them."""
    for statement in body:
        if isinstance(statement, _DEFINITIONS) and statement.lineno <= row <= (statement.end_lineno or row):
            inner = path_to(statement.body, row) if isinstance(statement, ast.ClassDef) else []
            return [statement, *inner]
    return []


def total_of(result: Any) -> torch.Tensor | None:
    """One number that has to do with all of a result that has a graph."""
    parts = [part.float().sum() for part in _tensors(result) if part.requires_grad and part.grad_fn is not None]
    return torch.stack(parts).sum() if parts else None


@torch.no_grad()
def _clear(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        parameter.zero_()


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, list | tuple):
        for item in result:
            yield from _tensors(item)
    elif isinstance(result, dict):
        yield from _tensors(list(result.values()))

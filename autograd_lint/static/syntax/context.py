"""What lowering carries along: the scope being filled, and the opening and closing of scopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import libcst as cst

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.triggers import WRITTEN_BASES, is_called_trigger, is_written_trigger


class Context:
    """The scope being filled, and which of its names `global` and `nonlocal` hand to another one."""

    __slots__ = ("globals", "module", "nonlocals", "scope")

    def __init__(self) -> None:
        self.module = self.scope = ir.Scope()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def open(self) -> Outer:
        """Start a scope inside the present one; what is returned closes it again."""
        outer = (self.scope, self.globals, self.nonlocals)
        self.scope = ir.Scope()
        self.globals = set()
        self.nonlocals = set()
        return outer

    def close(self, outer: Outer) -> ir.Scope:
        """End the present scope, which is returned, and tell the enclosing one what it contains."""
        inner = self.scope
        if self.globals or self.nonlocals:
            self._give_away(inner)
        self.scope, self.globals, self.nonlocals = outer
        if inner.triggers:
            self.scope.triggers = True
        self.scope.in_place = self.scope.in_place or inner.in_place
        self.scope.calls |= inner.calls
        return inner

    def _give_away(self, inner: ir.Scope) -> None:
        self.module.locals |= inner.locals & self.globals
        inner.locals -= self.globals | self.nonlocals

    def called(self, name: str) -> None:
        """Note a call of something whose last name is `name`."""
        scope = self.scope
        scope.calls.add(name)
        if not scope.triggers and is_called_trigger(name):
            scope.triggers = True

    def bind(self, target: ir.Expr) -> None:
        """Note that `target` is assigned to."""
        binder = _BINDERS.get(type(target))
        if binder is not None:
            binder(self, target)

    def bind_in_comprehension(self, target: ir.Expr) -> None:
        """Note what a comprehension's target writes; the names it binds are its own."""
        if type(target) is not ir.Name:
            names = self.scope.locals
            self.scope.locals = set()
            self.bind(target)
            self.scope.locals = names


Outer: TypeAlias = tuple[ir.Scope, set[str], set[str]]
Lowering: TypeAlias = Callable[[Context, Any], Any]


def by_node_type(table: Mapping[str, Lowering]) -> dict[type[cst.CSTNode], Lowering]:
    """The table by node type; types that the installed LibCST does not have yet are left out."""
    return {getattr(cst, name): function for name, function in table.items() if hasattr(cst, name)}


def _bind_name(ctx: Context, target: ir.Name) -> None:
    ctx.scope.locals.add(target.id)


def _bind_subscript(ctx: Context, _target: ir.Subscript) -> None:
    ctx.scope.triggers = True


def _bind_attribute(ctx: Context, target: ir.Attr) -> None:
    base = target.base
    if is_written_trigger(target.name) or (type(base) is ir.Name and base.id in WRITTEN_BASES):
        ctx.scope.triggers = True


def _bind_sequence(ctx: Context, target: ir.Sequence) -> None:
    for element in target.elts:
        ctx.bind(element)


def _bind_starred(ctx: Context, target: ir.Starred) -> None:
    ctx.bind(target.value)


_BINDERS: dict[type[ir.Node], Callable[[Context, Any], None]] = {
    ir.Name: _bind_name,
    ir.Subscript: _bind_subscript,
    ir.Attr: _bind_attribute,
    ir.Sequence: _bind_sequence,
    ir.Starred: _bind_starred,
}

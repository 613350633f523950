"""Lowers a LibCST module to the small typed form of `ir`, by direct dispatch on node types."""

from __future__ import annotations

import libcst as cst

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.context import Context
from autograd_lint.static.syntax.lower_stmt import block
from autograd_lint.static.syntax.stack import with_room


def lower_module(tree: cst.Module, filename: str) -> ir.Module:
    """Lower a whole file; nesting of any depth that LibCST parses is lowered too."""
    return with_room(lambda: _lower(tree, filename))


def _lower(tree: cst.Module, filename: str) -> ir.Module:
    ctx = Context()
    body = block(ctx, tree.body)
    return ir.Module(tree, filename, body, ctx.module)

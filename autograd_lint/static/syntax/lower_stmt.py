"""Lowers LibCST statements: one function a node type, chosen by the type itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import libcst as cst

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.context import Context, by_node_type
from autograd_lint.static.syntax.lower_expr import annotation, arguments, expression, optional, parameters, unexecuted
from autograd_lint.static.syntax.lower_match import match
from autograd_lint.static.syntax.triggers import DEFINED, DISCARDED

AUGMENTED: Final[dict[type[cst.CSTNode], str]] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
    cst.PowerAssign: "**",
    cst.MatrixMultiplyAssign: "@",
    cst.BitAndAssign: "&",
    cst.BitOrAssign: "|",
    cst.BitXorAssign: "^",
    cst.LeftShiftAssign: "<<",
    cst.RightShiftAssign: ">>",
}


def block(ctx: Context, statements: Sequence[cst.CSTNode]) -> ir.Block:
    """Lower the statements of a body; the lines that hold simple statements dissolve."""
    lowered: list[ir.Stmt] = []
    for node in statements:
        if type(node) is cst.SimpleStatementLine:
            for small in node.body:
                lowered.append(STATEMENTS[type(small)](ctx, small))
        else:
            lowered.append(STATEMENTS[type(node)](ctx, node))
    return tuple(lowered)


# ----------------------------------------------------------- simple statements


def _expr(ctx: Context, node: cst.Expr) -> ir.Stmt:
    value = expression(ctx, node.value)
    if type(value) is ir.Call and type(value.func) is ir.Attr and value.func.name in DISCARDED:
        ctx.scope.triggers = True
    return ir.ExprStmt(node, value)


def _assign(ctx: Context, node: cst.Assign) -> ir.Stmt:
    targets = tuple([_target(ctx, target.target) for target in node.targets])
    value = expression(ctx, node.value)
    target = targets[0]
    if type(target) is ir.Name:
        if type(value) in _DISPLAYS:
            ctx.scope.displays.add(target.id)
    elif type(target) is ir.Attr:
        _note_kept(ctx.scope, value)
    return ir.Assign(node, targets, value)


_DISPLAYS: Final = frozenset({ir.Sequence, ir.DictExpr, ir.Comprehension})


def _note_kept(scope: ir.Scope, value: ir.Expr) -> None:
    """An attribute keeps `value`: a display, or a name bound to one, that may hold Modules."""
    if type(value) in _DISPLAYS:
        scope.keeps = True
        if _holds_calls(value):
            scope.triggers = True
    elif type(value) is ir.Name and value.id in scope.displays:
        scope.keeps = True


def _holds_calls(value: ir.Expr) -> bool:
    """Whether `value` is a display of called things: what `self.layers = [Linear(…)]` keeps out of the parameters."""
    if type(value) is ir.Sequence:
        return any(type(element) is ir.Call for element in value.elts)
    if type(value) is ir.DictExpr:
        return any(type(item[1]) is ir.Call for item in value.items)
    return type(value) is ir.Comprehension and ir.Call in (type(value.elt), type(value.value))


def _target(ctx: Context, node: cst.BaseExpression) -> ir.Expr:
    lowered = expression(ctx, node)
    ctx.bind(lowered)
    return lowered


def _aug_assign(ctx: Context, node: cst.AugAssign) -> ir.Stmt:
    ctx.scope.triggers = True
    target = _target(ctx, node.target)
    return ir.AugAssign(node, target, AUGMENTED[type(node.operator)], expression(ctx, node.value))


def _ann_assign(ctx: Context, node: cst.AnnAssign) -> ir.Stmt:
    target = expression(ctx, node.target)
    if node.value is not None or type(target) is ir.Name:
        ctx.bind(target)
    value = optional(ctx, node.value)
    if value is not None and type(target) is ir.Attr:
        _note_kept(ctx.scope, value)
    return ir.AnnAssign(node, target, unexecuted(ctx, node.annotation.annotation), value)


def _return(ctx: Context, node: cst.Return) -> ir.Stmt:
    return ir.Return(node, optional(ctx, node.value))


def _raise(ctx: Context, node: cst.Raise) -> ir.Stmt:
    if node.cause is not None:
        # Nothing reads a cause, but what it calls and binds counts.
        expression(ctx, node.cause.item)
    return ir.Raise(node, optional(ctx, node.exc))


def _assert(ctx: Context, node: cst.Assert) -> ir.Stmt:
    optional(ctx, node.msg)
    return ir.Assert(node, expression(ctx, node.test))


def _del(ctx: Context, node: cst.Del) -> ir.Stmt:
    target = node.target
    if isinstance(target, cst.Tuple):
        return ir.Delete(node, tuple([expression(ctx, element.value) for element in target.elements]))
    return ir.Delete(node, (expression(ctx, target),))


def _pass(ctx: Context, node: cst.Pass) -> ir.Stmt:
    return ir.Jump(node, "pass")


def _break(ctx: Context, node: cst.Break) -> ir.Stmt:
    return ir.Jump(node, "break")


def _continue(ctx: Context, node: cst.Continue) -> ir.Stmt:
    return ir.Jump(node, "continue")


def _global(ctx: Context, node: cst.Global) -> ir.Stmt:
    names = tuple([item.name.value for item in node.names])
    if ctx.scope is not ctx.module:
        ctx.globals.update(names)
    return ir.ScopeDecl(node, "global", names)


def _nonlocal(ctx: Context, node: cst.Nonlocal) -> ir.Stmt:
    names = tuple([item.name.value for item in node.names])
    ctx.nonlocals.update(names)
    return ir.ScopeDecl(node, "nonlocal", names)


def _type_alias(ctx: Context, node: cst.TypeAlias) -> ir.Stmt:
    """`type X = …` binds X; its value is evaluated on demand only, like an annotation."""
    name = _target(ctx, node.name)
    return ir.Assign(node, (name,), unexecuted(ctx, node.value))


# --------------------------------------------------------------------- imports


def _import(ctx: Context, node: cst.Import) -> ir.Stmt:
    names = tuple([_alias(item) for item in node.names])
    for name, alias in names:
        ctx.scope.locals.add(alias or name.partition(".")[0])
    return ir.Import(node, names)


def _import_from(ctx: Context, node: cst.ImportFrom) -> ir.Stmt:
    module = "" if node.module is None else _dotted(node.module)
    level = len(node.relative)
    if isinstance(node.names, cst.ImportStar):
        return ir.ImportFrom(node, module, level, None)
    names = tuple([_alias(item) for item in node.names])
    ctx.scope.locals.update([alias or name for name, alias in names])
    return ir.ImportFrom(node, module, level, names)


def _alias(node: cst.ImportAlias) -> tuple[str, str | None]:
    asname = node.asname
    alias = asname.name.value if asname is not None and isinstance(asname.name, cst.Name) else None
    return _dotted(node.name), alias


def _dotted(node: cst.BaseExpression) -> str:
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if isinstance(node, cst.Name):
        parts.append(node.value)
    return ".".join(reversed(parts))


# --------------------------------------------------------- compound statements


def _if(ctx: Context, node: cst.If) -> ir.Stmt:
    """Walk an `elif` chain with a loop and build it from its end."""
    links: list[tuple[cst.If, ir.Expr, ir.Block]] = []
    rest: cst.If | cst.Else | None = node
    while isinstance(rest, cst.If):
        links.append((rest, expression(ctx, rest.test), block(ctx, rest.body.body)))
        rest = rest.orelse
    orelse = _else(ctx, rest)
    for link, test, body in reversed(links):
        orelse = (ir.If(link, test, body, orelse),)
    return orelse[0]


def _else(ctx: Context, node: cst.Else | cst.Finally | None) -> ir.Block:
    return () if node is None else block(ctx, node.body.body)


def _for(ctx: Context, node: cst.For) -> ir.Stmt:
    iterable = expression(ctx, node.iter)
    target = _target(ctx, node.target)
    return ir.For(node, target, iterable, block(ctx, node.body.body), _else(ctx, node.orelse))


def _while(ctx: Context, node: cst.While) -> ir.Stmt:
    return ir.While(node, expression(ctx, node.test), block(ctx, node.body.body), _else(ctx, node.orelse))


def _with(ctx: Context, node: cst.With) -> ir.Stmt:
    items: list[tuple[ir.Expr, ir.Expr | None]] = []
    for item in node.items:
        manager = expression(ctx, item.item)
        items.append((manager, None if item.asname is None else _target(ctx, item.asname.name)))
    return ir.With(node, tuple(items), block(ctx, node.body.body))


def _try(ctx: Context, node: cst.Try | cst.TryStar) -> ir.Stmt:
    body = block(ctx, node.body.body)
    handlers = tuple([_handler(ctx, handler) for handler in node.handlers])
    return ir.Try(node, body, handlers, _else(ctx, node.orelse), _else(ctx, node.finalbody))


def _handler(ctx: Context, node: cst.ExceptHandler | cst.ExceptStarHandler) -> ir.Handler:
    kind = optional(ctx, node.type)
    name = None
    if node.name is not None and isinstance(node.name.name, cst.Name):
        name = node.name.name.value
        ctx.scope.locals.add(name)
    return ir.Handler(node, kind, name, block(ctx, node.body.body))


def _match(ctx: Context, node: cst.Match) -> ir.Stmt:
    return match(ctx, node, lower_block=block)


# ----------------------------------------------------------------- definitions


def _function(ctx: Context, node: cst.FunctionDef) -> ir.Stmt:
    name = node.name.value
    decorators = _decorators(ctx, node.decorators)
    params = parameters(ctx, node.params)
    returns = annotation(ctx, node.returns)
    ctx.scope.locals.add(name)
    outer = ctx.open()
    body = block(ctx, node.body.body)
    if name in DEFINED or ((ctx.scope.keeps or name == "forward") and _makes_objects(ctx.scope)):
        ctx.scope.triggers = True
    scope = ctx.close(outer)
    is_async = node.asynchronous is not None
    return ir.FunctionDef(node, name, params, decorators, returns, body, scope, is_async, node.name)


def _makes_objects(scope: ir.Scope) -> bool:
    """Whether something that looks like a class is called: a `forward` may build parameters on each call."""
    return any(name[:1].isupper() for name in scope.calls)


def _class(ctx: Context, node: cst.ClassDef) -> ir.Stmt:
    name = node.name.value
    decorators = _decorators(ctx, node.decorators)
    bases = arguments(ctx, node.bases) + arguments(ctx, node.keywords)
    ctx.scope.locals.add(name)
    outer = ctx.open()
    body = block(ctx, node.body.body)
    return ir.ClassDef(node, name, bases, decorators, body, ctx.close(outer), node.name)


def _decorators(ctx: Context, nodes: Sequence[cst.Decorator]) -> tuple[ir.Expr, ...]:
    lowered = tuple([expression(ctx, node.decorator) for node in nodes])
    for decorator in lowered:
        # A decorator is called with what it decorates; `@decorator(…)` has been noted as a call already.
        if type(decorator) is ir.Name:
            ctx.called(decorator.id)
        elif type(decorator) is ir.Attr:
            ctx.called(decorator.name)
    return lowered


STATEMENTS: Final = by_node_type(
    {
        "Expr": _expr,
        "Assign": _assign,
        "AugAssign": _aug_assign,
        "AnnAssign": _ann_assign,
        "Return": _return,
        "Raise": _raise,
        "Assert": _assert,
        "Del": _del,
        "Pass": _pass,
        "Break": _break,
        "Continue": _continue,
        "Global": _global,
        "Nonlocal": _nonlocal,
        "TypeAlias": _type_alias,
        "Import": _import,
        "LazyImport": _import,
        "ImportFrom": _import_from,
        "LazyImportFrom": _import_from,
        "If": _if,
        "For": _for,
        "While": _while,
        "With": _with,
        "Try": _try,
        "TryStar": _try,
        "Match": _match,
        "FunctionDef": _function,
        "ClassDef": _class,
    }
)

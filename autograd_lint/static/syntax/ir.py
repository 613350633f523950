"""The small typed form that LibCST trees are lowered to; every node keeps its LibCST node in `cst`.

Nodes compare by identity. Function bodies are lowered when first asked for. `Scope.triggers` tells whether a body
contains anything a rule could ever report, so that the rest is never executed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import libcst as cst


@dataclass(slots=True, eq=False)
class Node:
    """Base of the lowered form. `cst` is the LibCST node whose range is the node's place."""

    cst: cst.CSTNode


# ---------------------------------------------------------------- expressions


@dataclass(slots=True, eq=False)
class Const(Node):
    """A literal: None, bool, int, float, complex, str, bytes or Ellipsis."""

    value: object


@dataclass(slots=True, eq=False)
class Name(Node):
    """A name read or written."""

    id: str


@dataclass(slots=True, eq=False)
class Attr(Node):
    """`base.name`."""

    base: Expr
    name: str


@dataclass(slots=True, eq=False)
class Arg(Node):
    """One argument of a call; `star` is "", "*" or "**"."""

    value: Expr
    keyword: str | None
    star: str


@dataclass(slots=True, eq=False)
class Call(Node):
    """`func(args)`."""

    func: Expr
    args: tuple[Arg, ...]


@dataclass(slots=True, eq=False)
class Subscript(Node):
    """`base[index]`; several indices are a TupleExpr."""

    base: Expr
    index: Expr


@dataclass(slots=True, eq=False)
class SliceExpr(Node):
    """`lower:upper:step` inside a subscript."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A display: `kind` is tuple, list or set. Elements may be Starred."""

    kind: Literal["tuple", "list", "set"]
    elts: tuple[Expr, ...]


@dataclass(slots=True, eq=False)
class DictExpr(Node):
    """A dict display; a key of None is `**value`."""

    items: tuple[tuple[Expr | None, Expr], ...]


@dataclass(slots=True, eq=False)
class Starred(Node):
    """`*value`."""

    value: Expr


@dataclass(slots=True, eq=False)
class BinOp(Node):
    """`left op right`, op as written: + - * / // % ** @ & | ^ << >>."""

    op: str
    left: Expr
    right: Expr


@dataclass(slots=True, eq=False)
class UnaryOp(Node):
    """`op operand`: + - ~ not."""

    op: str
    operand: Expr


@dataclass(slots=True, eq=False)
class BoolOp(Node):
    """`values[0] op values[1] …`, op is "and" or "or"; chains of one operator are flat."""

    op: str
    values: tuple[Expr, ...]


@dataclass(slots=True, eq=False)
class Compare(Node):
    """`left ops[0] rights[0] ops[1] …`; ops as written, "not in" and "is not" included."""

    left: Expr
    ops: tuple[str, ...]
    rights: tuple[Expr, ...]


@dataclass(slots=True, eq=False)
class IfExp(Node):
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr


@dataclass(slots=True, eq=False)
class Lambda(Node):
    """`lambda params: body`."""

    params: tuple[Param, ...]
    body: Expr
    scope: Scope


@dataclass(slots=True, eq=False)
class Generator(Node):
    """One `for target in iter if …` of a comprehension."""

    target: Expr
    iter: Expr
    ifs: tuple[Expr, ...]


@dataclass(slots=True, eq=False)
class Comprehension(Node):
    """A comprehension; `value` is set for dicts, whose key is `elt`."""

    kind: Literal["list", "set", "dict", "generator"]
    elt: Expr
    value: Expr | None
    generators: tuple[Generator, ...]


@dataclass(slots=True, eq=False)
class NamedExpr(Node):
    """`(target := value)`."""

    target: Expr
    value: Expr


@dataclass(slots=True, eq=False)
class Await(Node):
    """`await value`."""

    value: Expr


@dataclass(slots=True, eq=False)
class Yield(Node):
    """`yield value` or `yield from value` (`delegate`)."""

    value: Expr | None
    delegate: bool


@dataclass(slots=True, eq=False)
class Formatted(Node):
    """An f-string or t-string, or an implicit concatenation with one: the expressions evaluated inside."""

    parts: tuple[Expr, ...]


Expr: TypeAlias = (
    Const
    | Name
    | Attr
    | Call
    | Subscript
    | SliceExpr
    | Sequence
    | DictExpr
    | Starred
    | BinOp
    | UnaryOp
    | BoolOp
    | Compare
    | IfExp
    | Lambda
    | Comprehension
    | NamedExpr
    | Await
    | Yield
    | Formatted
)


# ----------------------------------------------------------------- statements


@dataclass(slots=True, eq=False)
class ExprStmt(Node):
    """An expression on its own."""

    value: Expr


@dataclass(slots=True, eq=False)
class Assign(Node):
    """`targets[0] = targets[1] = … = value`; `cst` is the LibCST Assign."""

    targets: tuple[Expr, ...]
    value: Expr


@dataclass(slots=True, eq=False)
class AugAssign(Node):
    """`target op= value`; `op` without the equals sign."""

    target: Expr
    op: str
    value: Expr


@dataclass(slots=True, eq=False)
class AnnAssign(Node):
    """`target: annotation = value`."""

    target: Expr
    annotation: Expr
    value: Expr | None


@dataclass(slots=True, eq=False)
class Return(Node):
    """`return value`."""

    value: Expr | None


@dataclass(slots=True, eq=False)
class Raise(Node):
    """`raise exc`."""

    exc: Expr | None


@dataclass(slots=True, eq=False)
class Assert(Node):
    """`assert test`."""

    test: Expr


@dataclass(slots=True, eq=False)
class Delete(Node):
    """`del targets`."""

    targets: tuple[Expr, ...]


@dataclass(slots=True, eq=False)
class Jump(Node):
    """`pass`, `break` or `continue`."""

    kind: Literal["pass", "break", "continue"]


@dataclass(slots=True, eq=False)
class If(Node):
    """`if test: body else: orelse`; `elif` is an If alone in `orelse`."""

    test: Expr
    body: Block
    orelse: Block


@dataclass(slots=True, eq=False)
class For(Node):
    """`for target in iter: body else: orelse`.

    `filled`: the names of the lists it appends to somewhere, once somebody has asked; every path asks again.
    """

    target: Expr
    iter: Expr
    body: Block
    orelse: Block
    filled: frozenset[str] | None = None


@dataclass(slots=True, eq=False)
class While(Node):
    """`while test: body else: orelse`."""

    test: Expr
    body: Block
    orelse: Block


@dataclass(slots=True, eq=False)
class With(Node):
    """`with item as target, …: body`."""

    items: tuple[tuple[Expr, Expr | None], ...]
    body: Block


@dataclass(slots=True, eq=False)
class Handler(Node):
    """`except type as name: body`."""

    type: Expr | None
    name: str | None
    body: Block


@dataclass(slots=True, eq=False)
class Try(Node):
    """`try … except … else … finally`."""

    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block
    finalbody: Block


@dataclass(slots=True, eq=False)
class Case(Node):
    """`case pattern if guard: body`; `captures` are the names the pattern binds.

    `literal` is the pattern's value when it is a plain value pattern; `irrefutable` when it always matches.
    """

    captures: tuple[str, ...]
    literal: Expr | None
    irrefutable: bool
    guard: Expr | None
    body: Block


@dataclass(slots=True, eq=False)
class Match(Node):
    """`match subject: cases`."""

    subject: Expr
    cases: tuple[Case, ...]


@dataclass(slots=True, eq=False)
class Import(Node):
    """`import a.b as c, …`: pairs of dotted name and alias."""

    names: tuple[tuple[str, str | None], ...]


@dataclass(slots=True, eq=False)
class ImportFrom(Node):
    """`from ..module import name as alias`; `names` is None for `*`; `level` counts the leading dots."""

    module: str
    level: int
    names: tuple[tuple[str, str | None], ...] | None


@dataclass(slots=True, eq=False)
class ScopeDecl(Node):
    """`global names` or `nonlocal names`."""

    kind: Literal["global", "nonlocal"]
    names: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Param(Node):
    """A parameter; `kind` as in inspect: posonly, normal, vararg (*args), kwonly, kwarg (**kwargs)."""

    name: str
    kind: Literal["posonly", "normal", "vararg", "kwonly", "kwarg"]
    default: Expr | None
    annotation: Expr | None


@dataclass(slots=True, eq=False)
class Scope:
    """What lowering learned about one body: a module's, a function's (nested ones included), a class's.

    `triggers`: something in it could lead to a finding. `calls`: the last names of everything it calls.
    `in_place`: it makes something that works in place. `is_generator`: it contains a `yield` of its own. `keeps`: it
    puts a list or dict display into an attribute; `displays` are the names bound to one.
    """

    triggers: bool = False
    in_place: bool = False
    calls: set[str] = field(default_factory=set)
    is_generator: bool = False
    locals: set[str] = field(default_factory=set)
    keeps: bool = False
    displays: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class FunctionDef(Node):
    """`def name(params): body`; `cst` is the FunctionDef, `name_cst` its name."""

    name: str
    params: tuple[Param, ...]
    decorators: tuple[Expr, ...]
    returns: Expr | None
    body: Block
    scope: Scope
    is_async: bool
    name_cst: cst.CSTNode


@dataclass(slots=True, eq=False)
class ClassDef(Node):
    """`class name(bases, **keywords): body`."""

    name: str
    bases: tuple[Arg, ...]
    decorators: tuple[Expr, ...]
    body: Block
    scope: Scope
    name_cst: cst.CSTNode


Stmt: TypeAlias = (
    ExprStmt
    | Assign
    | AugAssign
    | AnnAssign
    | Return
    | Raise
    | Assert
    | Delete
    | Jump
    | If
    | For
    | While
    | With
    | Try
    | Match
    | Import
    | ImportFrom
    | ScopeDecl
    | FunctionDef
    | ClassDef
)
Block: TypeAlias = tuple[Stmt, ...]


@dataclass(slots=True, eq=False)
class Module(Node):
    """A whole file."""

    filename: str
    body: Block
    scope: Scope


Lower: TypeAlias = Callable[[cst.Module, str], Module]

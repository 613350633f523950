"""Lowering: each construct's form, what scopes learn, depth, and agreement with Python's own symbol tables."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import symtable
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import libcst as cst
import pytest

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.lower import lower_module
from autograd_lint.static.syntax.lower_expr import EXPRESSIONS
from autograd_lint.static.syntax.lower_stmt import STATEMENTS
from autograd_lint.static.syntax.positions import Positions

SAMPLE_FILES = [
    *sorted(Path(click.__file__).parent.glob("*.py")),
    *sorted(path for path in Path(cst.__file__).parent.glob("_nodes/*.py") if path.stat().st_size < 60_000),
]


def lower(source: str) -> ir.Module:
    return lower_module(cst.parse_module(source), "sample.py")


def sketch(value: object) -> str:
    """A lowered node as text: the class with its fields; names and constants bare, scopes left out."""
    if isinstance(value, ir.Name):
        return value.id
    if isinstance(value, ir.Const):
        return repr(value.value)
    if isinstance(value, tuple):
        return "[" + " ".join(sketch(item) for item in value) + "]"
    if isinstance(value, ir.Node):
        shown = [sketch(getattr(value, field.name)) for field in fields(value)]
        return f"{type(value).__name__}({' '.join(shown)})"
    return "-" if value is None else str(value)


def fields(node: ir.Node) -> list[dataclasses.Field[object]]:
    """What lowering makes of the source; `filled` is remembered later."""
    return [field for field in dataclasses.fields(node) if field.name not in {"cst", "scope", "name_cst", "filled"}]


def walk(value: object) -> Iterator[ir.Node]:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, tuple):
            pending.extend(current)
        elif isinstance(current, ir.Node):
            yield current
            pending.extend(getattr(current, field.name) for field in fields(current))


EXPRESSION_CASES = {
    "None": "None",
    "True": "True",
    "...": "Ellipsis",
    "0x_ff": "255",
    "1_000": "1000",
    "0b101": "5",
    "1_0.5e1": "105.0",
    "2j": "2j",
    "-1": "UnaryOp(- 1)",
    "not x": "UnaryOp(not x)",
    "~x": "UnaryOp(~ x)",
    "'a'": "'a'",
    "''": "''",
    "''''''": "''",
    "'''a\"b'''": "'a\"b'",
    r"'a\n\x41'": r"'a\nA'",
    r"'\d'": r"'\\d'",
    r"'\x'": repr(r"'\x'"),
    "1" * 5000: "inf",
    r"r'a\n'": r"'a\\n'",
    "u'a'": "'a'",
    "b'a'": "b'a'",
    r"Rb'\n'": r"b'\\n'",
    "'''a\r\nb'''": r"'a\nb'",
    "'a' 'b' 'c'": "'abc'",
    "b'a' b'c'": "b'ac'",
    "'a' f'{x}' 'b' f'{y}'": "Formatted([x y])",
    "f'plain'": "Formatted([])",
    "f'{x!r:>{w:{v}}} {y=}'": "Formatted([x w v y])",
    "a.b.c": "Attr(Attr(a b) c)",
    "f(a, *b, k=c, **d)": "Call(f [Arg(a - ) Arg(b - *) Arg(c k ) Arg(d - **)])",
    "f(x for x in y)": "Call(f [Arg(Comprehension(generator x - [Generator(x y [])]) - )])",
    "a[0]": "Subscript(a 0)",
    "a[0,]": "Subscript(a Sequence(tuple [0]))",
    "a[*b]": "Subscript(a Sequence(tuple [Starred(b)]))",
    "a[1:, ::2, ...]": "Subscript(a Sequence(tuple [SliceExpr(1 - -) SliceExpr(- - 2) Ellipsis]))",
    "a[:]": "Subscript(a SliceExpr(- - -))",
    "(a, *b)": "Sequence(tuple [a Starred(b)])",
    "()": "Sequence(tuple [])",
    "[a]": "Sequence(list [a])",
    "{a, b}": "Sequence(set [a b])",
    "{a: b, **c}": "DictExpr([[a b] [- c]])",
    "a + b * c": "BinOp(+ a BinOp(* b c))",
    "a - b - c": "BinOp(- BinOp(- a b) c)",
    "a - (b - c)": "BinOp(- a BinOp(- b c))",
    "a ** b ** c": "BinOp(** a BinOp(** b c))",
    "a @ b // c % d / e": "BinOp(/ BinOp(% BinOp(// BinOp(@ a b) c) d) e)",
    "a << b >> c & d | e ^ f": "BinOp(| BinOp(& BinOp(>> BinOp(<< a b) c) d) BinOp(^ e f))",
    "a or b or c": "BoolOp(or [a b c])",
    "a and b or c and d or e": "BoolOp(or [BoolOp(and [a b]) BoolOp(and [c d]) e])",
    "a or (b or c)": "BoolOp(or [a BoolOp(or [b c])])",
    "(a or b) and c and d": "BoolOp(and [BoolOp(or [a b]) c d])",
    "a < b <= c != d": "Compare(a [< <= !=] [b c d])",
    "a not in b is not c": "Compare(a [not in is not] [b c])",
    "a == b > c >= d in e is f": "Compare(a [== > >= in is] [b c d e f])",
    "a if b else c if d else e": "IfExp(b a IfExp(d c e))",
    "lambda a, /, b=1, *c, d, **e: a": (
        "Lambda([Param(a posonly - -) Param(b normal 1 -) Param(c vararg - -) Param(d kwonly - -) Param(e kwarg - -)] a)"
    ),
    "lambda *, a: a": "Lambda([Param(a kwonly - -)] a)",
    "[a for a, b in c if d if e for f in a]": (
        "Comprehension(list a - [Generator(Sequence(tuple [a b]) c [d e]) Generator(f a [])])"
    ),
    "{a for a in b}": "Comprehension(set a - [Generator(a b [])])",
    "{a: 1 for a in b}": "Comprehension(dict a 1 [Generator(a b [])])",
    "(a := b)": "NamedExpr(a b)",
    "((((a))))": "a",
}


@pytest.mark.parametrize(("source", "expected"), EXPRESSION_CASES.items(), ids=[text[:40] for text in EXPRESSION_CASES])
def test_expression(source: str, expected: str) -> None:
    (statement,) = lower(f"({source})").body if "\n" in source else lower(source).body
    assert isinstance(statement, ir.ExprStmt)
    assert sketch(statement.value) == expected


STATEMENT_CASES = {
    "a; b": "[ExprStmt(a) ExprStmt(b)]",
    "a = b = c": "[Assign([a b] c)]",
    "a, *b = c": "[Assign([Sequence(tuple [a Starred(b)])] c)]",
    "x = *a, b": "[Assign([x] Sequence(tuple [Starred(a) b]))]",
    "a[0] += b": "[AugAssign(Subscript(a 0) + b)]",
    "a @= b; a //= b; a **= b; a >>= b": ("[AugAssign(a @ b) AugAssign(a // b) AugAssign(a ** b) AugAssign(a >> b)]"),
    "a -= b; a *= b; a /= b; a %= b": "[AugAssign(a - b) AugAssign(a * b) AugAssign(a / b) AugAssign(a % b)]",
    "a &= b; a |= b; a ^= b; a <<= b": "[AugAssign(a & b) AugAssign(a | b) AugAssign(a ^ b) AugAssign(a << b)]",
    "a: int": "[AnnAssign(a int -)]",
    "a.b: int = 3": "[AnnAssign(Attr(a b) int 3)]",
    "raise": "[Raise(-)]",
    "raise a from b": "[Raise(a)]",
    "assert a, b": "[Assert(a)]",
    "del a": "[Delete([a])]",
    "del a, b[0]": "[Delete([a Subscript(b 0)])]",
    "del (a, b)": "[Delete([a b])]",
    "import a.b.c, d as e": "[Import([[a.b.c -] [d e]])]",
    "from . import a": "[ImportFrom( 1 [[a -]])]",
    "from ..a.b import c as d, e": "[ImportFrom(a.b 2 [[c d] [e -]])]",
    "from a import (b,)": "[ImportFrom(a 0 [[b -]])]",
    "from a import *": "[ImportFrom(a 0 -)]",
    "if a: b; c": "[If(a [ExprStmt(b) ExprStmt(c)] [])]",
    "if a: b\nelif c: d\nelse: e": "[If(a [ExprStmt(b)] [If(c [ExprStmt(d)] [ExprStmt(e)])])]",
    "for a, b in c:\n  break\nelse:\n  pass": "[For(Sequence(tuple [a b]) c [Jump(break)] [Jump(pass)])]",
    "for a in *b, c: pass": "[For(a Sequence(tuple [Starred(b) c]) [Jump(pass)] [])]",
    "while a: continue\nelse: b": "[While(a [Jump(continue)] [ExprStmt(b)])]",
    "with a as b, c: pass": "[With([[a b] [c -]] [Jump(pass)])]",
    "with (a as b, c as (d, e)): pass": "[With([[a b] [c Sequence(tuple [d e])]] [Jump(pass)])]",
    "try: a\nexcept b as c: d\nexcept: e\nelse: f\nfinally: g": (
        "[Try([ExprStmt(a)] [Handler(b c [ExprStmt(d)]) Handler(- - [ExprStmt(e)])] [ExprStmt(f)] [ExprStmt(g)])]"
    ),
    "try: a\nexcept* (b, c) as d: e": ("[Try([ExprStmt(a)] [Handler(Sequence(tuple [b c]) d [ExprStmt(e)])] [] [])]"),
    "def f(a: int, b=1) -> str: return a": (
        "[FunctionDef(f [Param(a normal - int) Param(b normal 1 -)] [] str [Return(a)] False)]"
    ),
    "@a\n@b.c(1)\nasync def f():\n  await x\n  return": (
        "[FunctionDef(f [] [a Call(Attr(b c) [Arg(1 - )])] - [ExprStmt(Await(x)) Return(-)] True)]"
    ),
    "async def f():\n  async with a as b: pass\n  async for c in d: pass": (
        "[FunctionDef(f [] [] - [With([[a b]] [Jump(pass)]) For(c d [Jump(pass)] [])] True)]"
    ),
    "def f():\n  yield\n  yield a\n  yield from b": (
        "[FunctionDef(f [] [] - [ExprStmt(Yield(- False)) ExprStmt(Yield(a False)) ExprStmt(Yield(b True))] False)]"
    ),
    "@d\nclass A(B, metaclass=C): x = 1": ("[ClassDef(A [Arg(B - ) Arg(C metaclass )] [d] [Assign([x] 1)])]"),
    "def f[T: int, *Ts, **P](x: T): pass": "[FunctionDef(f [Param(x normal - T)] [] - [Jump(pass)] False)]",
    "class A[T]: pass": "[ClassDef(A [] [] [Jump(pass)])]",
    "type X[T] = list[T]": "[Assign([X] Subscript(list T))]",
    "def f():\n  global a, b": "[FunctionDef(f [] [] - [ScopeDecl(global [a b])] False)]",
    "def f():\n  nonlocal a": "[FunctionDef(f [] [] - [ScopeDecl(nonlocal [a])] False)]",
}


@pytest.mark.parametrize(("source", "expected"), STATEMENT_CASES.items(), ids=list(STATEMENT_CASES))
def test_statement(source: str, expected: str) -> None:
    assert sketch(lower(source).body) == expected


CASE_CASES = {
    "1": "Case([] 1 False - [Jump(pass)])",
    "-1": "Case([] UnaryOp(- 1) False - [Jump(pass)])",
    "None": "Case([] None False - [Jump(pass)])",
    "'a' as b": "Case([b] 'a' False - [Jump(pass)])",
    "A.b": "Case([] Attr(A b) False - [Jump(pass)])",
    "_": "Case([] - True - [Jump(pass)])",
    "(x)": "Case([x] - True - [Jump(pass)])",
    "x as y": "Case([x y] - True - [Jump(pass)])",
    "x if x > 1": "Case([x] - True Compare(x [>] [1]) [Jump(pass)])",
    "1 | 2": "Case([] - False - [Jump(pass)])",
    "1 | _": "Case([] - True - [Jump(pass)])",
    "[a, [b, *c], *_]": "Case([a b c] - False - [Jump(pass)])",
    "a, b": "Case([a b] - False - [Jump(pass)])",
    "{'k': a, **rest}": "Case([a rest] - False - [Jump(pass)])",
    "A(a, k=B(b))": "Case([a b] - False - [Jump(pass)])",
    "A(x) | B(x)": "Case([x] - False - [Jump(pass)])",
}


@pytest.mark.parametrize(("pattern", "expected"), CASE_CASES.items(), ids=list(CASE_CASES))
def test_case(pattern: str, expected: str) -> None:
    module = lower(f"match v:\n  case {pattern}: pass\n")
    (statement,) = module.body
    assert isinstance(statement, ir.Match)
    assert sketch(statement.subject) == "v"
    assert sketch(statement.cases[0]) == expected
    assert module.scope.locals == set(statement.cases[0].captures)


def test_invalid_escapes_give_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sketch(lower(r"x = '\d'; y = '\x'").body) == r"""[Assign([x] '\\d') Assign([y] "'\\x'")]"""


@pytest.mark.skipif(not hasattr(cst, "StarredDictComp"), reason="this LibCST knows no unpacking in comprehensions")
def test_unpacking_in_comprehensions() -> None:
    expected = "[ExprStmt(Comprehension(dict Starred(d) - [Generator(d e [])]))]"
    assert sketch(lower("{**d for d in e}").body) == expected
    assert "Comprehension(list Starred(d) -" in sketch(lower("[*d for d in e]").body)


@pytest.mark.skipif(not hasattr(cst, "LazyImport"), reason="this LibCST knows no lazy imports")
def test_lazy_imports() -> None:
    source = "lazy import a.b\nlazy from c import d as e\n"
    assert sketch(lower(source).body) == "[Import([[a.b -]]) ImportFrom(c 0 [[d e]])]"
    assert lower(source).scope.locals == {"a", "e"}


@pytest.mark.skipif(not hasattr(cst, "TemplatedString"), reason="this LibCST knows no template strings")
def test_template_string() -> None:
    assert sketch(lower("t'{x!r:>{w}} {y}'").body) == "[ExprStmt(Formatted([x w y]))]"


def test_every_node_type_of_libcst_is_lowered() -> None:
    classes = [value for value in vars(cst).values() if inspect.isclass(value) and not inspect.isabstract(value)]
    expressions = {kind for kind in classes if issubclass(kind, cst.BaseExpression)}
    bases = (cst.BaseSmallStatement, cst.BaseCompoundStatement)
    statements = {kind for kind in classes if issubclass(kind, bases)}
    # `From` is a part of `yield` and `raise`, met there.
    assert {kind.__name__ for kind in expressions - set(EXPRESSIONS)} <= {"From"}
    assert {kind.__name__ for kind in statements - set(STATEMENTS)} == set()


def test_each_node_keeps_the_libcst_node_of_its_place() -> None:
    (statement,) = lower("a[0] += f(b)").body
    assert isinstance(statement, ir.AugAssign)
    assert isinstance(statement.cst, cst.AugAssign)
    assert isinstance(statement.target.cst, cst.Subscript)
    assert isinstance(statement.value, ir.Call)
    assert isinstance(statement.value.cst, cst.Call)
    assert isinstance(statement.value.args[0].cst, cst.Arg)
    (function,) = lower("def f(): return 1").body
    assert isinstance(function, ir.FunctionDef)
    assert function.name_cst is function.cst.name  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- scopes


def test_calls_are_last_names_and_include_those_of_nested_scopes() -> None:
    module = lower(
        """
@wrap
@deco.made(1)
def outer(a=default()):
    x.y.method(inner())(1)
    def nested(): deepest()
    return lambda: from_lambda()

class A(base()):
    def m(self: annotation()) -> returned(): [comp() for _ in it()]
"""
    )
    outer, _ = module.body
    assert isinstance(outer, ir.FunctionDef)
    assert outer.scope.calls == {"method", "inner", "deepest", "from_lambda"}
    assert module.scope.calls == outer.scope.calls | {"wrap", "made", "default", "base", "comp", "it"}


def test_locals_of_each_scope() -> None:
    module = lower(
        """
import a.b, c as d
from e import f as g, h
def function(param):
    i = j, [k, *l] = m = 1
    for n in o: (p := 1)
    with q as (r, s): t: int
    try: pass
    except E as u: pass
    [v for v in w if (x := v)]
    global y
    y = 1
    z.attr = z[0] = 2
    def inner():
        nonlocal i
        i = inner_local = 1
    class Inner: member = 1
"""
    )
    function = module.body[2]
    assert isinstance(function, ir.FunctionDef)
    assert function.scope.locals == {*"ijklmnprstux", "inner", "Inner"}
    assert module.scope.locals == {"a", "d", "g", "h", "function", "y"}
    inner = function.body[-2]
    assert isinstance(inner, ir.FunctionDef)
    assert inner.scope.locals == {"inner_local"}


def test_only_own_yields_make_a_generator() -> None:
    outer, plain = lower("def outer():\n  def inner(): pass\n  x = yield\ndef plain():\n  lambda: (yield)\n").body
    assert isinstance(outer, ir.FunctionDef)
    assert isinstance(plain, ir.FunctionDef)
    assert outer.scope.is_generator
    assert not plain.scope.is_generator


TRIGGERING = [
    "x += 1",
    "x[0] = 1",
    "a, b[0] = c",
    "for x[0] in y: pass",
    "with a as b[0]: pass",
    "[0 for x[0] in y]",
    "x.grad = None",
    "x.requires_grad: bool = True",
    "x.require_grad = True",
    "ctx.x = x",
    "x.add_(1)",
    "init_(x)",
    "x.data",
    "if x.grad is None: pass",
    "backward()",
    "loss.backward()",
    "h = x.register_forward_pre_hook",
    "x.register_full_backward_hook(f)",
    "relu(x, inplace=True)",
    "torch.add(x, y, out=z)",
    "checkpoint(f, x)",
    "nn.Parameter(x)",
    "Op.apply(x)",
    "a.b.detach().c",
    "f(lambda: x.step())",
    "@checkpoint\ndef f(): pass",
    "model.eval()",
    "x.masked_fill(m, 0)",
    "self.layers = [Linear(1, 1)]",
    "self.layers = [Linear(1, 1) for _ in range(3)]",
    "self.layers = {'a': Linear(1, 1)}",
    "class F:\n  def backward(ctx, g): return g",
    "class M:\n  def forward(self, x): return Linear(1, 1)(x)",
    "f'{x:{y.add_(1)}}'",
    "raise a from x.add_(1)",
    "assert a, x.add_(1)",
    "match x:\n  case y if y.add_(1): pass",
]
QUIET = [
    "x = 1",
    "x: Parameter.data = 1",
    "def f(x: nn.Parameter) -> torch.data: pass",
    "y = x[0]",
    "del x[0]",
    "x.other = 1",
    "x.add(1)",
    "_('text')",
    "x.__init__()",
    "add_",
    "x.add_",
    "f(key=1)",
    "backward",
    "self.layers = [1, 2]",
    "layers = [Linear(1, 1)]",
    "y = x.float()",
    "x.append(1)",
    "class M:\n  def forward(self, x): return self.linear(x)",
    "register_hooks(x)",
]


@pytest.mark.parametrize("source", TRIGGERING)
def test_triggers(source: str) -> None:
    assert lower(source).scope.triggers


@pytest.mark.parametrize("source", QUIET)
def test_no_trigger(source: str) -> None:
    assert not lower(source).scope.triggers


def test_triggers_rise_to_the_enclosing_scopes_only() -> None:
    noisy, quiet = lower(
        "class A:\n  def m(self):\n    def inner(): x.add_(1)\n  def n(self): pass\nclass B:\n  def m(self): pass\n"
    ).body
    assert isinstance(noisy, ir.ClassDef)
    assert isinstance(quiet, ir.ClassDef)
    assert [method.scope.triggers for method in noisy.body if isinstance(method, ir.FunctionDef)] == [True, False]
    assert noisy.scope.triggers
    assert not quiet.scope.triggers


# ----------------------------------------------------------------------- depth

# Each source with the number of its names `a`.
DEEP = {
    "sum": (" + ".join(["a"] * 2000), 2000),
    "or": (" or ".join(["a"] * 2000), 2000),
    "alternating": (" or ".join(["a and b"] * 1000), 1000),
    "parentheses": ("(" * 300 + "a" + ")" * 300, 1),
    "brackets": ("[" * 300 + "a" + "]" * 300, 1),
    "nested sums": ("(" * 200 + "a" + " + a)" * 200, 201),
    "lambdas": ("lambda: " * 600 + "a", 1),
    "conditionals": ("a if b else " * 600 + "a", 601),
    "not": ("not " * 600 + "a", 1),
    "powers": ("**".join(["a"] * 600), 600),
    "attributes": ("a" + ".b" * 600, 1),
    "strings": ("f(a, 'x'" + " 'x'" * 1000 + ")", 1),
    "elif": ("if x: a\n" + "elif x: a\n" * 1000, 1001),
    "ifs": ("".join(" " * depth + "if x:\n" for depth in range(90)) + " " * 90 + "a\n", 1),
}


@pytest.mark.parametrize(("source", "names"), DEEP.values(), ids=list(DEEP))
def test_deep_input(source: str, names: int) -> None:
    module = lower(source)
    assert sum(isinstance(node, ir.Name) and node.id == "a" for node in walk(module.body)) == names


def test_a_chain_of_one_operator_is_flat() -> None:
    (statement,) = lower(DEEP["or"][0]).body
    assert isinstance(statement, ir.ExprStmt)
    assert isinstance(statement.value, ir.BoolOp)
    assert len(statement.value.values) == 2000


# ------------------------------------------------- agreement with Python itself


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.name)
def test_same_nodes_as_the_python_parser_sees(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    pairs = {
        ast.Call: ir.Call,
        ast.Attribute: ir.Attr,
        ast.Subscript: ir.Subscript,
        ast.BinOp: ir.BinOp,
        ast.BoolOp: ir.BoolOp,
        ast.Compare: ir.Compare,
        ast.Lambda: ir.Lambda,
        ast.Assign: ir.Assign,
        ast.AugAssign: ir.AugAssign,
        ast.Return: ir.Return,
        ast.If: ir.If,
        ast.With: ir.With,
        ast.Try: ir.Try,
        ast.FunctionDef: ir.FunctionDef,
        ast.ClassDef: ir.ClassDef,
        ast.comprehension: ir.Generator,
        ast.keyword: ir.Arg,
    }
    theirs = Counter(type(node) for node in ast.walk(parsed(text)))
    nodes = list(walk(lower(text).body))
    ours = Counter(type(node) for node in nodes if not isinstance(node, ir.Arg))
    ours[ir.Arg] = sum(isinstance(node, ir.Arg) and (node.keyword is not None or node.star == "**") for node in nodes)
    assert {kind.__name__: ours[mine] for kind, mine in pairs.items()} == {
        kind.__name__: theirs[kind] for kind in pairs
    }


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.name)
def test_same_constants_as_the_python_parser_sees(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = parsed(text)
    # The text between the fields of f-strings is nobody's value.
    between = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    theirs = Counter(
        repr(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in between
    )
    theirs.update(repr(node.value) for node in ast.walk(tree) if isinstance(node, ast.MatchSingleton))
    ours = Counter(repr(node.value) for node in walk(lower(text).body) if isinstance(node, ir.Const))
    assert ours == theirs


def parsed(text: str) -> ast.Module:
    """The file as Python parses it, without what lowering drops: causes of exceptions, messages of assertions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            node.cause = None
        elif isinstance(node, ast.Assert):
            node.msg = None
    return tree


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.name)
def test_same_locals_as_the_symbol_table(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = cst.parse_module(text)
    positions = Positions(tree)
    ours: dict[tuple[str, int], set[str]] = {}
    for node in walk(lower_module(tree, str(path)).body):
        if isinstance(node, ir.FunctionDef):
            row = positions.range_of(node.cst).start.row
            ours[node.name, row] = node.scope.locals - {param.name for param in node.params}
    assert ours == dict(_functions_of(symtable.symtable(text, str(path), "exec")))


def _functions_of(table: symtable.SymbolTable) -> Iterator[tuple[tuple[str, int], set[str]]]:
    for child in table.get_children():
        if isinstance(child, symtable.Function) and child.get_name().isidentifier() and child.get_name() not in INNER:
            bound = {symbol.get_name() for symbol in child.get_symbols() if symbol.is_local()}
            yield (child.get_name(), child.get_lineno()), bound - set(child.get_parameters())
        yield from _functions_of(child)


# What symbol tables call lambdas and comprehensions.
INNER = {"lambda", "listcomp", "setcomp", "dictcomp", "genexpr"}

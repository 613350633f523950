"""Positions: the ranges of LibCST's own provider, statements, enclosing names and texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from autograd_lint.finding import Position, Range
from autograd_lint.static.syntax.positions import Positions

VARIED = '''# a comment first

"""Doc."""
from __future__ import annotations
import os.path as p, sys
from . import (a, b as c,)


@decorator  # why
@other(1,
       2)
class A(B, metaclass=C):
\t"""Tab."""

\tx: int = (1 +
\t          2); y = ((3))

\tasync def m(self, /, a, *b, c: int=1, **d) -> "r":
\t\tasync with (e as f, g): await h
\t\treturn (yield)

def 関数(名: str = "漢字😀", *, e\u0301=f"{名!r:>{x}} é") -> None:
    global g
    if a: pass
    elif b :
        # inside
        pass
    else:
        del q, (r)

    for i in *j, k:  # loop
        while (n := i) \\
                and m: break
        else : continue
    try :
        raise E from F
    except (A, B) as e:
        assert x, "message"
    finally:
        pass
    match v :
        case [1, *_] | {"k": w, **rest} if w: pass
        case A(b, c=d) as e:
            x[1:2, ..., *s] @= lambda *a, b=1: {**a, 'k': [b for b in c if d if e]}

    z = 'a' "b" f'c'; t = ()
\f
    u = not  a  <  b  is not c; v[0].grad.zero_()
    return
'''


def positions(source: str) -> tuple[cst.Module, Positions]:
    tree = cst.parse_module(source)
    return tree, Positions(tree)


def assert_same_as_provider(tree: cst.Module) -> None:
    found = Positions(tree)
    expected = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    assert len(expected) > 0
    for node, place in expected.items():
        start, end = place.start, place.end
        wanted = Range(Position(start.line, start.column + 1), Position(end.line, end.column + 1))
        assert found.range_of(node) == wanted, node


@pytest.mark.parametrize(
    "source",
    [
        VARIED,
        VARIED.replace("\n", "\r\n"),
        VARIED.replace("\n", "\r"),
        "",
        "\n",
        "# only a comment",
        "x = 1",
        "if x:\n  y",
        "\ufeffx = 1\n",
        "x = '''a\r\nb'''; y\n",
        "x = 1\r\ny = (\n1)\r\n",
    ],
)
def test_same_ranges_as_libcst_gives(source: str) -> None:
    assert_same_as_provider(cst.parse_module(source.encode()))


FILES = [
    *sorted(Path(click.__file__).parent.glob("*.py"))[:12],
    *sorted(Path(cst.__file__).parent.glob("*.py"))[:10],
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_same_ranges_as_libcst_gives_in_real_files(path: Path) -> None:
    assert_same_as_provider(cst.parse_module(path.read_bytes()))


def text_at(source: str, place: Range) -> str:
    lines = source.split("\n")[place.start.row - 1 : place.end.row]
    lines[-1] = lines[-1][: place.end.column - 1]
    lines[0] = lines[0][place.start.column - 1 :]
    return "\n".join(lines)


def find(tree: cst.CSTNode, text: str) -> cst.CSTNode:
    """The outermost node that is written exactly `text`."""
    module = cst.Module([])
    pending: list[cst.CSTNode] = [tree]
    for node in pending:
        if not isinstance(node, cst.Annotation) and module.code_for_node(node) == text:
            return node
        pending.extend(node.children)
    raise AssertionError(f"no node is written {text!r}")


def test_columns_count_code_points() -> None:
    source = "漢字 = '😀é'; y = 名(1)\n"
    tree, found = positions(source)
    assert found.range_of(find(tree, "名(1)")) == Range(Position(1, 16), Position(1, 20))


def test_a_range_leaves_out_parentheses_unless_asked_for() -> None:
    source = "x = ((a + \n  b) )\ny = (c, d)\nz = e"
    tree, found = positions(source)
    node = find(tree, "((a + \n  b) )")
    assert text_at(source, found.range_of(node)) == "a + \n  b"
    assert text_at(source, found.range_with_parentheses(node)) == "((a + \n  b) )"
    assert text_at(source, found.range_with_parentheses(find(tree, "(c, d)"))) == "(c, d)"
    assert text_at(source, found.range_with_parentheses(find(tree, "e"))) == "e"


STATEMENTS = """@deco(HERE1)
class A(HERE2):
    def f(self, a=HERE3,
          b=2) -> HERE4:  # comment
        if HERE5 and (
            x
        ):
            y = g(
                HERE6,
            ); HERE7.z = 1
        elif HERE8: w = HERE9
        else:
            for HERE10 in x: pass
        with HERE11 as h: pass
        match HERE12 :
            case HERE13 if x: lambda: HERE14
        try:
            pass
        except HERE15 as e: pass
        return [HERE16
                for x in y]
HERE17
"""
HEADERS = {
    "HERE1": "@deco(HERE1)",
    "HERE2": "class A(HERE2):",
    "HERE3": "def f(self, a=HERE3,\n          b=2) -> HERE4:",
    "HERE4": "def f(self, a=HERE3,\n          b=2) -> HERE4:",
    "HERE5": "if HERE5 and (\n            x\n        ):",
    "HERE6": "y = g(\n                HERE6,\n            )",
    "HERE7": "HERE7.z = 1",
    "HERE8": "elif HERE8:",
    "HERE9": "w = HERE9",
    "HERE10": "for HERE10 in x:",
    "HERE11": "with HERE11 as h:",
    "HERE12": "match HERE12 :",
    "HERE13": "case HERE13 if x:",
    "HERE14": "lambda: HERE14",
    "HERE15": "except HERE15 as e:",
    "HERE16": "return [HERE16\n                for x in y]",
    "HERE17": "HERE17",
}


@pytest.mark.parametrize(("name", "expected"), HEADERS.items(), ids=list(HEADERS))
def test_statement_around_a_node(name: str, expected: str) -> None:
    tree, found = positions(STATEMENTS)
    assert text_at(STATEMENTS, found.statement_range_of(find(tree, name))) == expected


def test_statement_of_a_statement_and_of_the_module() -> None:
    tree, found = positions(STATEMENTS)
    definition = tree.body[0]
    assert text_at(STATEMENTS, found.statement_range_of(definition)) == "class A(HERE2):"
    assert text_at(STATEMENTS, found.statement_range_of(tree.body[1])) == "HERE17"
    assert found.statement_range_of(tree) == found.range_of(tree)


def test_enclosing_name() -> None:
    tree, found = positions("class A:\n  def f(self):\n    def g(): return 1\n    x = 2\n  y = 3\nz = 4\n")
    names = [found.enclosing_name(find(tree, text)) for text in "1234"]
    assert names == ["A.f.g", "A.f", "A", ""]
    assert found.enclosing_name(tree.body[0]) == ""
    assert found.enclosing_name(tree) == ""


def test_source_is_folded() -> None:
    tree, found = positions("x = (f( a,\n\t  b )\n  + 1)\n")
    (assignment,) = nodes_of(tree, cst.Assign)
    assert found.source_of(assignment) == "x = (f( a, b ) + 1)"
    assert found.source_of(tree) == "x = (f( a, b ) + 1)"
    (operation,) = nodes_of(tree, cst.BinaryOperation)
    assert found.source_of(operation) == "(f( a, b ) + 1)"


def test_source_of_every_node_is_its_text() -> None:
    tree, found = positions(VARIED)
    for kind in (cst.Name, cst.Call, cst.BinaryOperation, cst.Tuple, cst.Subscript, cst.Lambda, cst.Comparison):
        for node in nodes_of(tree, kind):
            assert found.source_of(node) == " ".join(tree.code_for_node(node).split())
    (annotation, *_) = nodes_of(tree, cst.Annotation)
    assert found.source_of(annotation) == "int"
    (decorated,) = nodes_of(tree, cst.ClassDef)
    assert found.source_of(decorated).startswith("class A(B, metaclass=C): ")


def nodes_of(tree: cst.CSTNode, kind: type[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    for child in tree.children:
        if isinstance(child, kind):
            yield child
        yield from nodes_of(child, kind)


def test_a_node_of_another_tree_is_refused() -> None:
    _, found = positions("x = 1\n")
    other = cst.parse_module("x = 1\n")
    with pytest.raises(LookupError, match="Module that is no part of this file's tree"):
        found.range_of(other)


@pytest.mark.parametrize(
    "source",
    ["+".join(["a"] * 2000), "[" * 300 + "]" * 300, "lambda: " * 600 + "a", "if x: a\n" + "elif x: a\n" * 1000],
)
def test_deep_input(source: str) -> None:
    tree, found = positions(source)
    assert found.range_of(tree.body[0]).start == Position(1, 1)
    assert found.range_of(tree.body[0]).end.row == source.rstrip("\n").count("\n") + 1
    assert found.source_of(tree.body[0]) == " ".join(source.split())

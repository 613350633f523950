"""The shrinker: what is interesting stays, the rest goes; a program remains a program."""

from __future__ import annotations

import ast

import pytest

from tests.agreement.generate import KINDS, generate
from tests.agreement.oracle import run_program
from tests.agreement.outcome import Kind, Outcome
from tests.agreement.shrink import shrink


def shrunk(text: str, *needed: str) -> str:
    """Shrunk as long as every piece of text in `needed` is in it."""
    return shrink(text, lambda smaller: all(piece in smaller for piece in needed))


def test_statements_go() -> None:
    assert shrunk("a = 1\nb = 2\nc = 3\n", "b = 2") == "b = 2\n"


def test_a_program_of_no_interest_stays_as_it_is() -> None:
    assert shrunk("a = 1\nb = 2\n", "z") == "a = 1\nb = 2\n"


def test_blocks_are_hoisted() -> None:
    text = "for i in range(3):\n    if i:\n        a = f(i)\n    else:\n        b = 1\n"
    assert shrunk(text, "a = f(i)") == "a = f(i)\n"
    assert shrunk(text, "for", "b = 1") == "for i in range():\n    b = 1\n"


def test_a_block_keeps_a_statement() -> None:
    text = "def f(x):\n    y = x\n    return y\n\n\nf(1)\n"
    assert shrunk(text, "def f", "f(1)") == "def f(x):\n    pass\n\n\nf(1)\n"


def test_decorators_and_handlers_go() -> None:
    text = "@g\n@h\ndef f():\n    try:\n        a()\n    except E:\n        b()\n    finally:\n        c()\n"
    assert shrunk(text, "def f", "a()") == "def f():\n    a()\n"
    assert shrunk(text, "c()") == "def f():\n    c()\n"


def test_expressions_become_smaller() -> None:
    assert shrunk("a = f(x + 1, b, key=z * 2).g[0]\n", "a =", "b") == "a = b\n"
    assert shrunk("a = f(x + 1, y, key=z * 2)\n", "a = f(", "z") == "a = f(key=z)\n"
    assert shrunk("a = [b * 2, -c][0]\n", "a =", "c") == "a = c\n"


def test_parentheses_go() -> None:
    assert shrunk("a = (x + (y)).f()\n", "a =", "y", ".f()") == "a = y.f()\n"


def test_no_loop_is_left_without_an_end() -> None:
    text = "n = 0\nwhile n < 3:\n    f(n)\n    n += 1\n"
    assert shrunk(text, "while", "f(") == "while n:\n    f()\n    n += 1\n"


def test_every_try_is_a_program() -> None:
    tried: list[str] = []

    def note(text: str) -> bool:
        tried.append(text)
        ast.parse(text)
        return "backward" in text

    shrink(generate("modules", seed=5, number=1), note)
    assert len(tried) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_torch_stays(kind: str) -> None:
    """A real program with a stale tensor: smaller, and torch still says the same of the same operation."""
    text, outcome = next(found for found in map(run, range(100), [kind] * 100) if found[1].kind is Kind.STALE)

    def same(smaller: str) -> bool:
        ended = run_program(smaller)
        return (ended.kind, ended.write_op) == (outcome.kind, outcome.write_op)

    small = shrink(text, same)
    assert len(small) < len(text)
    assert same(small)


def run(number: int, kind: str) -> tuple[str, Outcome]:
    text = generate(kind, seed=3, number=number)
    return text, run_program(text)

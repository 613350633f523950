"""Safe fixes of random programs: what ran computes the same values and gradients afterwards, to the bit."""

from __future__ import annotations

import ast

import pytest

from autograd_lint.finding import Applicability, Finding, Severity
from autograd_lint.source import SourceFile
from tests.agreement.generate import generate
from tests.fixing.test_every_fix import check, codes, comments, fixed
from tests.fixing.torch_runs import compute, differences


def fault_of_safe_fixes(program: str) -> tuple[int, list[str]]:
    """How many safe fixes a program got, and what they changed that they should not."""
    after = fixed(program, unsafe=False)
    text = after.source.text
    if not after.count:
        return 0, []
    told = [] if codes(text) <= codes(program) else [f"findings: {codes(program)} became {codes(text)}"]
    before, then = compute(program), compute(text)
    if before.raised:
        return after.count, told
    if then.raised:
        return after.count, [*told, then.raised]
    return after.count, told + differences(before, then)


@pytest.mark.parametrize(("kind", "count"), [("straight", 80), ("modules", 40), ("training", 40)])
def test_safe_fixes_of_random_programs(kind: str, count: int) -> None:
    fixes = 0
    for number in range(count):
        program = generate(kind, seed=2026, number=number)
        some, told = fault_of_safe_fixes(program)
        fixes += some
        assert told == [], f"{told}\n{program}"
    assert fixes or kind != "straight", "the programs have nothing to fix"


@pytest.mark.parametrize(("kind", "count"), [("straight", 40), ("modules", 30), ("training", 40)])
def test_unsafe_fixes_of_random_programs(kind: str, count: int) -> None:
    """The program parses with all its comments; every fixed finding is gone, and no error has come in its place."""
    for number in range(count):
        program = commented(generate(kind, seed=2027, number=number))
        after = fixed(program, unsafe=True)
        ast.parse(after.source.text)
        assert comments(after.source.text) == comments(program)
        assert errors(after.findings) <= errors(check(SourceFile("/program.py", program)))
        before, then = compute(program), compute(after.source.text)
        assert before.raised or not then.raised or then.raised.startswith("RuntimeError"), program


def commented(program: str) -> str:
    """A comment at the end of each row, and one in front of it."""
    rows = program.splitlines()
    whole = [row if not row.strip() or '"""' in row else f"{row}  # {number}" for number, row in enumerate(rows)]
    text = "\n".join(whole) + "\n"
    try:
        ast.parse(text)
    except SyntaxError:
        return program
    return text


def errors(findings: list[Finding]) -> int:
    return sum(finding.severity is Severity.ERROR for finding in findings)


def test_every_unsafe_fix_says_so() -> None:
    """Nothing is changed by `--fix` that is not marked safe."""
    program = generate("straight", seed=2026, number=0)
    assert all(
        finding.fix is None or finding.fix.applicability in (Applicability.SAFE, Applicability.UNSAFE)
        for finding in fixed(program, unsafe=False).findings
    )

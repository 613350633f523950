"""How fixes are applied round after round: so many rounds at most, and the first of those that exclude each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autograd_lint.finding import Applicability, Edit, Finding, Fix, Position, Range, Severity
from autograd_lint.fixing.apply import MOST_ROUNDS, fix_source
from autograd_lint.source import SourceFile


def finding(code: str, first: int, last: int, content: str) -> Finding:
    """A finding in the first row whose safe fix puts `content` in the place of the columns from `first` to `last`."""
    place = Range(Position(1, first), Position(1, last))
    fix = Fix(Applicability.SAFE, "mend it", (Edit(content, place),))
    return Finding(
        code=code,
        name=code.lower(),
        severity=Severity.WARNING,
        message="a fault",
        filename="/program.py",
        range=place,
        fix=fix,
        fingerprint=f"{code}:{first}:{content}",
    )


def fixed(text: str, check: Callable[[str], list[Finding]]) -> tuple[str, int, int]:
    """The text after its fixes, how many were applied, and how many findings are left."""
    done = fix_source(SourceFile("/program.py", text), lambda source: check(source.text), unsafe=False)
    return done.source.text, done.count, len(done.findings)


@pytest.mark.parametrize("faults", [3, MOST_ROUNDS, MOST_ROUNDS + 5])
def test_rounds_end_when_nothing_is_left_or_after_ten(faults: int) -> None:
    def check(text: str) -> list[Finding]:
        """Each `x` is a fault whose fix changes all of the row behind it, so that a round can mend one."""
        row = text.rstrip("\n")
        return [
            finding("AGL101", at + 1, len(row) + 1, f"y{row[at + 1 :]}") for at, mark in enumerate(row) if mark == "x"
        ]

    mended = min(faults, 10)
    assert fixed("x" * faults + "\n", check) == ("y" * mended + "x" * (faults - mended) + "\n", mended, faults - mended)


CONFLICTS = {
    "the first place wins": ([("AGL103", 1, 6, "a = 1"), ("AGL101", 5, 6, "2")], "a = 1"),
    "at one place the first code wins": ([("AGL103", 1, 2, "b"), ("AGL101", 1, 2, "a")], "a = 0"),
    "what touches nothing comes along": ([("AGL103", 1, 2, "a"), ("AGL101", 5, 6, "1")], "a = 1"),
    "the same edit counts for both": ([("AGL103", 1, 2, "a"), ("AGL101", 1, 2, "a")], "a = 0"),
}


@pytest.mark.parametrize("name", CONFLICTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_of_fixes_that_exclude_each_other_the_first_is_applied(name: str, *, backwards: bool) -> None:
    faults, expected = CONFLICTS[name]

    def check(text: str) -> list[Finding]:
        found = [finding(*fault) for fault in faults] if text == "x = 0\n" else []
        return found[::-1] if backwards else found

    assert fixed("x = 0\n", check)[0] == f"{expected}\n"

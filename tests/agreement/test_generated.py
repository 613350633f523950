"""The linter and torch agree on random programs."""

from __future__ import annotations

import pytest

from tests.agreement.show import program
from tests.agreement.sweep import Case, Tally, sweep


def shown(cases: list[Case]) -> str:
    """What pytest prints: the first programs on which they disagree."""
    return "\n".join(program(case.name, case.text, case.comparison.disagreements[0]) for case in cases[:3])


@pytest.mark.parametrize(
    ("kind", "count", "agreement"),
    [
        ("straight", 300, 1.0),
        ("modules", 200, 0.98),
        ("training", 200, 0.98),
        ("networks", 60, 0.95),
        ("cells", 60, 0.95),
        ("losses", 60, 0.95),
        ("aliases", 60, 0.95),
        ("helpers", 60, 0.95),
    ],
)
def test_linter_agrees_with_torch(kind: str, count: int, agreement: float) -> None:
    tally, apart = Tally(), []
    for case in sweep(kind, seed=2026, count=count):
        tally.add(case.comparison)
        if case.comparison.disagreements:
            apart.append(case)
    assert tally.judged >= 0.95 * count
    assert tally.agreement >= agreement, shown(apart)

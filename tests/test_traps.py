"""What has been seen in real code and looks like a fault without being one: `fixtures/traps/`, a file for each trap.

Each runs under torch without an error, and gets no finding but those that a comment `# expect: AGL123` marks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograd_lint.engine import check_source
from autograd_lint.finding import Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile
from tests.fixing.torch_runs import compute

TRAPS = sorted((Path(__file__).parent.parent / "fixtures" / "traps").glob("*.py"))
RULES = [rule for rule in all_rules() if rule.default]

each_trap = pytest.mark.parametrize("path", TRAPS, ids=lambda path: path.stem)


@each_trap
def test_trap_gets_no_finding(path: Path) -> None:
    text = path.read_text()
    found = check_source(SourceFile(str(path), text), RULES)
    said = {(f.range.start.row, f.code) for f in found if f.severity >= Severity.WARNING}
    marks = ((row, re.search(r"# expect: (AGL\d{3})\b", line)) for row, line in enumerate(text.splitlines(), 1))
    assert said == {(row, mark[1]) for row, mark in marks if mark}


@each_trap
def test_trap_runs(path: Path) -> None:
    assert compute(path.read_text()).raised == ""


def test_traps_are_many() -> None:
    assert len(TRAPS) >= 20

"""Whole programs as people write them, and one bug at a time planted in them: `fixtures/wild/PROGRAM/`.

`program.py` is right and runs; what a maintainer may want to hear of it all the same is marked `# expect: AGL123`.
Each table of `bugs.toml` is a bug: `old` is a text that the program has once, `new` takes its place, and then `code` is
found at the line `at`, with the lines `related` (both without what indents them). `edits` are further replacements. Torch shows it: either the program
`raises`, or `check`, run in the program's scope, leaves `shown` true with the bug and false without. `also` names
further findings of the same bug, `severity` the finding's where it is milder than the rule's.

`todo` says why a bug is not found yet. Once it is, the test fails, so that the mark goes.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tomllib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autograd_lint.engine import check_source
from autograd_lint.finding import Finding, Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

WILD = Path(__file__).parent.parent / "fixtures" / "wild"
PROGRAMS = sorted(WILD.glob("*/program.py"))
RULES = {rule.code: rule for rule in all_rules() if rule.default}

FAMILIES = frozenset(
    {
        "step before backward",
        "residual onto an activation",
        "write to a piece",
        "weights edited in place",
        "self-normalisation",
        "alias then write",
        "recurrent state",
        "accumulated losses",
        "lists of modules",
        "moves after creation",
        "clearing",
        "cut graphs",
        "custom functions",
    }
)


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, and the program it is planted in."""

    program: Path
    name: str
    family: str
    about: str
    old: str
    new: str
    code: str
    at: str
    related: tuple[str, ...] = ()
    raises: str = ""
    check: str = ""
    severity: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    todo: str = ""

    @classmethod
    def read(cls, program: Path, name: str, table: dict[str, Any]) -> Bug:
        related = tuple(table.pop("related", ()))
        also, edits = (tuple((a, b) for a, b in table.pop(key, ())) for key in ("also", "edits"))
        return cls(program, name, related=related, also=also, edits=edits, **table)

    @property
    def text(self) -> str:
        """The program with the bug."""
        text = self.program.read_text()
        for old, new in ((self.old, self.new), *self.edits):
            assert text.count(old) == 1, f"this must stand there once: {old}"
            text = text.replace(old, new)
        return text

    def __str__(self) -> str:
        return f"{self.program.parent.name}/{self.name}"


def bugs_of(program: Path) -> list[Bug]:
    tables = tomllib.loads(program.with_name("bugs.toml").read_text())
    return [Bug.read(program, name, table) for name, table in tables.items()]


BUGS = [bug for program in PROGRAMS for bug in bugs_of(program)]

each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.parent.name)
each_bug = pytest.mark.parametrize("bug", BUGS, ids=str)


@contextlib.contextmanager
def registered(module: ModuleType) -> Iterator[None]:
    """Make `module` one that is imported, as dataclasses need it."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]
        if before is not None:
            sys.modules[module.__name__] = before


def run(text: str, path: Path, *, name: str = "__main__", check: str = "") -> tuple[str, list[str], bool]:
    """Run a program, then a check in its scope: the error that ended it, the warnings, and what the check showed."""
    torch.manual_seed(0)
    module = ModuleType(name)
    module.__file__ = str(path)
    scope = vars(module)
    raised = ""
    with registered(module), warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            exec(compile(text, str(path), "exec"), scope)
            exec(compile(check, "<check>", "exec"), scope)
        except (RuntimeError, ValueError) as error:
            raised = " ".join(str(error).split())
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_anomaly_enabled(False)
            torch.set_grad_enabled(True)
    return raised, [str(warning.message) for warning in warned], bool(scope.get("shown"))


def judged(text: str, path: Path) -> list[Finding]:
    """The findings that count, of the rules that run by default."""
    findings = check_source(SourceFile(str(path), text), list(RULES.values()))
    return sorted((f for f in findings if f.severity >= Severity.WARNING), key=lambda f: f.range.start)


@cache
def marked(text: str) -> Counter[tuple[str, str]]:
    """Code and line of each mark `# expect: AGL123`."""
    lines = [(line.strip(), re.search(r"# expect: (AGL\d{3})\b", line)) for line in text.splitlines()]
    return Counter((mark[1], line) for line, mark in lines if mark)


def places(findings: list[Finding], text: str) -> Counter[tuple[str, str]]:
    """Code and line of each finding."""
    lines = text.splitlines()
    return Counter((f.code, lines[f.range.start.row - 1].strip()) for f in findings)


# ------------------------------------------------------------------- the programs


@each_program
def test_program_runs_without_a_warning(program: Path) -> None:
    raised, warned, _ = run(program.read_text(), program)
    assert raised == ""
    assert warned == []


@each_program
def test_program_is_clean(program: Path) -> None:
    text = program.read_text()
    assert places(judged(text, program), text) == marked(text)


# ------------------------------------------------------------------- the bugs


@each_bug
def test_torch_shows_the_bug(bug: Bug) -> None:
    assert bool(bug.raises) != bool(bug.check)
    if bug.raises:
        raised, _, _ = run(bug.text, bug.program)
        assert bug.raises in raised
        return
    raised, _, shown = run(bug.text, bug.program, name="program", check=bug.check)
    assert (raised, shown) == ("", True)
    raised, _, shown = run(bug.program.read_text(), bug.program, name="program", check=bug.check)
    assert (raised, shown) == ("", False)


def is_found(bug: Bug) -> bool:
    text = bug.text
    findings = judged(text, bug.program)
    fresh = places(findings, text) - marked(text)
    lines = text.splitlines()
    assert sum(line.strip() == bug.at for line in lines) == 1, "the line must stand there once"
    if fresh != Counter([(bug.code, bug.at), *bug.also]):
        return False
    (finding,) = (f for f in findings if f.code == bug.code and lines[f.range.start.row - 1].strip() == bug.at)
    severity = Severity[bug.severity.upper()] if bug.severity else RULES[bug.code].severity
    related = {lines[other.range.start.row - 1].strip() for other in finding.related}
    return finding.severity is severity and related == set(bug.related)


@each_bug
def test_bug_is_found_and_nothing_else(bug: Bug) -> None:
    assert bug.code in RULES
    assert is_found(bug) == (not bug.todo)


# ------------------------------------------------------------------- the collection


@each_program
def test_program_is_whole_and_has_enough_bugs(program: Path) -> None:
    assert 150 <= len(program.read_text().splitlines()) <= 400
    assert len(bugs_of(program)) >= 4


def test_families_are_all_there() -> None:
    families = Counter(bug.family for bug in BUGS)
    assert set(families) == FAMILIES
    assert min(families.values()) >= 3, families


def test_programs_are_a_dozen() -> None:
    assert len(PROGRAMS) >= 12


KNOWN_GAPS = 0
"""How many bugs have `todo`."""


def test_known_gaps_are_counted() -> None:
    assert sum(bool(bug.todo) for bug in BUGS) == KNOWN_GAPS

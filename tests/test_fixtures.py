"""Programs with and without the fault of one rule: `fixtures/bad/RULE/` and `fixtures/good/RULE/`, judged and run.

In a bad program a comment `# expect: AGL123` marks the line of each finding. Where torch must raise, a comment
`# raises: TEXT` quotes a part of the message.

`# todo: AGL123` marks what is known to be wrong still: in a bad program a line whose fault is not found, in a good one
a line that is accused. Once it is right the test fails, so that the mark goes.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path

import pytest

from autograd_lint.engine import check_source
from autograd_lint.finding import Finding, Severity
from autograd_lint.rule import Rule, all_rules
from autograd_lint.source import SourceFile

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

FIXTURES = Path(__file__).parent.parent / "fixtures"
BY_NAME = {rule.name: rule for rule in all_rules()}
FEWEST = {"bad": 4, "good": 6}


def programs(kind: str) -> list[Path]:
    return sorted((FIXTURES / kind).glob("*/*.py"))


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def judged(path: Path, rule: type[Rule]) -> list[Finding]:
    rules = [r for r in all_rules() if r.default or r is rule]
    return check_source(SourceFile(str(path), path.read_text()), rules)


def findings(path: Path, rule: type[Rule]) -> list[Finding]:
    return [f for f in judged(path, rule) if f.code == rule.code]


def run(path: Path) -> str:
    """Run a program; the error that ended it, if any."""
    dtype = torch.get_default_dtype()
    torch.manual_seed(0)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
        except (RuntimeError, ValueError) as error:
            return " ".join(str(error).split())
        finally:
            torch.set_default_dtype(dtype)
            torch.set_anomaly_enabled(False)
            torch.set_grad_enabled(True)
    return ""


def marked(path: Path, kind: str, rule: type[Rule]) -> list[int]:
    lines = path.read_text().splitlines()
    return [row for row, line in enumerate(lines, 1) if re.search(rf"# {kind}: {rule.code}\b", line)]


@pytest.mark.parametrize("path", programs("bad"), ids=label)
def test_bad_program_is_found_where_it_says(path: Path) -> None:
    rule = BY_NAME[path.parent.name]
    expected = marked(path, "expect", rule)
    assert expected or marked(path, "todo", rule)
    assert sorted(f.range.start.row for f in findings(path, rule)) == expected


@pytest.mark.parametrize("path", programs("bad"), ids=label)
def test_bad_program_raises_only_what_it_says(path: Path) -> None:
    said = re.search(r"# raises: (.+)$", path.read_text(), re.MULTILINE)
    raised = run(path)
    assert said[1].strip() in raised if said else raised == ""


@pytest.mark.parametrize("path", programs("good"), ids=label)
def test_good_program_is_clean_and_runs(path: Path) -> None:
    rule = BY_NAME[path.parent.name]
    found = judged(path, rule)
    least = min(rule.severity, Severity.WARNING)
    said = [f.range.start.row for f in found if f.code == rule.code and f.severity >= least]
    assert sorted(said) == marked(path, "todo", rule)
    assert [f for f in found if f.severity is Severity.ERROR and f.code != rule.code] == []
    assert run(path) == ""


@pytest.mark.parametrize("kind", FEWEST)
def test_every_rule_has_enough_fixtures(kind: str) -> None:
    folders = {folder.name for folder in (FIXTURES / kind).iterdir() if folder.is_dir()}
    assert folders == {rule.name for rule in all_rules() if rule.on}
    few = {name for name in folders if len(list((FIXTURES / kind / name).glob("*.py"))) < FEWEST[kind]}
    assert few == set()


KNOWN_GAPS = 0
"""How many `# todo` marks there are."""


def test_known_gaps_are_counted() -> None:
    paths = [*programs("bad"), *programs("good")]
    assert sum(len(marked(path, "todo", BY_NAME[path.parent.name])) for path in paths) == KNOWN_GAPS

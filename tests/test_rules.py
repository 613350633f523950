"""Every rule alike: its metadata, its documentation, and its examples, judged by the analyzer and run under torch.

A new rule needs no test of its own here. What its example must show is read from its documentation: the error or
warning quoted under "What torch says", and the figures in the comments after `print(…)`.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass

import pytest

from autograd_lint.engine import check_source
from autograd_lint.events import Event
from autograd_lint.finding import Finding, Severity
from autograd_lint.rule import Example, Rule, all_rules
from autograd_lint.source import SourceFile

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

RULES = {rule.code: rule for rule in all_rules()}
JUDGES = [rule for rule in all_rules() if rule.on]
WORDED = [
    ("What it does", True),
    ("Why is this bad", True),
    ("What torch says", False),
    ("Example", True),
    ("Use instead", True),
    ("Confirmation", True),
    ("References", True),
]

each_rule = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
each_judge = pytest.mark.parametrize("rule", JUDGES, ids=lambda rule: rule.code)


def example_of(rule: type[Rule]) -> Example:
    example = rule.example()
    assert example is not None
    return example


def section(rule: type[Rule], heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", rule.documentation(), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


# ------------------------------------------------------------------- metadata and documentation


@each_rule
def test_metadata(rule: type[Rule]) -> None:
    assert isinstance(rule.severity, Severity)
    assert all(issubclass(kind, Event) and kind is not Event for kind in rule.on)
    assert len(set(rule.on)) == len(rule.on)
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.since)
    assert rule.code not in rule.supersedes
    assert rule.default or rule.severity is Severity.INFO
    assert rule.__doc__ is not None


@each_judge
def test_superseded_rules_are_milder_and_hear_the_same_events(rule: type[Rule]) -> None:
    for code in rule.supersedes:
        other = RULES[code]
        assert other.severity <= rule.severity
        assert set(other.on) & set(rule.on)
        assert rule.code not in other.supersedes


@each_judge
def test_documentation_has_its_headings(rule: type[Rule]) -> None:
    headings = re.findall(r"^## (.+)$", rule.documentation(), re.MULTILINE)
    assert headings == [name for name, needed in WORDED if needed or name in headings]
    evidence = one_line(section(rule, "Confirmation"))
    assert "Confirmed when" in evidence
    assert re.search(r"Refuted when|the evidence says", evidence)
    assert "](https://" in section(rule, "References")


@each_judge
def test_documentation_names_only_rules_that_exist(rule: type[Rule]) -> None:
    named = set(re.findall(r"AGL\d{3}", rule.documentation()))
    assert named <= set(RULES)


@each_judge
def test_first_sentence_is_the_module_s(rule: type[Rule]) -> None:
    """Module and class begin with one sentence each; the class's stands alone, before the headings."""
    first, blank, heading, *_ = rule.documentation().splitlines()
    assert first[0].isupper() or first[0] == "`"
    assert first.endswith(".")
    assert (blank, heading) == ("", "## What it does")


# ------------------------------------------------------------------- what the analyzer says of the examples


def judged(program: str, rule: type[Rule]) -> list[Finding]:
    rules = [r for r in all_rules() if r.default or r is rule]
    return check_source(SourceFile("/example.py", program), rules)


@each_judge
def test_bad_example_is_found_once(rule: type[Rule]) -> None:
    findings = judged(example_of(rule).bad, rule)
    (finding,) = (f for f in findings if f.code == rule.code)
    assert (finding.name, finding.severity) == (rule.name, rule.severity)
    assert [f for f in findings if f.severity is Severity.ERROR and f is not finding] == []


@each_judge
def test_good_example_is_clean(rule: type[Rule]) -> None:
    findings = judged(example_of(rule).good, rule)
    assert [f for f in findings if f.severity >= Severity.WARNING or f.code == rule.code] == []


VERBS = re.compile(
    "assign|build|call|clear|clone|collect|compute|cut|drop|finish|give|let|make|pass|reduce|register|run|set|sum|use"
    "|wrap|write"
)


@each_judge
def test_texts_of_the_bad_example(rule: type[Rule]) -> None:
    (finding,) = (f for f in judged(example_of(rule).bad, rule) if f.code == rule.code)
    for text in (finding.message, *(related.message for related in finding.related)):
        assert_is_a_message(text)
    assert_is_help(finding.help)


def assert_is_a_message(text: str) -> None:
    """Lower case, no full stop, one line, and code in pairs of backticks."""
    assert text
    assert text[0] == "`" or text[0].islower()
    assert not text.endswith(".")
    assert "\n" not in text
    assert "  " not in text
    assert text.count("`") % 2 == 0
    assert "``" not in text


def assert_is_help(text: str) -> None:
    assert_is_a_message(text)
    assert VERBS.fullmatch(text.split()[0])


# ------------------------------------------------------------------- what torch shows


@dataclass(frozen=True)
class Outcome:
    """What running a program showed."""

    printed: str
    raised: str
    warned: str


def run(program: str) -> Outcome:
    printed = io.StringIO()
    raised = ""
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            exec(compile(program, "<example>", "exec"), {"__name__": "__main__"})
        except (RuntimeError, ValueError) as error:
            raised = f"{type(error).__name__}: {error}"
        finally:
            torch.set_anomaly_enabled(False)
    return Outcome(printed.getvalue(), one_line(raised), one_line(" ".join(str(w.message) for w in warned)))


def one_line(text: str) -> str:
    return " ".join(text.split())


def quoted(rule: type[Rule]) -> list[str]:
    """The messages in the block under "What torch says", each on one line."""
    block = re.search(r"```text\n(.*?)```", section(rule, "What torch says"), re.DOTALL)
    return [one_line(part) for part in re.split(r"^(?=\w+:)", block[1], flags=re.MULTILINE) if part] if block else []


_FIGURE = re.compile(r"True|False|None|-?\d+(?:\.\d+)?")


def announced(program: str) -> list[str]:
    """The figures that comments say the `print` calls show; what follows `not` or a colon is remark."""
    comments = re.findall(r"^ *print\(.*\)  # (.*)$", program, re.MULTILINE)
    return [figure for comment in comments for figure in _FIGURE.findall(re.split(r",? not |:", comment)[0])]


def same(shown: str, said: str) -> bool:
    return shown == said if said[0].isalpha() else shown[0].isdigit() and float(shown) == float(said)


def assert_prints_what_it_announces(program: str, printed: str) -> None:
    said = announced(program)
    if said:
        shown = _FIGURE.findall(re.sub(r"(?<=\d)\.(?!\d)", "", printed))
        assert len(shown) == len(said), (printed, said)
        assert all(same(a, b) for a, b in zip(shown, said, strict=True)), (shown, said)


@each_judge
def test_bad_example_shows_under_torch_what_the_rule_says(rule: type[Rule]) -> None:
    outcome = run(example_of(rule).bad)
    messages = quoted(rule)
    errors = [text for text in messages if re.match(r"\w+Error:", text)]
    if errors:
        assert any(text in outcome.raised for text in errors), outcome.raised
    else:
        assert not outcome.raised
        assert all(text.partition(": ")[2] in outcome.warned for text in messages)
        assert messages or announced(example_of(rule).bad), "neither a message nor a figure shows the fault"
        assert_prints_what_it_announces(example_of(rule).bad, outcome.printed)


@each_judge
def test_good_example_runs_clean_under_torch(rule: type[Rule]) -> None:
    program = example_of(rule).good
    outcome = run(program)
    assert (outcome.raised, outcome.warned) == ("", "")
    assert_prints_what_it_announces(program, outcome.printed)


@each_judge
def test_examples_differ(rule: type[Rule]) -> None:
    example = example_of(rule)
    assert example.bad != example.good
    for program in (example.bad, example.good):
        assert program.startswith("import torch\n")
        assert max(map(len, program.splitlines())) <= 100

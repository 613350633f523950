"""The programs of the talk and the examples of the rules, run: each fault is found where the marks and the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograd_lint import events
from autograd_lint.finding import Severity
from autograd_lint.rule import Example, Rule, all_rules
from tests.dynamic.watched import DEFAULT, MODES, watch
from tests.test_talk import PROGRAMS, places, read_marks

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

JUDGES = [rule for rule in all_rules() if rule.on]
OF_THE_RUN = {
    *(events.Write, events.Refused, events.Backward, events.Accumulation, events.GradRead, events.GradZero),
    *(events.HookRegistered, events.AttributeBound, events.LeafLost, events.IndexRead),
    *(events.GradientChecked, events.Checkpointed, events.ClippedNothing, events.AnomalyMode),
    *(events.OptimizerRebuilt, events.Misordered, events.StateKept, events.GraphKept),
    *(events.LostWrite, events.GradientWritten),
    *(events.Unregistered, events.MadeInForward, events.EvalForward),
}
"""The events that the observer tells of. Other rules have evidence of values only: what `check` has found is confirmed
by looking at it, but a run alone finds nothing."""
each_mode = pytest.mark.parametrize("mode", MODES)
each_program = pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
each_judge = pytest.mark.parametrize("rule", JUDGES, ids=lambda rule: rule.code)
each_seen = pytest.mark.parametrize(
    "rule", [rule for rule in JUDGES if set(rule.on) <= OF_THE_RUN], ids=lambda rule: rule.code
)
each_unseen = pytest.mark.parametrize(
    "rule", [rule for rule in JUDGES if not set(rule.on) & OF_THE_RUN], ids=lambda rule: rule.code
)


@each_mode
@each_program
def test_program_of_the_talk(path: Path, mode: str) -> None:
    marks = read_marks(path)
    seen = watch(path.read_text(encoding="utf-8"), mode=mode)
    assert places(list(seen.findings)) == marks.expected
    found = {(f.code, r.range.start.row, r.message) for f in seen.findings for r in f.related}
    for code, row, word in marks.related:
        assert any((code, row) == place[:2] and word in place[2] for place in found), (code, row, word, found)
    for code, row, message in found:
        assert any((code, row) == mark[:2] and mark[2] in message for mark in marks.related), (code, row, message)


def example_of(rule: type[Rule]) -> Example:
    example = rule.example()
    assert example is not None
    return example


@each_unseen
def test_rule_of_which_a_run_alone_tells_nothing(rule: type[Rule]) -> None:
    """Fails when the observer begins to tell of these events: then the rule belongs to the seen ones."""
    seen = watch(example_of(rule).bad, mode="lines", rules=[*DEFAULT, rule])
    assert [finding for finding in seen.findings if finding.code == rule.code] == []


@each_mode
@each_seen
def test_bad_example_is_found(rule: type[Rule], mode: str) -> None:
    seen = watch(example_of(rule).bad, mode=mode, rules=[*DEFAULT, rule])
    (found,) = (finding for finding in seen.findings if finding.code == rule.code)
    assert found.severity is rule.severity
    assert [f for f in seen.findings if f.severity is Severity.ERROR and f is not found] == []


@each_mode
@each_judge
def test_good_example_is_silent(rule: type[Rule], mode: str) -> None:
    seen = watch(example_of(rule).good, mode=mode, rules=[*DEFAULT, rule])
    assert seen.error is None
    assert seen.findings == ()

"""Compares what the linter says of a program with what torch did to it.

The two agree when

- torch raised: an `error` of a rule of that family is at the right line (the write for a saved tensor that changed, else
  the line that raised). Where no rule tells of what torch refuses, nothing is expected;
- gradients were summed over a step: AGL302 is at the backward; a constructor kept what it computed from a Parameter it
  lost: AGL401 is there;
- nothing is called an `error` that torch contradicts. A claim is not judged where torch never came to it: its line, or
  the call that leads there, did not run, or might have run again had the program not ended.

A wrong gradient without an error (`Kind.SILENT`) that is not found is counted, but is no disagreement: it depends on
values. Warnings are not judged.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from autograd_lint.engine import check_source
from autograd_lint.finding import Finding, Range, Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile
from tests.agreement.evidence import Evidence
from tests.agreement.outcome import Kind, Outcome


class Fault(enum.Enum):
    """How the linter disagrees with torch."""

    FALSE_ERROR = "false error"
    MISSED = "missed"
    WRONG_LINE = "wrong line"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One. `rule` is the code found, or those that would have been right; `torch` is the kind of outcome, with its
    reason; `line` is where; `warned`: only as a warning.
    """

    fault: Fault
    rule: str
    torch: str
    line: int | None
    message: str = ""
    warned: bool = False

    @property
    def key(self) -> tuple[Fault, str, str]:
        """What a shrunk program must still show."""
        return self.fault, self.rule, self.torch


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of one program. `silent_found` is None unless torch computed a wrong gradient."""

    kind: Kind
    disagreements: tuple[Disagreement, ...] = ()
    silent_found: bool | None = None
    has_rule: bool = True
    unjudged: tuple[str, ...] = ()


_WRITES: Final = ("AGL101", "AGL107", "AGL108")
_FAMILIES: Final = {
    Kind.STALE: _WRITES,
    Kind.SILENT: ("AGL107", "AGL108"),
    Kind.TWICE: ("AGL202", "AGL203"),
    Kind.NON_SCALAR: ("AGL501",),
    Kind.NO_GRAPH: ("AGL505",),
    Kind.NOT_IMPLEMENTED: ("AGL506",),
}
_REFUSALS: Final = {
    "leaf": ("AGL102",),
    "view-of-leaf": ("AGL102",),
    "multi-view": ("AGL106",),
    "no_grad-view": ("AGL106",),
    "custom-view": ("AGL106",),
    "overlap": ("AGL106",),
    "detach_": ("AGL101",),
    "inference-write": ("AGL106",),
    "out=": ("AGL111",),
    "numpy": ("AGL508",),
    "integer": ("AGL507",),
    "optimizer": ("AGL406",),
    "deepcopy": ("AGL407",),
    "inference-saved": ("AGL113",),
}
_JUDGED: Final = {code for codes in (*_FAMILIES.values(), *_REFUSALS.values()) for code in codes}
_CRASHES: Final = ("AGL000", "AGL003")
_CALL: Final = "called from here"
_BASE_WRITTEN: Final = "its base or another view of its base has been modified"


def static_findings(text: str) -> list[Finding]:
    """What the linter says of a program, with the rules that are on by default."""
    return check_source(SourceFile("program.py", text), [rule for rule in all_rules() if rule.default])


def compare(text: str, outcome: Outcome, findings: Sequence[Finding]) -> Comparison:
    """Compare the `findings` on the program `text` with its `outcome` under torch."""
    if outcome.kind is Kind.OTHER:
        return Comparison(outcome.kind)
    return _Judge(Evidence(text, outcome), findings).comparison()


def family(outcome: Outcome) -> tuple[str, ...]:
    """The rules that tell of what torch did; none if no rule does."""
    return _REFUSALS.get(outcome.reason, ()) if outcome.kind is Kind.REFUSED else _FAMILIES.get(outcome.kind, ())


class _Judge:
    """The comparison of one program, in the making."""

    def __init__(self, evidence: Evidence, findings: Sequence[Finding]) -> None:
        self.evidence = evidence
        self.outcome = evidence.outcome
        self.findings = findings
        self.errors = [f for f in findings if f.severity is Severity.ERROR]
        self.codes = family(self.outcome)
        self.torch = f"{self.outcome.kind.value} {self.outcome.reason}".strip()
        self.right_lines = self._right_lines()

    def comparison(self) -> Comparison:
        outcome, silent = self.outcome, self.outcome.kind is Kind.SILENT
        crashes = [self._false(finding) for finding in self.errors if finding.code in _CRASHES]
        if crashes:
            return Comparison(outcome.kind, tuple(crashes))
        missed = self._missed()
        judged = [(finding, self._holds(finding)) for finding in self.errors]
        false = [self._false(finding) for finding, holds in judged if holds is False]
        if missed is not None and missed.fault is Fault.WRONG_LINE and not silent:
            false = [other for other in false if other.rule not in self.codes]
        return Comparison(
            outcome.kind,
            (*([missed] if missed and not silent else []), *false, *self._unnoticed()),
            silent_found=missed is None if silent else None,
            has_rule=bool(self.codes) or not outcome.kind.is_fault,
            unjudged=tuple(finding.code for finding, holds in judged if holds is None),
        )

    # ------------------------------------------------------------- what must be found

    def _missed(self) -> Disagreement | None:
        """What is wrong with how the linter tells of the fault that torch met, if anything."""
        if not self.outcome.kind.is_fault or not self.codes:
            return None
        told = [f for f in self.findings if f.code in self.codes]
        here = [f for f in told if _covers(f, self.right_lines)]
        if any(f.severity is Severity.ERROR for f in here) or self._tells_of_another_write(told):
            return None
        astray = [f for f in told if f.severity is Severity.ERROR and self._holds(f) is False]
        if astray:
            return self._disagreement(Fault.WRONG_LINE, astray[0].code, astray[0].message)
        return self._disagreement(Fault.MISSED, "/".join(self.codes), self.outcome.message, warned=bool(here))

    def _right_lines(self) -> set[int | None]:
        outcome = self.outcome
        if outcome.kind in (Kind.STALE, Kind.SILENT):
            return {outcome.write_line}
        if outcome.reason == "detach_":
            return {outcome.line} | self.evidence.detaching_lines
        if _BASE_WRITTEN in outcome.message or (outcome.kind is Kind.REFUSED and outcome.in_backward):
            # What was fine when it was made went bad by a write: the write is to blame, torch raises at the next use.
            detached = self.evidence.lines_with(".detach_(") if outcome.reason == "detach_" else set()
            return {outcome.line} | self.evidence.watch.written_lines | detached
        return {outcome.line}

    def _tells_of_another_write(self, told: Iterable[Finding]) -> bool:
        """Torch stops at the first saved tensor that changed; another that the same backward needs is as good."""
        errors = [f for f in told if f.severity is Severity.ERROR]
        return self.outcome.kind is Kind.STALE and any(_covers(f, self.evidence.guilty_lines) for f in errors)

    def _unnoticed(self) -> Iterator[Disagreement]:
        """Faults that raise nothing. Of several backwards that add to what one step used, one is to be told of."""
        lines: dict[int, list[int]] = {}
        for each in self.outcome.summed:
            lines.setdefault(each.stepped, []).append(each.line)
        sure = {each.stepped for each in self.outcome.summed if each.sure}
        expected = [("AGL302", group) for stepped, group in lines.items() if stepped in sure]
        expected += [("AGL401", [line]) for line in self.outcome.unregistered]
        for code, group in expected:
            here = [f for f in self.findings if f.code == code and _covers(f, group)]
            if not any(f.severity is Severity.ERROR for f in here):
                yield Disagreement(Fault.MISSED, code, self.torch, group[0], warned=bool(here))

    def _disagreement(self, fault: Fault, rule: str, message: str, *, warned: bool = False) -> Disagreement:
        line = next(iter(self.right_lines)) if len(self.right_lines) == 1 else self.outcome.line
        return Disagreement(fault, rule, self.torch, line, message, warned)

    # ------------------------------------------------------------- what must hold

    def _false(self, finding: Finding) -> Disagreement:
        fault = Fault.CRASH if finding.code in _CRASHES else Fault.FALSE_ERROR
        return Disagreement(fault, finding.code, self.torch, finding.range.start.row, finding.message)

    def _holds(self, finding: Finding) -> bool | None:
        """Whether torch bears the error out; None where it cannot tell."""
        code, evidence, outcome = finding.code, self.evidence, self.outcome
        if code in self.codes and _covers(finding, self.right_lines):
            return True
        lines = _lines(finding.range)
        if not self._was_reached(finding):
            return None
        proof = self._proof(finding)
        if proof is not False:
            return proof
        cut_short = outcome.kind.is_fault and outcome.kind is not Kind.SILENT
        return None if cut_short and evidence.runs_again(lines) else False

    def _was_reached(self, finding: Finding) -> bool:
        """Torch came to the place, and to the call that the finding says leads there."""
        places = [finding.range, *(place.range for place in finding.related if place.message == _CALL)]
        return all(self.evidence.trace.executed.intersection(_lines(place)) for place in places)

    def _proof(self, finding: Finding) -> bool | None:
        code, evidence, lines = finding.code, self.evidence, _lines(finding.range)
        if code == "AGL302":
            summed = any(each.line in lines for each in self.outcome.summed)
            return summed or not evidence.summed_by_hand.isdisjoint(lines)
        if code == "AGL401":
            return any(line in lines for line in self.outcome.unregistered)
        if code == "AGL303":
            return any(line in lines for line in self.outcome.idle) or self._unless_step(lines)
        if code == "AGL402":
            return evidence.loses_leaf(lines)
        if code not in _JUDGED:
            return None
        raised = [error for error in evidence.trace.errors if code in family(error)]
        if code in _WRITES:
            return self._write_harms(finding, raised)
        if any(_covers(finding, {error.line}) for error in raised):
            return True
        based = any(_BASE_WRITTEN in error.message for error in raised)
        return based and _covers(finding, evidence.watch.written_lines)

    def _unless_step(self, lines: range) -> bool | None:
        """What is said of a step is false; what is said of a clipping is not judged."""
        return False if self.evidence.lines_with(".step(").intersection(lines) else None

    def _write_harms(self, finding: Finding, raised: Sequence[Outcome]) -> bool | None:
        evidence = self.evidence
        if raised and _covers(finding, evidence.guilty_lines):
            return True
        if finding.code != "AGL101" and _covers(finding, evidence.silent_lines):
            return True
        if finding.code == "AGL107" and evidence.shares_memory(_lines(finding.range)):
            return True
        # The program ended before the backward that may have needed what was written.
        ended = self.outcome.kind.is_fault and _covers(finding, evidence.touched_lines)
        return None if ended else False


def _lines(place: Range) -> range:
    return range(place.start.row, place.end.row + 1)


def _covers(finding: Finding, lines: Iterable[int | None]) -> bool:
    """Whether the finding is at one of `lines`; where a line is not known, every place is right."""
    return any(line is None or line in _lines(finding.range) for line in lines)

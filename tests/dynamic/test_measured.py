"""The 296 measured programs under the observer: every fault is found at its line with its three places, no other."""

from __future__ import annotations

import re

import pytest

from autograd_lint.finding import Finding, Severity
from tests.agreement.oracle import run_program
from tests.agreement.outcome import Kind, Outcome
from tests.agreement.programs import Program, all_programs
from tests.dynamic.watched import MODES, Watched, watch

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

PROGRAMS = all_programs()
STALE_CODES = {"AGL101", "AGL107", "AGL108"}
REFUSED_CODES = {
    "leaf": "AGL102",
    "view-of-leaf": "AGL102",
    "multi-view": "AGL106",
    "no_grad-view": "AGL106",
    "custom-view": "AGL106",
    "inference-write": "AGL106",
    "overlap": "AGL106",
    "out=": "AGL111",
    "numpy": "AGL508",
    "integer": "AGL507",
    "optimizer": "AGL406",
    "deepcopy": "AGL407",
    "flags": "AGL511",
    "inference-saved": "AGL113",
}
RIGHT_AND_HARMLESS = {"AGL112", "AGL402"}
"""Errors of the program's author that autograd lives with: a write that is lost, a leaf that is."""
STALE_VIEWS = {"B35", "E10"}
"""A view is used after its base was written: torch refuses the use, which no event tells of."""
KEPT_OUTSIDE_THE_GRAPH = {"D9"}
"""A checkpoint keeps its input where a walk of the graph does not come by."""
SEVERAL_STALE = {"B40"}
"""Two tensors changed: torch names the one that its backward meets first, an observer without hooks tells of both."""
FAILED_CODES = {
    Kind.TWICE: {"AGL202", "AGL203"},
    Kind.NON_SCALAR: {"AGL501"},
    Kind.NO_GRAPH: {"AGL505"},
    Kind.NOT_IMPLEMENTED: {"AGL506"},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program, mode: str) -> None:
    outcome = run_program(program.text)
    seen = watch(program.text, mode=mode)
    errors = [f for f in seen.findings if f.severity is Severity.ERROR and f.code not in RIGHT_AND_HARMLESS]
    if program.name in KEPT_OUTSIDE_THE_GRAPH and mode != "hooks":
        assert errors == []
    elif outcome.kind in (Kind.STALE, Kind.SILENT):
        check_stale(program, seen, errors)
    elif outcome.kind is Kind.REFUSED and outcome.reason in REFUSED_CODES:
        check_refused(program, seen, errors, REFUSED_CODES[outcome.reason])
    elif outcome.kind in FAILED_CODES:
        check_failed(outcome, errors, FAILED_CODES[outcome.kind])
    else:
        assert errors == []


def check_refused(program: Program, seen: Watched, errors: list[Finding], code: str) -> None:
    if program.name in STALE_VIEWS:
        assert errors == []
        return
    (found,) = errors
    assert found.code == code
    assert found.range.start.row in seen.raised_in


def check_failed(outcome: Outcome, errors: list[Finding], codes: set[str]) -> None:
    (found,) = errors
    assert found.code in codes
    assert found.range.start.row == outcome.line


def check_stale(program: Program, seen: Watched, errors: list[Finding]) -> None:
    assert len(errors) == 1 or (program.name in SEVERAL_STALE and len(errors) == 2)
    assert {error.code for error in errors} <= STALE_CODES
    (found,) = (error for error in errors if marked(program, error.range.start.row, "written"))
    places = {related.message.split()[0]: related.range.start.row for related in found.related}
    assert marked(program, places["saved"], "saved")
    assert marked(program, places["needed"], "needed")


def marked(program: Program, row: int, word: str) -> bool:
    line = program.text.splitlines()[row - 1]
    return re.search(rf"# (?:\w+, )*{word}\b", line) is not None

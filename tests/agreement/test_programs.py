"""The 296 programs end under torch as was measured, and the oracle finds the places that explain each fault."""

from __future__ import annotations

import re

import pytest

from tests.agreement.compare import compare, static_findings
from tests.agreement.oracle import gradients_of, run_program, same_gradients
from tests.agreement.outcome import Kind, Outcome
from tests.agreement.programs import Program, all_programs

PROGRAMS = all_programs()
ERRORS_AT_BACKWARD = {
    "B2": Kind.TWICE,
    "B:non-scalar": Kind.NON_SCALAR,
    "B:no-graph": Kind.NO_GRAPH,
    "B:not-implemented": Kind.NOT_IMPLEMENTED,
    "B:multi-view": Kind.REFUSED,
    "B:detach_": Kind.REFUSED,
}


def name_of(program: Program) -> str:
    return program.name


def test_there_are_296() -> None:
    assert len(PROGRAMS) == 296
    assert len({program.name for program in PROGRAMS}) == 296


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_program_ends_as_measured(program: Program) -> None:
    outcome = run_program(program.text)
    if program.functional:
        check_functional(program, outcome)
    elif program.expected in ERRORS_AT_BACKWARD:
        assert outcome.kind is ERRORS_AT_BACKWARD[program.expected], outcome
    elif program.expected.startswith("B "):
        check_stale(program, outcome)
    elif program.expected.startswith("W:"):
        assert (outcome.kind, outcome.reason) == (Kind.REFUSED, program.expected.removeprefix("W:")), outcome
    elif program.expected == "SILENT":
        check_silent(program, outcome)
    else:
        # "no raise" was never compared with the functional program: it may well be wrong in silence.
        allowed = {Kind.OK} if program.expected == "ok" else {Kind.OK, Kind.SILENT}
        assert outcome.kind in allowed, outcome
        if outcome.kind is Kind.SILENT:
            check_places(program, outcome)


def check_functional(program: Program, outcome: Outcome) -> None:
    """Nothing that was saved changed, yet the gradient is not that of the program without mutation."""
    assert outcome.kind is Kind.OK
    assert not same_gradients(gradients_of(program.text), gradients_of(program.functional))


def check_stale(program: Program, outcome: Outcome) -> None:
    assert outcome.kind is Kind.STALE, outcome
    assert outcome.versions is not None
    assert program.expected == "B {}->{}".format(*outcome.versions)
    check_places(program, outcome)


def check_silent(program: Program, outcome: Outcome) -> None:
    assert outcome.kind is Kind.SILENT, outcome
    check_places(program, outcome)


def check_places(program: Program, outcome: Outcome) -> None:
    """Saved, written and needed in this order, and by statements marked so in the program."""
    lines = program.text.splitlines()
    places = {"saved": outcome.saved_line, "written": outcome.write_line, "needed": outcome.line}
    assert None not in places.values(), outcome
    found = {word: lines[(line or 1) - 1] for word, line in places.items()}
    for word, line in found.items():
        assert re.search(rf"# (?:\w+, )*{word}\b", line), (word, line)


BEYOND_THE_MODEL = {"D14"}
"""The static engine does not execute the bodies of hooks, as backward does: this one writes to an expanded gradient."""


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_static_verdict_is_what_torch_does(program: Program) -> None:
    outcome = run_program(program.text)
    comparison = compare(program.text, outcome, static_findings(program.text))
    if program.name in BEYOND_THE_MODEL:
        assert comparison.disagreements, "no longer beyond the model"
    else:
        assert comparison.disagreements == ()
        assert comparison.silent_found is not False

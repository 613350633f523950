"""The border between the command and confirming: a run's result in, the same with verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint.confirm.orchestrate import Confirmer
from autograd_lint.confirm.program import WholeProgram
from autograd_lint.confirm.replays import Replays, SearchedReplays
from autograd_lint.confirm.session import Session
from autograd_lint.confirm.slices import Callers, Slices
from autograd_lint.confirm.strategy import Bounds, Strategy
from autograd_lint.confirm.witness import runner_of
from autograd_lint.events import IndexRead
from autograd_lint.finding import Finding
from autograd_lint.progress import Progress
from autograd_lint.runner import RunResult
from autograd_lint.selectors import rules_by_code
from autograd_lint.settings import Settings
from autograd_lint.streams import print_error

WAYS: Final = (WholeProgram.name, Slices.name, Replays.name)
"""The ways to reach a finding, the cheapest first."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `check --confirm` was asked: one way only, or all (empty); whether to speak of the interpreter."""

    only: str = ""
    verbose: bool = False


def confirmed(result: RunResult, settings: Settings, request: Request, session: Session) -> RunResult:
    """`result` with a verdict on each finding that is shown. Executes code; ConfirmError if torch cannot be loaded."""
    wanted = [finding for finding in result.visible if rules_by_code()[finding.code].on]
    session.use(result.stdin)
    if not wanted:
        return result
    verdicts = _verdicts(wanted, settings, request, session)
    return replace(result, findings=tuple(verdicts.get(finding, finding) for finding in result.findings))


def _verdicts(
    wanted: Sequence[Finding], settings: Settings, request: Request, session: Session
) -> dict[Finding, Finding]:
    sources = session.sources
    ways: tuple[Strategy, ...] = (
        *(WholeProgram(sources), Slices(sources), Callers(sources)),
        *(Replays(session.explorations), SearchedReplays(session.explorations, runner_of(session.pool))),
    )
    strategies = [way for way in ways if request.only in ("", way.name)]
    bounds = Bounds(session.limits.seconds, any(IndexRead in rules_by_code()[code].on for code in settings.codes))
    progress = Progress()
    try:
        _tell_interpreter(session, verbose=request.verbose)
        return Confirmer(session.pool, strategies, bounds, progress.confirm, sources).confirm(wanted)
    finally:
        progress.finish()


def _tell_interpreter(session: Session, *, verbose: bool) -> None:
    interpreter = session.interpreter()
    if verbose:
        print_error(f"confirming with {session.python}: Python {interpreter.python}, torch {interpreter.torch}")
        for gap in interpreter.walls.gaps():
            print_error(f"note: {gap} [sandbox]")
    elif interpreter.walls.gaps():
        print_error("warning: this machine lets the sandbox raise some of its walls only; -v tells which [sandbox]")

"""The border between the command and confirming: settings in, a run's result with verdicts out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint.confirm.interpreter import find_python, loaded
from autograd_lint.confirm.orchestrate import Confirmer
from autograd_lint.confirm.program import WholeProgram
from autograd_lint.confirm.replays import Replays
from autograd_lint.confirm.slices import Slices
from autograd_lint.confirm.strategy import Bounds, Strategy
from autograd_lint.confirm.traced import Explorations
from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.errors import SourceError
from autograd_lint.events import IndexRead
from autograd_lint.finding import Finding
from autograd_lint.progress import Progress
from autograd_lint.runner import RunResult
from autograd_lint.selectors import rules_by_code
from autograd_lint.settings import Settings
from autograd_lint.source import STDIN_NAME, SourceFile, read_source
from autograd_lint.streams import print_error

WAYS: Final = (WholeProgram.name, Slices.name, Replays.name)
"""The ways to reach a finding, the cheapest first."""

_PRELOAD: Final = ("torch", "autograd_lint.dynamic.testify", "autograd_lint.dynamic.slices.hook")


@dataclass(frozen=True, slots=True)
class Request:
    """What `check --confirm` was asked: one way only, or all (empty); whether to speak of the interpreter."""

    only: str = ""
    verbose: bool = False


def confirmed(
    result: RunResult, settings: Settings, request: Request, explorations: Explorations | None = None
) -> RunResult:
    """`result` with a verdict on each finding that is shown. Executes code; ConfirmError if no Python has torch.

    `explorations` are those that others want too.
    """
    python = find_python(settings.confirm.python, settings.root)
    wanted = [finding for finding in result.visible if rules_by_code()[finding.code].on]
    if not wanted:
        return result
    ways: tuple[Strategy, ...] = (WholeProgram(), Slices(), Replays(explorations or Explorations(keep=False)))
    strategies = [way for way in ways if request.only in ("", way.name)]
    sources = _sources(wanted, result)
    jobs = settings.confirm.jobs or settings.jobs or _processors()
    limits = Limits(seconds=settings.confirm.timeout, memory=settings.confirm.memory)
    bounds = Bounds(limits.seconds, any(IndexRead in rules_by_code()[code].on for code in settings.codes))
    progress = Progress()
    try:
        with Pool(Setup(python=python, jobs=jobs, limits=limits, preload=_PRELOAD)) as pool:
            _tell_interpreter(pool, python, verbose=request.verbose)
            confirmer = Confirmer(pool, strategies, bounds, progress.confirm)
            verdicts = confirmer.confirm(wanted, sources)
    finally:
        progress.finish()
    return replace(result, findings=tuple(verdicts.get(finding, finding) for finding in result.findings))


def _sources(findings: Sequence[Finding], result: RunResult) -> dict[str, SourceFile]:
    found = {}
    for name in {finding.filename for finding in findings}:
        if result.stdin is not None and name == result.stdin.path:
            found[name] = result.stdin
        elif name != STDIN_NAME:
            try:
                found[name] = read_source(name)
            except SourceError as error:
                print_error(f"warning: {name}: changed while it was checked: {error} [not-confirmed]")
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell_interpreter(pool: Pool, python: str, *, verbose: bool) -> None:
    interpreter = loaded(pool)
    if verbose:
        print_error(f"confirming with {python}: Python {interpreter.python}, torch {interpreter.torch}")
        for gap in interpreter.walls.gaps():
            print_error(f"note: {gap} [sandbox]")
    elif interpreter.walls.gaps():
        print_error("warning: this machine lets the sandbox raise some of its walls only; -v tells which [sandbox]")

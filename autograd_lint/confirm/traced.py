"""The path behind a finding: the file is executed abstractly once more, and this time its steps are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autograd_lint.confirm.claims import Claim, claim_of
from autograd_lint.dynamic.refusals import failure_of, is_stale, refusal_of_call, refusal_of_write
from autograd_lint.events import Backward, Event, Refusal, Refused, Site, Write
from autograd_lint.finding import Finding
from autograd_lint.rule import Report
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import SourceFile
from autograd_lint.static.importing.places import Places
from autograd_lint.static.interpret.explore import PathResult, explore, project_of
from autograd_lint.static.model.tape import Tape
from autograd_lint.static.syntax.lower import lower_module
from autograd_lint.static.syntax.parse import parse
from autograd_lint.static.syntax.stack import with_room

_OF_LEAVES: Final = frozenset({Refusal.LEAF, Refusal.VIEW_OF_LEAF})
"""An index write to a leaf is one to a view of it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps that lead to an event: torch raises at step `end`, or what the `claim` says holds after it.

    `implied`: the backward that raises is not in the file; the graph leaves through a `return`.
    """

    tape: Tape
    event: Event
    places: tuple[Site, ...]
    end: int
    implied: bool
    positions: Places
    claim: Claim | None = None


def raises_as(event: Event, message: str) -> bool:
    """Whether torch's message is the one that `event` foretells."""
    error = RuntimeError(message)
    if isinstance(event, Write):
        if event.refusal is not None:
            found = refusal_of_write(error)
            return found is event.refusal or {found, event.refusal} <= _OF_LEAVES
        return event.stale is not None and not event.stale.silent and is_stale(error)
    if isinstance(event, Backward):
        return event.failure is not None and failure_of(error) is event.failure
    if isinstance(event, Refused):
        return event.reason in (refusal_of_call(error), refusal_of_write(error))
    return False


class Explored:
    """A file executed abstractly with its steps kept, once for all its findings; what it imports is as in a check."""

    def __init__(self, source: SourceFile) -> None:
        tree = parse(source.text)
        project = project_of(source.path)
        self.positions: Final = Places(tree, project, source.text)
        programs = with_room(lambda: list(explore(lower_module(tree, source.path), project, taped=True)))
        self.paths: Final = [path for paths in programs for path in paths]
        project.close()

    def traces(self, finding: Finding) -> list[Trace]:
        """The paths along which the finding's rule reports it and it can be shown, the shortest first."""
        found = with_room(lambda: [trace for path in self.paths if (trace := self._trace(path, finding)) is not None])
        return sorted(found, key=lambda trace: len(trace.tape.steps))

    def _trace(self, path: PathResult, finding: Finding) -> Trace | None:
        for event, report in _reports(path, finding, self.positions):
            trace = _trace(path, event, report, self.positions)
            if trace is not None:
                return trace
        return None


def _reports(path: PathResult, finding: Finding, positions: Places) -> Iterator[tuple[Event, Report]]:
    rule = rules_by_code()[finding.code]
    for event, late in path.events:
        if late or not isinstance(event, rule.on):
            continue
        for report in rule().judge(event):
            if report.site.filename == finding.filename and positions.range_of(report.site.token) == finding.range:
                yield event, report


def _trace(path: PathResult, event: Event, report: Report, positions: Places) -> Trace | None:
    tape = path.tape
    if tape is None:
        return None
    places = (report.site, *(site for _, site in report.related))
    stale = event.stale if isinstance(event, Write) else None
    implied = stale is not None and stale.needed_implied
    if implied:
        return Trace(tape, event, places, len(tape.steps), True, positions) if tape.returned else None
    end = _raising_step(tape, {site.token for site in places})
    if end is None and isinstance(event, Write) and event.refusal is not None:
        end = tape.failed_at  # a view that may not be written says so when it is next used
    claim = claim_of(event, tape) if end is None else None
    if claim is not None:
        end = claim.end
    return None if end is None else Trace(tape, event, places, end, False, positions, claim)


def _raising_step(tape: Tape, tokens: set[object]) -> int | None:
    """The step at one of the places at which torch raises."""
    raising = (tape.failed_at, *(at for at, step in enumerate(tape.steps) if step.raised))
    return next((at for at in raising if at is not None and tape.steps[at].node.cst in tokens), None)

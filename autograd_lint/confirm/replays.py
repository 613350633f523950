"""*replay*: the trace behind each finding, written out as a program of its own; none of the user's code runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autograd_lint.confirm.explorations import Explorations
from autograd_lint.confirm.program import observing
from autograd_lint.confirm.replay import REPLAY_NAME, Replay, Runner
from autograd_lint.confirm.strategy import Attempt, Bounds, Nearness, NotMade
from autograd_lint.dynamic.snippets.jobs import Job
from autograd_lint.finding import Finding
from autograd_lint.source import SourceFile


class Replays:
    """One run for each finding that can be replayed."""

    name = "replay"
    most = Nearness.REACHED

    def __init__(self, explorations: Explorations) -> None:
        self._explorations = explorations

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt | NotMade]:
        """The likeliest form of each replay."""
        for finding in findings:
            replay = self._explorations.replay(finding)
            if isinstance(replay, Replay):
                yield _attempt(replay, finding, bounds)
            else:
                yield NotMade(finding, f"no replay of it could be written: {replay.reason}")


class SearchedReplays(Replays):
    """Once more for those whose likeliest form did not show it: shapes that the trace does not know are searched."""

    def __init__(self, explorations: Explorations, run: Runner) -> None:
        super().__init__(explorations)
        self._run = run

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt]:
        """The forms that were seen to raise what the findings foretell."""
        for finding in findings:
            replay = self._explorations.replay(finding, self._run)
            if isinstance(replay, Replay):
                yield _attempt(replay, finding, bounds)


def _attempt(replay: Replay, finding: Finding, bounds: Bounds) -> Attempt:
    options = observing(bounds, how=Replays.name)
    job = Job(replay.text, REPLAY_NAME, hook="autograd_lint.dynamic.testify.testify", options=options)
    return Attempt(job, {finding: ()}, replay.rows, replay.claim)

"""Runs what confirms findings: the cheapest way first, the next one for what that did not decide."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

from autograd_lint.confirm.deciding import Decision, decide, decide_claim, not_run
from autograd_lint.confirm.matching import renamed, translated
from autograd_lint.confirm.sources import STDIN_PROGRAM, Sources, program_name
from autograd_lint.confirm.strategy import Attempt, Bounds, Nearness, NotMade, Strategy
from autograd_lint.dynamic.codec import from_json
from autograd_lint.dynamic.snippets.jobs import JobResult, Status
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.evidence import Testimony
from autograd_lint.finding import Finding, Verdict
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import STDIN_NAME, SourceFile

Told = Callable[[int, int], None]


@dataclass(slots=True)
class _File:
    """One file with findings: what is undecided, and which ways are left to try."""

    source: SourceFile
    waiting: deque[Strategy]
    running: int = 0


@dataclass(slots=True)
class Confirmer:
    """Confirms findings on `pool`, trying `strategies` in turn; `tell` hears how many of how many are decided."""

    pool: Pool
    strategies: Sequence[Strategy]
    bounds: Bounds
    tell: Told
    sources: Sources
    decisions: dict[Finding, Decision] = field(default_factory=dict)
    _findings: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    _files: dict[str, _File] = field(default_factory=dict)
    _running: dict[Future[JobResult], tuple[_File, Strategy, Attempt]] = field(default_factory=dict)

    def confirm(self, findings: Sequence[Finding]) -> dict[Finding, Finding]:
        """`findings` with their verdicts. Those of files that are gone have none, nor those of no event."""
        for finding in findings:
            source = self.sources.get(finding.filename)
            if source is not None and rules_by_code()[finding.code].on:
                self._findings[finding.filename].append(finding)
                self._files.setdefault(finding.filename, _File(source, deque(self.strategies)))
        for file in self._files.values():
            self._go_on(file)
        while self._running:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish(future)
        known = [finding for listed in self._findings.values() for finding in listed]
        return {finding: replace(finding, confirmation=self._decision(finding).confirmation) for finding in known}

    def _go_on(self, file: _File) -> None:
        """Try the next way that there is for what is undecided in `file`."""
        while not file.running and file.waiting:
            strategy = file.waiting.popleft()
            open_ones = self._undecided(file.source.path, strategy.most)
            for attempt in strategy.attempts(file.source, open_ones, self.bounds) if open_ones else ():
                if isinstance(attempt, NotMade):
                    self._note(attempt.finding, not_run(strategy.name, attempt.reason))
                    continue
                file.running += 1
                self._running[self.pool.submit(attempt.job)] = file, strategy, attempt

    def _undecided(self, name: str, most: Nearness) -> list[Finding]:
        return [finding for finding in self._findings[name] if self._decision(finding).nearness <= most]

    def _is_decided(self, finding: Finding) -> bool:
        return self._decision(finding).nearness is Nearness.DECIDED

    def _decision(self, finding: Finding) -> Decision:
        return self.decisions.get(finding) or not_run("", "no program that reaches it could be made")

    def _finish(self, future: Future[JobResult]) -> None:
        file, strategy, attempt = self._running.pop(future)
        file.running -= 1
        result = future.result()
        run = _testimony(result)
        if run is None:
            reason = f"the {strategy.name} told nothing: {_reason(result)}"
            for finding in attempt.findings:
                self._note(finding, not_run(strategy.name, reason, nearness=Nearness.CUT_SHORT))
        else:
            self._judge(run, attempt, strategy)
        self._tell()
        self._go_on(file)

    def _judge(self, run: Testimony, attempt: Attempt, strategy: Strategy) -> None:
        """What `run` says of the findings it was made for, and of others that it reached."""
        run = replace(run, how=strategy.name)
        program = attempt.job.filename
        if program == STDIN_PROGRAM:
            run = renamed(run, program, STDIN_NAME)
        if attempt.rows is not None:
            run = translated(run, program=program, rows=attempt.rows)
            if attempt.claim:
                for finding in attempt.findings:
                    self._note(finding, decide_claim(finding, run, attempt.claim, len(attempt.rows)))
                return
        for finding, numbers in attempt.findings.items():
            is_own = attempt.rows is not None or program_name(finding.filename) == program
            where = "" if is_own else os.path.basename(program)
            self._take(finding, decide(finding, run, numbers, self._files[finding.filename].source, where), attempt)
        for finding in self._reached(run, attempt):
            decision = decide(finding, run, (), self._files[finding.filename].source)
            if decision.nearness is Nearness.DECIDED:  # how far a run came that was not made for it tells nothing
                self._take(finding, decision, attempt)

    def _reached(self, run: Testimony, attempt: Attempt) -> Iterator[Finding]:
        """The findings in files that a run came to which it was not made for."""
        for name in run.reached:
            yield from (finding for finding in self._findings.get(name, ()) if finding not in attempt.findings)

    def _take(self, finding: Finding, decision: Decision, attempt: Attempt) -> None:
        if attempt.rows is None or decision.confirmation.verdict is not Verdict.REFUTED:
            self._note(finding, decision)  # a program written anew may lack what the fault takes

    def _note(self, finding: Finding, decision: Decision) -> None:
        known = self.decisions.get(finding)
        # A confirmation stands; a refutation gives way to it, since one run that shows a fault is enough.
        confirmed = decision.confirmation.verdict is Verdict.CONFIRMED
        # Of runs that came as near, the later one tells more: it was made for the finding.
        if known is None or decision.nearness >= max(known.nearness, Nearness.NOT_REACHED) or confirmed:
            self.decisions[finding] = decision

    def _tell(self) -> None:
        known = [finding for listed in self._findings.values() for finding in listed]
        self.tell(sum(map(self._is_decided, known)), len(known))


def _testimony(result: JobResult) -> Testimony | None:
    """What the program in the sandbox told, if it did; it may have sent anything."""
    if result.value is None:
        return None
    try:
        run = from_json(result.value)
    except ValueError:
        return None
    if not isinstance(run, Testimony):
        return None
    return replace(run, reached={name: frozenset(rows) for name, rows in run.reached.items()})


def _reason(result: JobResult) -> str:
    if result.status in (Status.FINISHED, Status.RAISED):
        return "what it sent is no observation"
    return result.reason

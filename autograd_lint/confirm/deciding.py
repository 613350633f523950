"""From what a run showed to the verdict on a finding: the rule says what confirms and what refutes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint.confirm.aims import tree_of
from autograd_lint.confirm.matching import find_event, rules_for
from autograd_lint.confirm.reasons import why_not_reached
from autograd_lint.confirm.strategy import Nearness
from autograd_lint.events import Event, Write
from autograd_lint.evidence import CODE, STEPPED_OVER, Said, Seen, Testimony, rows_of
from autograd_lint.finding import Confirmation, Finding, Verdict
from autograd_lint.rule import Rule
from autograd_lint.showing import times
from autograd_lint.source import SourceFile

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and how near its run came."""

    confirmation: Confirmation
    nearness: Nearness


def decide(finding: Finding, run: Testimony, numbers: Sequence[int], source: SourceFile, where: str = "") -> Decision:
    """The verdict of one run on one finding in `source`.

    `numbers` are those of its own statement, then of its related ones, among those that the run looked at. `where`
    names the program, if it is not the finding's own file.
    """
    bare = seen_of(finding, run, numbers, source)
    for rule in rules_for(finding):
        event = find_event(rule, finding, run)
        if isinstance(event, Write) and not _is_about(finding, event, bare.text):
            event = None  # another write
        seen = replace(bare, event=event)
        evidence = rule().confirmed(seen) if event is not None or rule.code == finding.code else ""
        if evidence:
            return Decision(_verdict(Verdict.CONFIRMED, seen, evidence), Nearness.DECIDED)
        if event is not None:
            return Decision(_verdict(Verdict.CONFIRMED, seen, _observed(rule, event, seen)), Nearness.DECIDED)
    rule = next(iter(rules_for(finding)))
    ran = run.has_reached(finding.filename, rows_of(finding.range))
    # What may happen is not refuted by a run in which it did not: on another machine it may.
    sure = finding.severity is rule.severity
    opposite = rule().refuted(bare) if ran and sure and not run.replaced else ""
    if opposite:
        return Decision(_verdict(Verdict.REFUTED, bare, opposite), Nearness.DECIDED)
    nearness, reason = _why_not(bare, rule, source)
    reason = f"in a run of {where}: {reason}" if where else reason
    return Decision(_verdict(Verdict.INCONCLUSIVE, bare, reason), nearness)


def _is_about(finding: Finding, write: Write, text: str) -> bool:
    """Whether the operation that a finding begins with, or a name that it gives, is in `text`, the source there."""
    _, *parts = finding.message.split("`")
    operation = parts[0] if finding.message.startswith("`") else ""
    names = CODE.findall(finding.message)
    return operation in text or any(name in text or name in (write.argument, write.target.name) for name in names)


def seen_of(finding: Finding, run: Testimony, numbers: Sequence[int], source: SourceFile) -> Seen:
    """What `run` showed of `finding`, without an event."""
    rounds = [run.rounds.get(number, ()) for number in numbers]
    own, elsewhere = (rounds[0], tuple(rounds[1:])) if rounds else ((), ())
    ends = run.ends.get(numbers[0], ()) if numbers else ()
    return Seen(finding, run, None, own, elsewhere, ends, source.text_of(finding.range))


def decide_claim(finding: Finding, run: Testimony, claim: str, rows: int) -> Decision:
    """The verdict of a replay of `rows` rows that ends with an assertion: that it holds confirms the finding."""
    seen = Seen(finding, run)
    if run.ended:
        nearness = (
            Nearness.REACHED if run.has_reached(finding.filename, rows_of(finding.range)) else Nearness.NOT_REACHED
        )
        return Decision(_verdict(Verdict.INCONCLUSIVE, seen, f"the replay ended early: {run.ended}"), nearness)
    told = f"`{claim}` holds after the {rows} rows that lead there, run under torch {run.torch}"
    return Decision(_verdict(Verdict.CONFIRMED, seen, told), Nearness.DECIDED)


def _observed(rule: type[Rule], event: Event, seen: Seen) -> str:
    """What the observer saw happen there, where neither a message nor a value says it better."""
    message = next((report.message for report in rule().judge(event)), rule.name)
    ran = f"the row ran {times(len(seen.rounds))}" if seen.rounds else "the row ran"
    return f"observed under torch {seen.run.torch}: {message} ({ran})"


def not_run(how: str, reason: str, *, nearness: Nearness = Nearness.NOT_RUN) -> Decision:
    """No run, or one that told nothing."""
    return Decision(Confirmation(Verdict.INCONCLUSIVE, how, reason), nearness)


def _verdict(verdict: Verdict, seen: Seen, evidence: str) -> Confirmation:
    return Confirmation(verdict, seen.run.how, evidence, details(seen))


def _why_not(seen: Seen, rule: type[Rule], source: SourceFile) -> tuple[Nearness, str]:
    run, finding = seen.run, seen.finding
    ended = f"; the {run.how} ended early: {run.ended}" if run.ended else ""
    ended += next((f"; {made}" for made in run.invented if made.endswith(STEPPED_OVER)), "") if ended else ""
    ended += f"; it replaced {', '.join(run.replaced[:_NAMED])}" if run.replaced else ""
    if not run.has_reached(finding.filename, rows_of(finding.range)):
        row = finding.range.start.row
        if ended:
            return Nearness.CUT_SHORT, f"row {row} did not run{ended}"
        why = why_not_reached(tree_of(source.text), row, run.reached.get(finding.filename, ()))
        nearness = Nearness.CUT_SHORT if why.near else Nearness.NOT_REACHED
        raised = [said.quote() for said in run.said if said.row == why.last and _is_error(said, finding)]
        told = f": {why.text}" if why.text else ""
        return nearness, f"row {row} did not run{told}{f', which raised {raised[-1]}' if raised else ''}"
    here = finding.filename
    missing = [
        ("" if name == here else os.path.basename(name), place.start.row)
        for name, place in seen.places()
        if not run.has_reached(name, rows_of(place))
    ]
    if missing:
        return Nearness.PARTLY_REACHED, f"it ran, but {_listed(missing)}, which it also takes, did not{ended}"
    reason = rule().undecided(seen) or "torch showed neither this nor the opposite"
    nearness = Nearness.INTERRUPTED if run.ended else Nearness.REACHED
    return nearness, f"it ran, and {reason}{ended}"


def _is_error(said: Said, finding: Finding) -> bool:
    return said.filename == finding.filename and not said.warning


def _listed(places: Sequence[tuple[str, int]]) -> str:
    """`row 3, 5 and row 7 of other.py`."""
    files: dict[str, list[int]] = {}
    for name, row in sorted(set(places)):
        files.setdefault(name, []).append(row)
    texts = [f"row {', '.join(map(str, rows))}{f' of {name}' if name else ''}" for name, rows in files.items()]
    return " and ".join(texts)


def details(seen: Seen) -> dict[str, object]:
    """What else a reader or a tool may want to know, in terms of JSON."""
    told: dict[str, object] = {"torch": seen.run.torch, "times": len(seen.rounds)}
    if seen.run.ended:
        told["ended"] = seen.run.ended
    if seen.run.invented:
        told["invented"] = list(seen.run.invented)
    said = [said.quote() for said in seen.said()]
    if said:
        told["said"] = said
    return told

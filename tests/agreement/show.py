"""Prints what a sweep found: the figures of each class, and the disagreeing programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.agreement.compare import Disagreement
from tests.agreement.outcome import Kind
from tests.agreement.sweep import Tally


def figures(kind: str, tally: Tally, seconds: float) -> Iterator[str]:
    """The lines about one class of programs."""
    faulty = sum(count for each, count in tally.kinds.items() if each.is_fault)
    rate = tally.programs / seconds if seconds else 0.0
    yield f"{kind}: {tally.programs} programs, {tally.agreement:.2%} agree, {tally.disagreeing} do not ({rate:.0f}/s)"
    kinds = ", ".join(f"{each.value} {count}" for each, count in tally.kinds.most_common())
    yield f"  under torch: {faulty / max(tally.judged, 1):.0%} faulty; {kinds}"
    if tally.kinds[Kind.SILENT]:
        yield f"  wrong gradients without an error: {tally.silent_found} found, {tally.silent_missed} not"
    if tally.without_rule:
        yield f"  refused by torch, and no rule tells of it: {tally.without_rule}"
    if tally.unjudged:
        yield f"  errors torch did not come to: {_counted(tally.unjudged)}"
    for (fault, rule, outcome), count in tally.faults.most_common():
        yield f"  {count:5}  {fault.value}: {rule}, torch: {outcome}"
    if tally.warned:
        yield f"  {tally.warned} of those missed are told of as warnings"


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{key} {count}" for key, count in counter.most_common())


def program(name: str, text: str, disagreement: Disagreement) -> str:
    """One disagreeing program as a readable file: what is wrong in comments, the line marked, the text."""
    lines = text.rstrip("\n").splitlines()
    if disagreement.line is not None and disagreement.line <= len(lines):
        lines[disagreement.line - 1] += "  # <-- here"
    told = "; the linter only warns" if disagreement.warned else ""
    head = f"# {name}: {disagreement.fault.value} of {disagreement.rule}; torch: {disagreement.torch}{told}"
    message = f"# {disagreement.message}\n" if disagreement.message else ""
    return f"{head}\n{message}" + "\n".join(lines) + "\n"

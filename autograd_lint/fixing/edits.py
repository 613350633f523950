"""Text edits: where rows and columns are in a text, edits applied to it, and which of them exclude each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from autograd_lint.finding import Edit, Finding, Fix, Position
from autograd_lint.layout import Offsets


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all `edits`, which do not overlap and speak of the text as it is."""
    offsets = Offsets(text)
    pieces: list[str] = []
    done = 0
    for edit in sorted(set(edits), key=lambda edit: edit.range):
        start, end = offsets.at(edit.range.start), offsets.at(edit.range.end)
        if start < done:
            raise ValueError("edits overlap")
        pieces += [text[done:start], edit.content]
        done = end
    return "".join([*pieces, text[done:]])


def compatible(findings: Iterable[Finding]) -> list[Finding]:
    """Those of `findings` whose fixes can be applied together: in the order of their places, the first one wins.

    A line that one inserts behind a statement waits for what another makes of the statement: it may not be needed then.
    """
    taken: set[Edit] = set()
    chosen: list[Finding] = []
    for finding in sorted(findings, key=_place):
        edits = edits_of(finding.fix)
        pairs = [(edit, other) for edit in edits for other in taken if edit != other]
        if not any(_exclude(edit, other) or _is_line_behind(edit, other) for edit, other in pairs):
            taken.update(edits)
            chosen.append(finding)
    return chosen


def edits_of(fix: Fix | None) -> tuple[Edit, ...]:
    """The edits of a fix, if there is one."""
    return () if fix is None else fix.edits


def are_apart(edits: Sequence[Edit]) -> bool:
    """Whether no two of `edits` touch."""
    return not any(_exclude(first, second) for first, second in pairwise(sorted(edits, key=lambda edit: edit.range)))


def _place(finding: Finding) -> tuple[Position, str]:
    return min((edit.range.start for edit in edits_of(finding.fix)), default=finding.range.start), finding.code


def _exclude(first: Edit, second: Edit) -> bool:
    """Whether two edits overlap, or insert at one place, where their order would matter."""
    if first.range.start == second.range.start:
        return True
    return first.range.start < second.range.end and second.range.start < first.range.end


def _is_line_behind(edit: Edit, other: Edit) -> bool:
    """Whether `edit` inserts a line right below one that `other` changes."""
    start, end = edit.range.start, edit.range.end
    inserts = start == end and start.column == 1 and edit.content.endswith("\n")
    return inserts and other.range.start < start and other.range.end.row == start.row - 1

"""Fixes applied to one text, round after round until nothing changes, each round checked before it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from autograd_lint.errors import SourceError
from autograd_lint.finding import Applicability, Edit, Finding, Position, Severity
from autograd_lint.fixing.edits import apply_edits, compatible, edits_of
from autograd_lint.layout import read_layout, split_lines
from autograd_lint.run_findings import CRASHED, UNREADABLE
from autograd_lint.source import SourceFile

Check: TypeAlias = Callable[[SourceFile], list[Finding]]
"""Judges a text: its findings, with those that comments suppress marked."""

MOST_ROUNDS: Final = 10


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text after its fixes, what is still found in it, and how many findings were fixed."""

    source: SourceFile
    findings: list[Finding]
    count: int = 0


def fix_source(source: SourceFile, check: Check, *, unsafe: bool, left: frozenset[str] = frozenset()) -> Fixed:
    """Apply the safe fixes of `source`, with `unsafe` the others too; not of findings with the fingerprints `left`."""
    wanted = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    now = Fixed(source, check(source))
    refused = set(left)
    for _ in range(MOST_ROUNDS):
        offered = [
            finding
            for finding in now.findings
            if finding.suppressed is None and finding.filename == source.path and finding.fingerprint not in refused
            if finding.fix is not None and finding.fix.applicability in wanted
        ]
        chosen = compatible(offered)
        if not chosen:
            break
        now = _applied(now, chosen, check) or _one_by_one(now, chosen, check, refused)
    return now


def _one_by_one(now: Fixed, chosen: Sequence[Finding], check: Check, refused: set[str]) -> Fixed:
    """Apply the first of `chosen` that does what it should, after those before it were found wanting."""
    for finding in chosen:
        after = _applied(now, [finding], check)
        if after is not None:
            return after
        refused.add(finding.fingerprint)
    return now


def _applied(now: Fixed, chosen: Sequence[Finding], check: Check) -> Fixed | None:
    """The text with these fixes; None when it no longer parses, lost a comment, or is not better for them."""
    edits = [edit for finding in chosen for edit in edits_of(finding.fix)]
    text = apply_edits(now.source.text, edits)
    if text == now.source.text or not _is_whole(now.source, text, edits):
        return None
    source = replace(now.source, text=text)
    findings = check(source)
    after = Fixed(source, findings, now.count + len(chosen))
    if not _is_better(now, after, chosen):
        return None
    return after


def _is_whole(before: SourceFile, text: str, edits: Sequence[Edit]) -> bool:
    """Whether the new text parses and has every comment of the old one, those that an edit was about left out."""
    from autograd_lint.static.syntax.parse import parse
    from autograd_lint.static.syntax.stack import with_room

    try:
        with_room(lambda: parse(text))
    except SourceError:
        return False
    left = Counter(comment.text for comment in read_layout(text).comments)
    kept = Counter(
        comment.text
        for comment in before.layout.comments
        if not any(_is_about(edit, row=comment.row, column=comment.column) for edit in edits)
    )
    return kept <= left


def _is_about(edit: Edit, *, row: int, column: int) -> bool:
    """Whether an edit is one of the comment that begins at a place, or of the white space before it."""
    start, end = edit.range.start, edit.range.end
    if edit.content or start.row != row:
        return False
    return (end.row == row and end.column > column) or (start.column == 1 and end == Position(row + 1, 1))


def _is_better(before: Fixed, after: Fixed, chosen: Sequence[Finding]) -> bool:
    """Whether the findings that were to be fixed are gone, and no new ones have come in their place."""
    if any(finding.code in (UNREADABLE, CRASHED) for finding in after.findings):
        return False
    then, now, fixed = _codes(before.findings), _codes(after.findings), _codes(chosen)
    gone = all(now[code] <= then[code] - count for code, count in fixed.items())
    if all(finding.fix is not None and finding.fix.applicability is Applicability.SAFE for finding in chosen):
        return gone and all(count <= then[code] for code, count in now.items())
    return (gone or _are_gone(before, after, chosen)) and _serious(after.findings) <= _serious(before.findings)


def _are_gone(before: Fixed, after: Fixed, chosen: Sequence[Finding]) -> bool:
    """Whether what is found now with the same codes stands elsewhere, where the fixed ones kept a run from coming."""
    old, new = (split_lines(fixed.source.text) for fixed in (before, after))
    rows: dict[int, int] = {}
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        rows.update((block.b + i + 1, block.a + i + 1) for i in range(block.size))
    mended = {(finding.code, finding.range.start.row) for finding in chosen}
    codes = {finding.code for finding in chosen}
    left = (finding for finding in after.findings if finding.suppressed is None and finding.code in codes)
    return not any(
        (row := rows.get(finding.range.start.row)) is None or (finding.code, row) in mended for finding in left
    )


def _codes(findings: Sequence[Finding]) -> Counter[str]:
    return Counter(finding.code for finding in findings if finding.suppressed is None)


def _serious(findings: Sequence[Finding]) -> tuple[int, int]:
    """How many errors, and how many errors and warnings."""
    shown = [finding.severity for finding in findings if finding.suppressed is None]
    return shown.count(Severity.ERROR), sum(level >= Severity.WARNING for level in shown)

"""Suppression comments: reads them, hides the findings they cover, and reports those that are unused or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from autograd_lint.callable_rows import decides_alone
from autograd_lint.finding import Applicability, Edit, Finding, Fix, Position, Range, SuppressionKind
from autograd_lint.layout import Comment, Layout, split_lines
from autograd_lint.run_findings import CRASHED, UNKNOWN_SUPPRESSION, UNUSED_SUPPRESSION, run_finding
from autograd_lint.selectors import did_you_mean, find_codes, known_selectors, nearest, rules_by_code

if TYPE_CHECKING:
    from autograd_lint.source import SourceFile

_SIGNS: Final = ("noqa", "autograd-lint")
_OURS: Final = re.compile(r"autograd-lint\s*:|noqa.*AGL", re.IGNORECASE)
_NOQA: Final = re.compile(
    r"#\s*noqa(?![\w-])(?P<colon>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?)?", re.IGNORECASE
)
_OWN: Final = re.compile(r"#\s*autograd-lint:\s*(?P<verb>[\w-]*)\s*(?P<rest>\[(?P<codes>[^\]#]*)\]|[^\s#][^#]*)?")
_ITEM: Final = re.compile(r"[^\s,]+")
_VERBS: Final = ("ignore", "file-ignore")


@dataclass(frozen=True, slots=True)
class Item:
    """One selector of a comment, and where it is written; empty for a comment that means all rules."""

    selector: str
    range: Range

    @property
    def codes(self) -> frozenset[str]:
        """The codes it means."""
        return find_codes(self.selector or "ALL")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One suppression comment. It hides findings that begin in rows `first` to `last`.

    `own`: in this tool's own form, so that all of it is this tool's business. `problem` says why it means nothing.
    """

    row: int
    first: int
    last: int
    items: tuple[Item, ...]
    own: bool
    range: Range
    problem: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether the finding stands where this comment counts."""
        return self.first <= finding.range.start.row <= self.last


Suppressions = tuple[Suppression, ...]
_LAST_ROW: Final = 10**9


def read_suppressions(source: SourceFile) -> Suppressions:
    """Every suppression comment of the file, in order."""
    text = source.text.lower()
    if not any(sign in text for sign in _SIGNS):
        return ()
    layout = source.layout
    return tuple(found for comment in layout.comments for found in _in_comment(comment, layout))


def apply_suppressions(source: SourceFile, findings: Sequence[Finding], *, ran: frozenset[str]) -> list[Finding]:
    """`findings` with those that comments hide marked, and findings about the comments themselves.

    `ran` are the codes of the rules that judged the whole file; only their suppressions can be called unused.
    """
    if not findings and not _OURS.search(source.text):
        return []  # nothing to hide, and no comment of which one could say that it hides nothing
    suppressions = source.suppressions
    if not suppressions:
        return list(findings)
    used: set[Item] = set()
    result = [_marked(finding, suppressions, used) for finding in findings]
    about = [*_unknown(source, suppressions), *_unused(source, suppressions, used=used, ran=ran)]
    return result + [_marked(finding, [s for s in suppressions if _names_run_rules(s)], used) for finding in about]


def _in_comment(comment: Comment, layout: Layout) -> Iterator[Suppression]:
    for match in _NOQA.finditer(comment.text):
        if match["colon"] and not match["codes"]:
            continue  # a colon and no code: which findings were meant cannot be told
        if not comment.alone:
            first, last = _rows(comment, layout)
            yield _suppression(comment, match, first=first, last=last, own=False)
    for match in _OWN.finditer(comment.text):
        problem = _problem(match)
        if problem is None:
            continue
        first, last = (1, _LAST_ROW) if match["verb"] == "file-ignore" else _rows(comment, layout)
        found = _suppression(comment, match, first=first, last=last, own=True)
        yield replace(found, items=(), problem=problem) if problem else found


def _suppression(comment: Comment, match: re.Match[str], *, first: int, last: int, own: bool) -> Suppression:
    def span(start: int, end: int) -> Range:
        return Range(Position(comment.row, comment.column + start), Position(comment.row, comment.column + end))

    whole = span(match.start(), match.start() + len(match.group().rstrip()))
    items = [Item("", whole)]
    if match["codes"] is not None:
        offset = match.start("codes")
        items = [
            Item(found.group() if own else found.group().upper(), span(offset + found.start(), offset + found.end()))
            for found in _ITEM.finditer(match["codes"])
        ]
    if not own:
        # Codes of other tools in a noqa are not ours to judge.
        items = [item for item in items if not item.selector or item.selector.startswith("AGL")]
    return Suppression(comment.row, first, last, tuple(items), own, whole)


def _problem(match: re.Match[str]) -> str | None:
    """Why the comment means nothing; empty when it does, None when it is only prose."""
    verb, rest = match["verb"], (match["rest"] or "").strip()
    if verb in _VERBS:
        if match["codes"] is not None:
            return "" if _ITEM.search(match["codes"]) else f"`{verb}[]` names no rule"
        if not rest or rest.startswith(("--", "#")):
            return ""
        return f"`{verb}` takes its rules in brackets: `{verb}[AGL101]`"
    if nearest(verb, _VERBS) or rest.startswith(("[", "=")):
        return f"unknown directive {verb!r}{did_you_mean(verb, _VERBS)}"
    return None


def _rows(comment: Comment, layout: Layout) -> tuple[int, int]:
    """The rows a comment speaks of."""
    inside = layout.statement_at(comment.row)
    if inside is None:
        return layout.statement_after(comment.row) or (comment.row, comment.row)
    line = layout.line_at(comment.row)
    if not comment.alone:
        at_edge = line is not None and comment.row in (line.first, line.last)
        return inside if at_edge else (comment.row, comment.row)
    # On its own row between the rows of one statement: the next row that is no comment.
    alone = {other.row for other in layout.comments if other.alone}
    row = comment.row
    while row in alone:
        row += 1
    return comment.row, row


def _marked(finding: Finding, suppressions: Sequence[Suppression], used: set[Item]) -> Finding:
    if finding.code == CRASHED:
        return finding
    hit = False
    for suppression in suppressions:
        if suppression.covers(finding):
            items = [item for item in suppression.items if finding.code in item.codes]
            used.update(items)
            hit = hit or bool(items)
    return replace(finding, suppressed=SuppressionKind.IN_SOURCE) if hit else finding


def _names_run_rules(suppression: Suppression) -> bool:
    """Only a comment that names 0xx rules hides findings about comments: a bare one would hide its own."""
    return any(item.selector and item.codes <= {UNUSED_SUPPRESSION, UNKNOWN_SUPPRESSION} for item in suppression.items)


def _unknown(source: SourceFile, suppressions: Suppressions) -> Iterator[Finding]:
    for suppression in suppressions:
        if suppression.problem:
            yield run_finding(UNKNOWN_SUPPRESSION, source.path, suppression.problem, at=suppression.range)
        for item in suppression.items:
            if not item.codes:
                message = f"no rule is called {item.selector!r}{did_you_mean(item.selector, known_selectors())}"
                yield run_finding(UNKNOWN_SUPPRESSION, source.path, message, at=item.range)


def _unused(
    source: SourceFile, suppressions: Suppressions, *, used: set[Item], ran: frozenset[str]
) -> Iterator[Finding]:
    for suppression in suppressions:
        for item in suppression.items:
            if item in used or not _can_be_judged(item, own=suppression.own, ran=ran):
                continue
            if not decides_alone(source.text, suppression.first, suppression.last):
                continue
            what = f"`{item.selector}` in this comment" if item.selector else "this comment"
            found = run_finding(
                UNUSED_SUPPRESSION, source.path, f"{what} suppresses nothing", at=item.range, advice="delete it"
            )
            yield replace(found, fix=_deletion(source, suppression, item))


def _deletion(source: SourceFile, suppression: Suppression, item: Item) -> Fix:
    """Delete a comment, with the white space before it, or one selector of several, with its comma."""
    whole = suppression.range
    line = split_lines(source.text)[suppression.row - 1]
    if (
        "," in line[whole.start.column - 1 : whole.end.column - 1].partition("--")[0]
    ):  # other selectors, perhaps of others
        place = _with_comma(line, item.range)
    else:
        start, rest = whole.start.column - 1, line[whole.end.column - 1 :]
        if suppression.own and rest.lstrip().startswith("--"):
            rest = rest[rest.find("#") :] if "#" in rest else ""
        before = line[:start]
        if rest.strip():
            place = Range(whole.start, Position(suppression.row, len(line) - len(rest.lstrip()) + 1))
        elif before.strip():
            place = Range(Position(suppression.row, len(before.rstrip()) + 1), Position(suppression.row, len(line) + 1))
        else:
            place = Range(Position(suppression.row, 1), Position(suppression.row + 1, 1))
    return Fix(Applicability.SAFE, "delete what suppresses nothing", (Edit("", place),))


def _with_comma(line: str, place: Range) -> Range:
    """The place of a selector and of the comma after it; of the last one, the comma before it."""
    row, start, end = place.start.row, place.start.column - 1, place.end.column - 1
    after = _COMMA.match(line, end)
    if after is not None:
        return Range(place.start, Position(row, after.end() + 1))
    return Range(Position(row, len(line[:start].rstrip(", \t")) + 1), place.end)


_COMMA: Final = re.compile(r"[,\s]+(?=[\w-])")


def _can_be_judged(item: Item, *, own: bool, ran: frozenset[str]) -> bool:
    """Whether everything the item could have hidden had its chance."""
    if not item.selector and not own:
        return False
    if not item.codes or item.codes <= {UNUSED_SUPPRESSION, UNKNOWN_SUPPRESSION}:
        return False
    usual = {code for code in item.codes if rules_by_code()[code].default and rules_by_code()[code].on}
    return (usual or item.codes) <= ran

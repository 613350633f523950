"""The findings of all files of a run in one list: what is seen from several files counts once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding, Range
from autograd_lint.run_findings import UNUSED_SUPPRESSION
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import read_source

_Place: TypeAlias = tuple[str, Range, str]


def united(files: Sequence[str], results: Mapping[str, Sequence[Finding]]) -> tuple[Finding, ...]:
    """Findings by file, in the order of the run, then by place.

    What a file's own check says comes first; the same fault seen from an importing file replaces it if it is graver.
    """
    own: dict[_Place, list[Finding]] = defaultdict(list)
    strangers: list[Finding] = []
    for path in files:
        for finding in results[path]:
            if finding.filename != path:
                strangers.append(finding)
            elif finding not in own[_place(finding)]:
                own[_place(finding)].append(finding)
    for finding in strangers:
        known = own[_place(finding)]
        if all(finding.severity > other.severity for other in known):
            known[:] = [finding]
    _drop_used_comments(own, strangers)
    return merged(files, _without_superseded([finding for found in own.values() for finding in found]))


def _without_superseded(findings: Sequence[Finding]) -> list[Finding]:
    """A rule's finding hides those of the rules it supersedes at its place, whichever file each is seen from."""
    rules = rules_by_code()
    hidden = {
        (finding.filename, finding.range, code)
        for finding in findings
        if finding.code in rules and finding.suppressed is None
        for code in rules[finding.code].supersedes
    }
    return [finding for finding in findings if _place(finding) not in hidden]


def merged(files: Sequence[str], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings by file, in the order of the run, then by place; what is told twice in the same words counts once."""
    order = {path: index for index, path in enumerate(files)}
    unique = {(finding.filename, finding.range, finding.code, finding.message): finding for finding in findings}
    return tuple(
        sorted(
            unique.values(),
            key=lambda found: (order.get(found.filename, len(order)), found.filename, found.range, found.code),
        )
    )


def _place(finding: Finding) -> _Place:
    return finding.filename, finding.range, finding.code


def _drop_used_comments(own: dict[_Place, list[Finding]], strangers: Sequence[Finding]) -> None:
    """A comment that hides a fault seen only from an importing file is not unused."""
    for finding in strangers:
        if finding.suppressed is not None:
            for place in _covering(finding):
                own.pop((finding.filename, place, UNUSED_SUPPRESSION), None)


def _covering(finding: Finding) -> list[Range]:
    try:
        suppressions = read_source(finding.filename).suppressions
    except SourceError:  # changed since it was read: its own check tells
        return []
    return [
        item.range
        for suppression in suppressions
        if suppression.covers(finding)
        for item in suppression.items
        if finding.code in item.codes
    ]

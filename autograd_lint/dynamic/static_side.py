"""What `check` says of the lines where a run has found something: where it says nothing, only the run could tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from autograd_lint.finding import Finding
from autograd_lint.run_findings import CRASHED, UNREADABLE
from autograd_lint.runner import check_file
from autograd_lint.settings import Settings


class StaticSide:
    """The rows that `check` reports, by file; each file is read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rows: dict[str, frozenset[int] | None] = {}

    def marked(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings, those at rows where `check` is silent marked as known from the run alone."""
        return [replace(found, runtime_only=self._is_silent(found)) for found in findings]

    def _is_silent(self, finding: Finding) -> bool:
        """Whether a file that can be checked shows nothing where this was found."""
        if finding.filename not in self._rows:
            self._rows[finding.filename] = self._rows_of(finding.filename)
        rows = self._rows[finding.filename]
        return rows is not None and rows.isdisjoint(_rows(finding))

    def _rows_of(self, path: str) -> frozenset[int] | None:
        found = check_file(path, self._settings)
        if any(finding.code in (UNREADABLE, CRASHED) for finding in found):
            return None
        return frozenset(row for finding in found for row in _rows(finding))


def _rows(finding: Finding) -> range:
    return range(finding.range.start.row, finding.range.end.row + 1)

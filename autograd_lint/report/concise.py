"""The `concise` format: one line a finding, for editors and `grep`."""

from __future__ import annotations

from autograd_lint.finding import Applicability, Finding
from autograd_lint.report._text import one_line
from autograd_lint.report._view import View


def render(view: View) -> str:
    """`path:row:col: CODE message`, with `[*]` after the code where a safe fix exists."""
    return "".join(_line(finding, view) + "\n" for finding in view.told)


def _line(finding: Finding, view: View) -> str:
    start = finding.range.start
    mark = " [*]" if finding.fix and finding.fix.applicability is Applicability.SAFE else ""
    hidden = (" (suppressed)" if finding.suppressed else "") + (" (only at run time)" if finding.runtime_only else "")
    verdict = f" ({finding.confirmation.verdict.value})" if finding.confirmation else ""
    path = one_line(view.shown_path(finding.filename))
    return f"{path}:{start.row}:{start.column}: {finding.code}{mark} {one_line(finding.message)}{hidden}{verdict}"

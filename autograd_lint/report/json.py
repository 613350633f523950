"""The `json` format: one list, laid out as ruff's where the two say the same."""

from __future__ import annotations

import json

from autograd_lint.finding import Confirmation, Edit, Finding, Fix, Range, Related
from autograd_lint.report._view import View


def render(view: View) -> str:
    """The whole list, indented; in ASCII, so that no encoding of a terminal, pipe or reader can spoil it."""
    return json.dumps([to_json(finding) for finding in view.findings], indent=2) + "\n"


def to_json(finding: Finding) -> dict[str, object]:
    """One finding. Keys may be added to, never renamed or removed."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.label,
        "runtime_only": finding.runtime_only,
        "message": finding.message,
        "filename": finding.filename,
        "cell": finding.cell,
        "noqa_row": finding.noqa_row,
        **_range(finding.range),
        "related": [_related(related) for related in finding.related],
        "help": finding.help or None,
        "fix": _fix(finding.fix) if finding.fix else None,
        "url": finding.url,
        "fingerprint": finding.fingerprint,
        "suppressed": finding.suppressed.value if finding.suppressed else None,
        "confirmation": _confirmation(finding.confirmation) if finding.confirmation else None,
    }


def _range(where: Range) -> dict[str, object]:
    return {
        "location": {"row": where.start.row, "column": where.start.column},
        "end_location": {"row": where.end.row, "column": where.end.column},
    }


def _related(related: Related) -> dict[str, object]:
    return {
        "message": related.message,
        "filename": related.filename,
        "cell": related.cell,
        **_range(related.range),
    }


def _confirmation(confirmation: Confirmation) -> dict[str, object]:
    return {
        "verdict": confirmation.verdict.value,
        "how": confirmation.how or None,
        "evidence": confirmation.evidence,
        "details": dict(confirmation.details),
    }


def _fix(fix: Fix) -> dict[str, object]:
    return {
        "applicability": fix.applicability.value,
        "message": fix.message,
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: Edit) -> dict[str, object]:
    return {"content": edit.content, **_range(edit.range)}

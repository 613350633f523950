"""The `github` format: workflow commands, which GitHub Actions shows as annotations in a pull request."""

from __future__ import annotations

from collections import Counter
from typing import Final

from autograd_lint.finding import Finding, Severity
from autograd_lint.fingerprint import relative_path
from autograd_lint.report._text import count
from autograd_lint.report._view import View

_LIMIT: Final = 10
"""Annotations of one level that GitHub keeps for one step."""

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(view: View) -> str:
    """One command a finding, the worst first, since GitHub keeps only the first few of each level."""
    ordered = sorted(view.told, key=lambda finding: -finding.severity)
    lines = [_command(finding, view) for finding in ordered]
    lost = sum(max(0, number - _LIMIT) for number in Counter(finding.severity for finding in ordered).values())
    if lost:
        told = f"{count(lost, 'more finding')} in this log only"
        lines.append(f"{told}: GitHub annotates {_LIMIT} of each level in a step")
    return "".join(line + "\n" for line in lines)


def _command(finding: Finding, view: View) -> str:
    start, end = finding.range.start, finding.range.end
    properties = {
        "title": f"autograd-lint ({finding.code} {finding.name})",
        "file": relative_path(finding.filename, view.root),
        "line": start.row,
        "endLine": end.row,
    }
    if start.row == end.row:
        # GitHub drops the columns of a range over several lines, and warns.
        properties |= {"col": start.column, "endColumn": end.column}
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(_body(finding, view))}"


def _body(finding: Finding, view: View) -> str:
    places = [(finding.filename, finding.range, f"{finding.code} {finding.message}")]
    places += [(related.filename, related.range, related.message) for related in finding.related]
    lines = [
        f"{relative_path(path, view.root)}:{where.start.row}:{where.start.column}: {message}"
        for path, where, message in places
    ]
    if finding.help:
        lines.append(f"help: {finding.help}")
    if finding.confirmation:
        lines.append(f"{finding.confirmation.verdict.value}: {finding.confirmation.evidence}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

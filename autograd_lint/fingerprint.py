"""A finding's identity across runs: free of line numbers, so that edits elsewhere in the file keep it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autograd_lint.finding import Finding
from autograd_lint.layout import split_lines
from autograd_lint.source import STDIN_NAME, SourceFile


def fingerprint(path: str, code: str, *, scope: str, statement: str, number: int) -> str:
    """The identity of the `number`th (from 1) finding of `code` in equal statements of one scope.

    `path` is relative with forward slashes, `scope` the dotted name of the function or class around the statement.
    """
    parts = (path, code, scope, " ".join(statement.split()), str(number))
    return "v1:" + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def add_fingerprints(source: SourceFile, findings: Sequence[Finding], *, root: str) -> list[Finding]:
    """`findings`, which are sorted, each with its fingerprint and the row where a `noqa` for it would stand."""
    if not findings:
        return []
    path = relative_path(source.path, root)
    rows = split_lines(source.text)
    numbers: Counter[tuple[str, str, str]] = Counter()
    result = []
    for finding in findings:
        start = finding.range.start.row
        line = source.layout.line_at(start)
        first, last, scope = (line.first, line.last, line.scope) if line else (start, start, "")
        statement = " ".join("\n".join(rows[first - 1 : last]).split())
        key = (finding.code, scope, statement)
        numbers[key] += 1
        identity = fingerprint(path, finding.code, scope=scope, statement=statement, number=numbers[key])
        result.append(replace(finding, fingerprint=identity, noqa_row=source.layout.comment_row(start)))
    return result


def relative_path(path: str, root: str) -> str:
    """`path` from `root`, with forward slashes; unchanged where there is no way."""
    if path == STDIN_NAME:
        return path
    try:
        return os.path.relpath(path, root).replace(os.sep, "/")
    except ValueError:  # another drive
        return path.replace(os.sep, "/")

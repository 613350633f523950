"""*slice*: the parts of a file that findings are in, run with what they need; the rest is made up or left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autograd_lint.confirm.aims import tree_of
from autograd_lint.confirm.program import attempt
from autograd_lint.confirm.sources import Sources
from autograd_lint.confirm.strategy import Attempt, Bounds, Nearness
from autograd_lint.finding import Finding
from autograd_lint.source import SourceFile

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Slices:
    """One run for the file as a script that lacks nothing; then one for each definition that has findings."""

    name = "slice"
    most = Nearness.INTERRUPTED

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt]:
        """The whole script, cut short, and each definition by itself."""
        tree = tree_of(source.text).module
        if tree is None or not findings:
            return
        yield self._attempt(source, findings, bounds, script=True)
        groups: dict[int, list[Finding]] = {}
        for finding in findings:
            definition = _around(tree, finding.range.start.row)
            if definition is not None:
                groups.setdefault(definition.lineno, []).append(finding)
        for group in groups.values():
            yield self._attempt(source, group, bounds, script=False)

    def _attempt(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds, *, script: bool) -> Attempt:
        made = attempt(source, findings, bounds, self._sources, how=self.name, hook="slices.hook.testify")
        rows = [finding.range.start.row for finding in findings]
        options = {**made.job.options, "rows": rows, "script": script}
        return replace(made, job=replace(made.job, options=options))


def _around(tree: ast.Module, row: int) -> _Definition | None:
    """The definition at the top of the file that has `row`."""
    for statement in tree.body:
        if isinstance(statement, _Definition) and statement.lineno <= row <= (statement.end_lineno or row):
            return statement
    return None

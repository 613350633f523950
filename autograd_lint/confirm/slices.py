"""*slice*: the parts of a file that findings are in, run with what they need; the rest is made up or left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autograd_lint.confirm.aims import tree_of
from autograd_lint.confirm.program import attempt, seen_from
from autograd_lint.confirm.sources import Sources
from autograd_lint.confirm.strategy import Attempt, Bounds, Nearness
from autograd_lint.finding import Finding, Range
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import SourceFile

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Slices:
    """One run for the file as a script that lacks nothing; then one for each definition that has findings."""

    name = "slice"
    most = Nearness.INTERRUPTED

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt]:
        """The whole script, cut short, and those that the fault was seen from; then each definition by itself."""
        tree = tree_of(source.text).module
        if tree is None or not findings:
            return
        for program, reached in seen_from(source, findings, self._sources).items():
            yield self._attempt(program, reached, bounds, script=True)
        for group in _by_definition(tree, findings):
            yield self._attempt(source, group, bounds, script=False)

    def _attempt(
        self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds, *, script: bool, zeros: bool = False
    ) -> Attempt:
        made = attempt(source, findings, bounds, self._sources, how=self.name, hook="slices.hook.testify")
        rows = [place.start.row for each in findings for name, place in _places(each) if name == source.path]
        options = {**made.job.options, "rows": rows, "script": script, "zeros": zeros}
        path = made.job.path
        if _imports_package(tree_of(source.text).module, str(options["package"])):
            path = path[1:]  # no part of a package is to be found by its own name
        return replace(made, job=replace(made.job, options=options, path=path))


def _imports_package(tree: ast.Module | None, package: str) -> bool:
    """Whether a file imports parts of the package that it is in."""
    top = package.partition(".")[0]
    for node in ast.walk(tree) if tree is not None and package else ():
        if isinstance(node, ast.ImportFrom):
            if node.level or (node.module or "").partition(".")[0] == top:
                return True
        elif isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == top for alias in node.names):
            return True
    return False


def _places(finding: Finding) -> Iterator[tuple[str, Range]]:
    """The finding's own place; and, for runs of other files, what it has in these."""
    yield finding.filename, finding.range
    yield from ((each.filename, each.range) for each in finding.related if each.filename != finding.filename)


class Callers(Slices):
    """Definitions called once more where a run showed nothing: from a caller that holds what it gives, with zeros."""

    most = Nearness.REACHED

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt]:
        """Each definition by itself, for the findings that take such a caller."""
        tree = tree_of(source.text).module
        rules = rules_by_code()
        for zeros in (False, True):
            open_ones = [each for each in findings if (rules[each.code].edges if zeros else rules[each.code].callers)]
            for group in _by_definition(tree, open_ones) if tree is not None else ():
                yield self._attempt(source, group, bounds, script=False, zeros=zeros)


def _by_definition(tree: ast.Module, findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """The findings in each definition at the top of the file, those outside left out."""
    groups: dict[int, list[Finding]] = {}
    for finding in findings:
        definition = _around(tree, finding.range.start.row)
        if definition is not None:
            groups.setdefault(definition.lineno, []).append(finding)
    yield from groups.values()


def _around(tree: ast.Module, row: int) -> _Definition | None:
    """The definition at the top of the file that has `row`."""
    for statement in tree.body:
        if isinstance(statement, _Definition) and statement.lineno <= row <= (statement.end_lineno or row):
            return statement
    return None

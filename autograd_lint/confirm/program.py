"""*program*: the file run as it is, once for all its findings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from autograd_lint.confirm.aims import Aims
from autograd_lint.confirm.sources import Sources, program_name
from autograd_lint.confirm.strategy import Attempt, Bounds, Nearness
from autograd_lint.dynamic.snippets.jobs import Job
from autograd_lint.finding import Finding
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import STDIN_NAME, SourceFile

_SPARE: Final = 0.8
"""The part of its time after which a program is stopped from inside, so that it can tell what it did."""


class WholeProgram:
    """Runs the file as `python FILE` would; modules of its project may be imported."""

    name = "program"
    most = Nearness.REACHED

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterator[Attempt]:
        """One run; and one of each other file from which the fault was seen, as that may be what gets there."""
        for program, reached in seen_from(source, findings, self._sources).items():
            yield attempt(program, reached, bounds, self._sources, how=self.name, hook="testify.testify")


def seen_from(source: SourceFile, findings: Sequence[Finding], sources: Sources) -> dict[SourceFile, list[Finding]]:
    """The files whose run may reach `findings`: their own, and others that one of them has a place in."""
    programs: dict[SourceFile, list[Finding]] = {source: list(findings)}
    for finding in findings:
        for other in sources.beside(finding):
            programs.setdefault(other, []).append(finding)
    return programs


def attempt(
    program: SourceFile, findings: Sequence[Finding], bounds: Bounds, sources: Sources, *, how: str, hook: str
) -> Attempt:
    """A run of `hook` on the file `program`, which looks at what `findings` are about."""
    aims = Aims(sources.tree, program_name)
    numbers = {finding: aims.add(finding) for finding in findings}
    package, path = package_of(program.path)
    spoiling = any(rules_by_code()[finding.code].edges for finding in findings)
    job = Job(
        program.text,
        program_name(program.path),
        hook=f"autograd_lint.dynamic.{hook}",
        options={**observing(bounds, how=how, aims=aims.aims, package=package), "spoiling": spoiling},
        path=path,
    )
    return Attempt(job, numbers)


def observing(bounds: Bounds, *, how: str, aims: Sequence[object] = (), package: str = "") -> dict[str, object]:
    """What the observing hook of a run is told."""
    return {
        "aims": list(aims),
        "how": how,
        "package": package,
        "seconds": bounds.seconds * _SPARE,
        "index_reads": bounds.index_reads,
    }


def package_of(path: str) -> tuple[str, tuple[str, ...]]:
    """The dotted name of the package that the file `path` is in, and the folders that its imports start from."""
    if path == STDIN_NAME:
        return "", ()
    folder = own = os.path.dirname(path)
    names: list[str] = []
    while os.path.isfile(os.path.join(folder, "__init__.py")) and folder != os.path.dirname(folder):
        folder, name = os.path.split(folder)
        names.insert(0, name)
    return ".".join(names), (own, folder) if own != folder else (own,)

"""The fixing part of a run: which files are fixed, what is written or shown, and what is left to report."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autograd_lint.errors import OutputError, SourceError
from autograd_lint.finding import Applicability, Finding
from autograd_lint.fixing.apply import Fixed, fix_source
from autograd_lint.fixing.files import write_fixed
from autograd_lint.merging import merged
from autograd_lint.runner import RunResult, check_text
from autograd_lint.settings import Settings
from autograd_lint.source import SourceFile, read_source


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after its fixes."""

    before: SourceFile
    after: SourceFile
    count: int


@dataclass(frozen=True, slots=True)
class FixResult:
    """What the fixes changed, what is found after them, and which files could not be written."""

    changes: tuple[Change, ...]
    after: RunResult
    failures: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many findings were fixed."""
        return sum(change.count for change in self.changes)


def fix_run(result: RunResult, settings: Settings, *, unsafe: bool, write: bool) -> FixResult:
    """Fix the files of a run; without `write`, only find out what that would change."""
    changes: list[Change] = []
    failures: list[str] = []
    found = list(result.findings)
    stdin = result.stdin
    for path in _fixable(result, unsafe=unsafe):
        try:
            fixed = _fix_file(path, result, settings, unsafe=unsafe)
            if fixed is None:
                continue
            change, findings = fixed
            if write and change.before is not result.stdin:
                write_fixed(change.before, change.after)
        except (OutputError, SourceError) as error:
            failures.append(str(error))
            continue
        changes.append(change)
        if write:
            found = [finding for finding in found if finding.filename != path] + findings
            stdin = change.after if change.before is result.stdin else stdin
    after = replace(result, findings=merged(result.files, found), stdin=stdin)
    return FixResult(tuple(changes), after, tuple(failures))


def _fixable(result: RunResult, *, unsafe: bool) -> list[str]:
    """The files of the run with a fix to apply, in the order of the run."""
    wanted = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    paths = {
        finding.filename
        for finding in result.visible
        if finding.fix and finding.fix.applicability in wanted and not finding.refuted
    }
    known = [*result.files, *([] if result.stdin is None else [result.stdin.path])]
    return [path for path in dict.fromkeys(known) if path in paths]


def _fix_file(path: str, result: RunResult, settings: Settings, *, unsafe: bool) -> tuple[Change, list[Finding]] | None:
    given = result.stdin
    source = given if given is not None and given.path == path else read_source(path)
    refuted = frozenset(finding.fingerprint for finding in result.findings if finding.refuted)
    fixed: Fixed = fix_source(source, lambda text: check_text(text, settings), unsafe=unsafe, left=refuted)
    if not fixed.count:
        return None
    here = [finding for finding in fixed.findings if finding.filename == path]
    return Change(source, fixed.source, fixed.count), here

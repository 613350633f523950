"""Many files to findings: in order, in one process or several; nothing that one file does stops the others."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from autograd_lint import engine
from autograd_lint.discovery import Target, discover, is_excluded
from autograd_lint.errors import FactsError, SourceError
from autograd_lint.finding import Finding, Severity
from autograd_lint.fingerprint import add_fingerprints
from autograd_lint.links import rule_url
from autograd_lint.merging import united
from autograd_lint.progress import Progress
from autograd_lint.run_findings import CRASHED, UNREADABLE, crashed, describe_crash, unreadable
from autograd_lint.selectors import rules_by_code
from autograd_lint.settings import Settings
from autograd_lint.source import STDIN_NAME, SourceFile, read_source, read_stdin
from autograd_lint.suppress import apply_suppressions


@dataclass(frozen=True, slots=True)
class RunResult:
    """All findings of a run, sorted, those that are suppressed included, and the files that were checked.

    `stdin` is what standard input held, which a report cannot read again.
    """

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    seconds: float = 0.0
    stdin: SourceFile | None = None

    @property
    def visible(self) -> tuple[Finding, ...]:
        """The findings that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)

    @property
    def failed(self) -> bool:
        """Whether the tool itself failed on a file."""
        return any(finding.code == CRASHED for finding in self.findings)

    def exit_status(self, fail_level: Severity, *, exit_zero: bool = False) -> int:
        """2 when the tool itself failed on a file, 1 with findings of at least `fail_level`, else 0."""
        if self.failed:
            return 2
        failed = any(finding.severity >= fail_level for finding in self.visible if not finding.refuted)
        return 1 if failed and not exit_zero else 0


def run(paths: Sequence[str], settings: Settings) -> RunResult:
    """Check every file that `paths` name or hold."""
    with _rare_collections():
        return _run(paths, settings)


_NEW_OBJECTS: Final = 100_000
"""How many may come into being between two garbage collections. A syntax tree is that many, and none of it garbage."""

_OF_ONE_FILE: Final = 1
"""The generation that holds what a file leaves behind: its trees are in cycles, and the next file needs the room."""


@contextmanager
def _rare_collections() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _run(paths: Sequence[str], settings: Settings) -> RunResult:
    started = time.monotonic()
    progress = Progress(started)
    stdin = None
    results: dict[str, list[Finding]] = {}
    try:
        targets = _find(paths, settings, progress)
        for target in targets:
            if target.path == STDIN_NAME:
                stdin, results[STDIN_NAME] = _check_stdin(settings)
            elif target.problem:
                results[target.path] = _not_read(target.path, SourceError(target.problem), settings)
        waiting = [target.path for target in targets if target.path not in results]
        for path, found in _check_files(waiting, settings):
            results[path] = found
            progress.advance()
    finally:
        progress.finish()
    files = tuple(target.path for target in targets)
    findings = united(files, results)
    return RunResult(findings, files, time.monotonic() - started, stdin)


def _find(paths: Sequence[str], settings: Settings, progress: Progress) -> list[Target]:
    targets = []
    for target in discover(paths, settings.search):
        targets.append(target)
        progress.find()
    return targets


def list_files(paths: Sequence[str], settings: Settings) -> tuple[Target, ...]:
    """The files a run over `paths` would check."""
    return tuple(discover(paths, settings.search))


def check_file(path: str, settings: Settings) -> list[Finding]:
    """The findings of one file; whatever fails becomes one of them."""
    found = _guarded(path, settings, lambda: check_text(read_source(path), settings))
    gc.collect(_OF_ONE_FILE)
    return found


def _guarded(path: str, settings: Settings, work: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return work()
    except SourceError as error:
        return _not_read(path, error, settings)
    except FactsError:
        raise  # every file would fail
    except Exception as error:  # the border of one file
        return [crashed(path, describe_crash(error))]


def check_text(source: SourceFile, settings: Settings) -> list[Finding]:
    """The findings of a text, sorted, with those that its comments suppress marked."""
    codes = settings.codes_for(source.path)
    rules = [rules_by_code()[code] for code in sorted(codes) if rules_by_code()[code].on]
    found = engine.check_source(source, rules)
    failed = any(finding.code in (UNREADABLE, CRASHED) for finding in found)
    here = [finding for finding in found if finding.filename == source.path]
    result = finished(source, here, settings, ran=frozenset() if failed else codes)
    for path in sorted({finding.filename for finding in found} - {source.path}):
        result += _elsewhere(path, [finding for finding in found if finding.filename == path], settings)
    return result


def _elsewhere(path: str, found: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Faults in an imported file, seen from the one that is checked: that file's comments and patterns speak of it."""
    if is_excluded(path, settings.search):
        return []
    try:
        source = read_source(path)
    except SourceError:  # changed since it was imported: its own check tells
        return []
    return finished(source, found, settings, ran=frozenset())


def finished(
    source: SourceFile, findings: Sequence[Finding], settings: Settings, *, ran: frozenset[str]
) -> list[Finding]:
    """The findings in one file: suppressed, filtered, sorted and identified."""
    codes = settings.codes_for(source.path)
    found = apply_suppressions(source, findings, ran=ran)
    kept = [
        finding if finding.url else replace(finding, url=rule_url(finding.code, finding.name))
        for finding in found
        if finding.code in codes or finding.code == CRASHED
    ]
    kept.sort(key=lambda finding: (finding.range, finding.code, finding.message))
    return add_fingerprints(source, kept, root=settings.root)


def _not_read(path: str, error: SourceError, settings: Settings) -> list[Finding]:
    return [unreadable(path, error)] if UNREADABLE in settings.codes_for(path) else []


def _check_stdin(settings: Settings) -> tuple[SourceFile | None, list[Finding]]:
    name = settings.stdin_filename
    path = os.path.abspath(name) if name else STDIN_NAME
    try:
        source = read_stdin(name)
    except SourceError as error:
        return None, _not_read(path, error, settings)
    return source, _guarded(path, settings, lambda: check_text(source, settings))


_FEW_FILES: Final = 8
"""Up to this many files, starting processes costs more than it saves."""


def _check_files(paths: Sequence[str], settings: Settings) -> Iterator[tuple[str, list[Finding]]]:
    jobs = min(settings.jobs or _usual_jobs(len(paths)), len(paths))
    return _in_processes(paths, settings, jobs) if jobs > 1 else _here(paths, settings)


def _usual_jobs(files: int) -> int:
    if files <= _FEW_FILES:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(paths: Iterable[str], settings: Settings) -> Iterator[tuple[str, list[Finding]]]:
    for path in paths:
        yield path, check_file(path, settings)


def _in_processes(paths: Sequence[str], settings: Settings, jobs: int) -> Iterator[tuple[str, list[Finding]]]:
    from autograd_lint.processes import in_processes  # costs time that a small run does not have

    for path, findings in in_processes(partial(check_file, settings=settings), paths, jobs=jobs):
        if findings is None:
            yield path, [crashed(path, "the process that checked this file died (out of memory?)")]
        else:
            yield path, findings

"""Many files to findings: in order, in one process or several; nothing that one file does stops the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint import engine
from autograd_lint.discovery import Target, discover
from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding, Severity
from autograd_lint.fingerprint import add_fingerprints
from autograd_lint.links import rule_url
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

    def exit_status(self, fail_level: Severity, *, exit_zero: bool = False) -> int:
        """2 when the tool itself failed on a file, 1 with findings of at least `fail_level`, else 0."""
        if any(finding.code == CRASHED for finding in self.findings):
            return 2
        failed = any(finding.severity >= fail_level for finding in self.visible)
        return 1 if failed and not exit_zero else 0


def run(paths: Sequence[str], settings: Settings) -> RunResult:
    """Check every file that `paths` name or hold."""
    started = time.monotonic()
    targets = list(discover(paths, settings.search))
    stdin = None
    results: dict[str, list[Finding]] = {}
    for target in targets:
        if target.path == STDIN_NAME:
            stdin, results[STDIN_NAME] = _check_stdin(settings)
        elif target.problem:
            results[target.path] = _not_read(target.path, SourceError(target.problem), settings)
    waiting = [target.path for target in targets if target.path not in results]
    results.update(_check_files(waiting, settings))
    files = tuple(target.path for target in targets)
    findings = merged(files, [finding for path in files for finding in results[path]])
    return RunResult(findings, files, time.monotonic() - started, stdin)


def list_files(paths: Sequence[str], settings: Settings) -> tuple[Target, ...]:
    """The files a run over `paths` would check."""
    return tuple(discover(paths, settings.search))


def check_file(path: str, settings: Settings) -> list[Finding]:
    """The findings of one file."""
    try:
        source = read_source(path)
    except SourceError as error:
        return _not_read(path, error, settings)
    return check_text(source, settings)


def check_text(source: SourceFile, settings: Settings) -> list[Finding]:
    """The findings of a text, sorted, with those that its comments suppress marked."""
    codes = settings.codes_for(source.path)
    rules = [rules_by_code()[code] for code in sorted(codes) if rules_by_code()[code].on]
    try:
        found = engine.check_source(source, rules)
        failed = any(finding.code in (UNREADABLE, CRASHED) for finding in found)
        here = [finding for finding in found if finding.filename == source.path]
        result = finished(source, here, settings, ran=frozenset() if failed else codes)
        for path in sorted({finding.filename for finding in found} - {source.path}):
            # A fault in an imported file, seen from this one: that file's own comments and patterns speak of it.
            there = [finding for finding in found if finding.filename == path]
            result += finished(read_source(path), there, settings, ran=frozenset())
        return result
    except Exception as error:  # the border of one file: whatever failed becomes a finding
        return [crashed(source.path, describe_crash(error))]


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


def merged(files: Sequence[str], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings by file, in the order of the run, then by place; one that was seen from two files counts once."""
    order = {path: index for index, path in enumerate(files)}
    unique = {(finding.filename, finding.range, finding.code, finding.message): finding for finding in findings}
    return tuple(
        sorted(
            unique.values(),
            key=lambda found: (order.get(found.filename, len(order)), found.filename, found.range, found.code),
        )
    )


def _not_read(path: str, error: SourceError, settings: Settings) -> list[Finding]:
    return [unreadable(path, error)] if UNREADABLE in settings.codes_for(path) else []


def _check_stdin(settings: Settings) -> tuple[SourceFile | None, list[Finding]]:
    try:
        source = read_stdin(settings.stdin_filename)
    except SourceError as error:
        name = settings.stdin_filename
        return None, _not_read(os.path.abspath(name) if name else STDIN_NAME, error, settings)
    return source, check_text(source, settings)


# ------------------------------------------------------------------ processes

_FEW_FILES: Final = 8
"""Up to this many files, starting processes costs more than it saves."""


def _check_files(paths: Sequence[str], settings: Settings) -> dict[str, list[Finding]]:
    progress = Progress(len(paths))
    jobs = min(settings.jobs or _usual_jobs(len(paths)), len(paths))
    results: dict[str, list[Finding]] = {}
    try:
        for path, findings in _in_processes(paths, settings, jobs) if jobs > 1 else _here(paths, settings):
            results[path] = findings
            progress.advance()
    finally:
        progress.finish()
    return results


def _usual_jobs(files: int) -> int:
    if files <= _FEW_FILES:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(paths: Iterable[str], settings: Settings) -> Iterator[tuple[str, list[Finding]]]:
    for path in paths:
        yield path, check_file(path, settings)


def _in_processes(paths: Sequence[str], settings: Settings, jobs: int) -> Iterator[tuple[str, list[Finding]]]:
    """Check in `jobs` processes. When one dies, what was in flight is checked again, each file in its own process."""
    waiting = deque(paths)
    while waiting:
        in_flight: dict[Future[list[Finding]], str] = {}
        with _pool(jobs) as pool:
            try:
                yield from _drain(pool, waiting, in_flight, settings=settings, width=2 * jobs)
            except BaseException:
                _stop(pool)
                raise
        for path in in_flight.values():
            yield path, _alone(path, settings)


def _drain(
    pool: ProcessPoolExecutor,
    waiting: deque[str],
    in_flight: dict[Future[list[Finding]], str],
    *,
    settings: Settings,
    width: int,
) -> Iterator[tuple[str, list[Finding]]]:
    """Check what is `waiting`, few files at a time; when a process dies, stop and leave the suspects `in_flight`."""
    while waiting or in_flight:
        while waiting and len(in_flight) < width:
            try:
                future = pool.submit(check_file, waiting[0], settings)
            except BrokenProcessPool:
                return
            in_flight[future] = waiting.popleft()
        done, _ = wait(in_flight, return_when=FIRST_COMPLETED)
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool):
                return
            yield in_flight.pop(future), future.result()


def _alone(path: str, settings: Settings) -> list[Finding]:
    with _pool(1) as pool:
        try:
            return pool.submit(check_file, path, settings).result()
        except BrokenProcessPool:
            return [crashed(path, "the process that checked this file died (out of memory?)")]
        except BaseException:
            _stop(pool)
            raise


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Forked processes have the libraries loaded already; elsewhere forking is unsafe or impossible.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupt)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches every process of the group; only the first one shall act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(pool: ProcessPoolExecutor) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for child in multiprocessing.active_children():
        child.terminate()

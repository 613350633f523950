"""Many files: findings in other files, order, progress, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lint import engine
from autograd_lint.finding import Finding, Position, Range, Severity
from autograd_lint.progress import Progress
from autograd_lint.rule import Rule
from autograd_lint.runner import RunResult, run
from autograd_lint.selectors import Layer, rules_by_code
from autograd_lint.settings import Options, resolve_settings
from autograd_lint.source import SourceFile


def checked(*paths: str, jobs: int = 1) -> RunResult:
    return run(paths, resolve_settings(paths, Options(rules=Layer(), isolated=True, jobs=jobs)))


def finding(path: Path, row: int, code: str = "AGL103") -> Finding:
    rule = rules_by_code()[code]
    place = Range(Position(row, 1), Position(row, 4))
    return Finding(rule.code, rule.name, rule.severity, "a fault", str(path), place)


@pytest.fixture
def helper_fault(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two programs that call a helper, and an engine that reports rows 1 and 2 of the helper from each program."""
    for name in ("a.py", "b.py"):
        (project / name).write_text("import torch\n")
    helper = project / "helper.py"
    helper.write_text("one()\ntwo()  # autograd-lint: ignore[AGL103]\n")

    def check_source(source: SourceFile, rules: Sequence[type[Rule]]) -> list[Finding]:
        return [] if source.path == str(helper) else [finding(helper, row) for row in (2, 1)]

    monkeypatch.setattr(engine, "check_source", check_source, raising=False)
    return helper


def test_finding_in_another_file_counts_once_and_obeys_that_file(helper_fault: Path) -> None:
    result = checked("a.py", "b.py")
    assert [(found.range.start.row, found.suppressed is None) for found in result.findings] == [(1, True), (2, False)]
    assert all(found.filename == str(helper_fault) and found.fingerprint for found in result.findings)


def test_finding_in_another_file_obeys_patterns_for_that_file(helper_fault: Path) -> None:
    options = Options(rules=Layer(), isolated=True, per_file_ignores=(("helper.py", ("AGL103",)),))
    assert run(["a.py"], resolve_settings(["a.py"], options)).findings == ()


def test_graver_rule_hides_the_other_whichever_file_each_is_seen_from(
    helper_fault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_source(source: SourceFile, rules: Sequence[type[Rule]]) -> list[Finding]:
        return [finding(helper_fault, 1, "AGL101" if source.path.endswith("b.py") else "AGL103")]

    monkeypatch.setattr(engine, "check_source", check_source, raising=False)
    assert [found.code for found in checked("a.py", "b.py").findings] == ["AGL101"]


def test_findings_are_sorted_within_a_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "a.py"
    path.write_text("import torch\n" * 9)
    faults = [replace(finding(path, 2), code="AGL201"), *(finding(path, row) for row in (5, 2, 9))]
    monkeypatch.setattr(engine, "check_source", lambda source, rules: faults, raising=False)
    listed = [(found.range.start.row, found.code) for found in checked("a.py").findings]
    assert listed == [(2, "AGL103"), (2, "AGL201"), (5, "AGL103"), (9, "AGL103")]


def test_exit_status_of_a_result() -> None:
    warning = finding(Path("/a.py"), 1)
    assert RunResult((), ()).exit_status(Severity.INFO) == 0
    assert RunResult((warning,), ()).exit_status(Severity.WARNING) == 1
    assert RunResult((warning,), ()).exit_status(Severity.ERROR) == 0
    assert RunResult((warning,), ()).exit_status(Severity.WARNING, exit_zero=True) == 0


class Terminal:
    """A stream that notes what is written to it."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.written = ""
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        """Nothing is buffered."""


@pytest.mark.parametrize(
    ("is_terminal", "seconds", "shown"),
    [(True, 2.0, "checked 1 of 9 files"), (True, 0.5, ""), (False, 2.0, "")],
    ids=["slow on a terminal", "quick", "no terminal"],
)
def test_progress(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, seconds: float, shown: str) -> None:
    terminal = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(started=time.monotonic() - seconds, found=9)
    progress.advance()
    progress.finish()
    assert shown in terminal.written
    assert bool(terminal.written) == bool(shown)


def test_progress_of_a_run_on_a_terminal(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (project / f"m{number}.py").write_text("import torch\n")
    terminal = Terminal(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(engine, "check_source", lambda source, rules: time.sleep(0.6) or [])
    checked(".")
    assert terminal.written == "\r\x1b[Kchecked 2 of 3 files\r\x1b[Kchecked 3 of 3 files\r\x1b[K"


SLOW = """
import os, time
from autograd_lint import engine

def check_source(source, rules):
    os.write(1, b"started\\n")  # at once: two processes write
    time.sleep(60)
    return []

engine.check_source = check_source
from autograd_lint.cli import main
main(["--isolated", "--jobs=2", "."])
"""


@pytest.fixture
def slow_run(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of two processes, in a process group of its own, that has begun and would take minutes."""
    for number in range(6):
        (project / f"m{number}.py").write_text("import torch\n")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process


def test_interruption_ends_all_processes_in_silence(slow_run: subprocess.Popen[str]) -> None:
    os.killpg(slow_run.pid, signal.SIGINT)
    _, err = slow_run.communicate(timeout=20)
    assert (slow_run.returncode, err.strip()) == (130, "interrupted")
    with pytest.raises(ProcessLookupError):
        os.killpg(slow_run.pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_killed(slow_run: subprocess.Popen[str], number: signal.Signals) -> None:
    slow_run.send_signal(number)
    # Its pipes end when the last process that holds them does.
    slow_run.communicate(timeout=20)
    assert slow_run.returncode == -number

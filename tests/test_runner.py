"""Many files: findings in other files, order, progress, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
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


def finding(path: Path, row: int) -> Finding:
    rule = rules_by_code()["AGL103"]
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


def test_findings_are_sorted_within_a_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "a.py"
    path.write_text("import torch\n" * 9)
    faults = [finding(path, row) for row in (5, 2, 9)] + [replace(finding(path, 2), code="AGL101")]
    monkeypatch.setattr(engine, "check_source", lambda source, rules: faults, raising=False)
    listed = [(found.range.start.row, found.code) for found in checked("a.py").findings]
    assert listed == [(2, "AGL101"), (2, "AGL103"), (5, "AGL103"), (9, "AGL103")]


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
    progress = Progress(9, started=time.monotonic() - seconds)
    progress.advance()
    progress.finish()
    assert shown in terminal.written
    assert bool(terminal.written) == bool(shown)


SLOW = """
import sys, time
from autograd_lint import engine

def check_source(source, rules):
    print("started", flush=True)
    time.sleep(60)
    return []

engine.check_source = check_source
from autograd_lint.cli import main
main(["--isolated", "--jobs=2", "."])
"""


def test_interruption_ends_all_processes_in_silence(project: Path) -> None:
    for number in range(6):
        (project / f"m{number}.py").write_text("import torch\n")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)

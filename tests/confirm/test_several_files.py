"""Faults that take several files, texts that are no file, and when the interpreter that has torch is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.finding import Finding, Verdict
from tests.confirm.conftest import confirm_paths, verdict_of
from tests.dynamic.snippets.conftest import descendants, wait_until

pytest.importorskip("torch")

HELPER = """\
import torch


def bump(t):
    t += 1
    return t


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(3, 3)

    def forward(self, x):
        return self.lin(x).sigmoid()
"""
WRITTEN_IN_THE_HELPER = """\
import torch
from helper import bump

x = torch.ones(3, requires_grad=True)
y = x.exp()
bump(y)
y.sum().backward()
"""
SAVED_IN_THE_HELPER = """\
import torch
import no_such_module
from helper import Net


def train(inputs):
    z = Net()(inputs)
    z.mul_(2)
    z.sum().backward()
"""
STALE = "modified by an inplace operation"


@pytest.fixture
def several(project: Path) -> Path:
    (project / "helper.py").write_text(HELPER)
    (project / "main.py").write_text(WRITTEN_IN_THE_HELPER)
    (project / "library.py").write_text(SAVED_IN_THE_HELPER)
    return project


@pytest.mark.parametrize(
    ("only", "hows"),
    [
        ("", {"helper.py": "program", "library.py": "slice"}),
        ("slice", {"helper.py": "slice", "library.py": "slice"}),
        ("replay", {"helper.py": "replay", "library.py": "replay"}),
    ],
)
def test_places_in_two_files(several: Path, only: str, hows: dict[str, str]) -> None:
    """The write is in a helper and the backward in a script, or the save in an imported module."""
    found = {Path(finding.filename).name: finding for finding in confirm_paths(several, only=only).findings}
    assert set(found) == {"helper.py", "library.py"}
    assert {name for name, finding in found.items() if _is_confirmed(finding)} == set(hows)
    for name, how in hows.items():
        assert verdict_of(found[name]).how == how
        assert STALE in verdict_of(found[name]).evidence


def test_reason_names_the_file_of_each_row(several: Path) -> None:
    (several / "main.py").write_text(WRITTEN_IN_THE_HELPER.replace("y.sum()", "assert not y.sum(), 'no'\ny.sum()"))
    (found,) = confirm_paths(several / "main.py", only="program").findings
    assert Path(found.filename).name == "helper.py"
    told = verdict_of(found)
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.evidence.startswith("in a run of main.py: it ran, but row 8 of main.py, which it also takes, did not")
    assert told.evidence.endswith("the program ended early: AssertionError: no")


def _is_confirmed(finding: Finding) -> bool:
    return verdict_of(finding).verdict is Verdict.CONFIRMED


@pytest.mark.parametrize("way", ["program", "slice", "replay"])
def test_standard_input(tmp_path: Path, way: str) -> None:
    text = "import torch\n\nx = torch.ones(3, requires_grad=True)\ny = x.exp()\ny += 1\ny.sum().backward()\n"
    command = [sys.executable, "-m", "autograd_lint", "--isolated", f"--confirm={way}", "--output-format=concise", "-"]
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(" (confirmed)\n")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("spawn", [False, True])
def test_pool_that_nobody_asks_is_gone_at_once(spawn: bool) -> None:
    """A check without findings need not wait for torch."""
    import os
    import threading

    before, threads = descendants(os.getpid()), threading.active_count()
    pool = Pool(Setup(jobs=2), spawn=spawn)
    assert threading.active_count() == threads
    assert descendants(os.getpid()) > before
    pool.close()
    assert wait_until(lambda: descendants(os.getpid()) <= before)


def test_no_interpreter_is_started_unasked(project: Path) -> None:
    (project / "clean.py").write_text("import torch\n\nprint(torch.ones(2))\n")
    started = project / "started"
    python = project / "python"
    python.write_text(f"#!/bin/sh\ntouch '{started}'\nexit 1\n")
    python.chmod(0o755)
    command = [sys.executable, "-m", "autograd_lint", "--python", str(python), "clean.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, started.exists()) == (0, False)

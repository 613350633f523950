"""Which Python runs the programs: one that needs nothing of ours, and what is said where it has no torch or is none."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_lint.dynamic.snippets import pool
from autograd_lint.finding import Verdict
from tests.confirm.conftest import confirm_paths, verdict_of

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the interpreters are shell scripts")

FAULTY = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x.exp()
y += 1
y.sum().backward()
"""
NEEDED_BY_TORCH = [
    "torch",
    "torchgen",
    "functorch",
    "typing_extensions",
    "sympy",
    "mpmath",
    "filelock",
    "networkx",
    "jinja2",
    "markupsafe",
    "fsspec",
    "numpy",
]
FIRST_AID = "or name the Python that has it: `--python PATH`"


@pytest.fixture
def faulty(project: Path) -> Path:
    """A project with one finding."""
    (project / "faulty.py").write_text(FAULTY)
    return project


def lint(project: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograd_lint", *arguments]
    environment = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)


def script(path: Path, text: str) -> Path:
    """A program that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with torch and nothing of ours."""
    folder = tmp_path_factory.mktemp("bare")
    packages = folder / "packages"
    packages.mkdir()
    for name in NEEDED_BY_TORCH:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            found = origin.parent if origin.name == "__init__.py" else origin
            (packages / found.name).symlink_to(found)
    python = script(folder / "bin" / "python", f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys.executable}" -S "$@"\n')
    for name in ("libcst", "click", "autograd_lint"):
        assert subprocess.run([python, "-c", f"import {name}"], capture_output=True, cwd="/").returncode == 1
    return folder


def test_interpreter_needs_torch_alone(faulty: Path, bare: Path, without_torch: dict[str, str]) -> None:
    """Named as a program, and as a folder relative to here; and the linter has no torch itself."""
    for named in (bare / "bin" / "python", os.path.relpath(bare, faulty)):
        command = ["--confirm=program", "--python", str(named), "--output-format=concise", "faulty.py"]
        done = lint(faulty, *command, environment=without_torch)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.endswith(" (confirmed)\n")


def test_nearest_environment_is_found(faulty: Path, bare: Path, without_torch: dict[str, str]) -> None:
    bare.joinpath("packages").rename(faulty / "packages")
    python = (bare / "bin" / "python").read_text().replace(str(bare / "packages"), str(faulty / "packages"))
    script(faulty / ".venv" / "bin" / "python", python)
    (faulty / ".venv" / "lib" / "python3" / "site-packages" / "torch").mkdir(parents=True)
    done = lint(faulty, "--confirm=program", "-v", "--output-format=concise", "faulty.py", environment=without_torch)
    assert f"confirming with {faulty}/.venv/bin/python" in done.stderr
    assert done.stdout.endswith(" (confirmed)\n")


@pytest.mark.parametrize("wanted", [("--confirm",), ("--witness-dir", "out")])
def test_no_torch_anywhere(faulty: Path, without_torch: dict[str, str], wanted: tuple[str, ...]) -> None:
    done = lint(faulty, *wanted, "faulty.py", environment=without_torch)
    assert done.returncode == 2
    assert f"and {sys.executable} has none" in done.stderr
    assert FIRST_AID in done.stderr
    assert not (faulty / "out").exists()


def test_run_without_torch(faulty: Path, without_torch: dict[str, str]) -> None:
    done = lint(faulty, "run", "faulty.py", environment=without_torch)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: `run` needs torch")
    assert "install autograd-lint beside the torch of the program" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is no program that can be run"),
        (f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n', "No module named 'torch'"),
        ("import torch\n", "cannot be started: "),
        ("#!/bin/sh\necho 'no such option' >&2\nexit 3\n", "cannot run programs: no such option"),
        ("#!/bin/sh\nexit 0\n", "cannot run programs: it ended at once"),
    ],
    ids=["missing", "without torch", "not executable", "another program", "silent"],
)
def test_wrong_interpreter_is_told(faulty: Path, text: str | None, words: str) -> None:
    path = faulty / "python"
    if text is not None:
        script(path, text)
    done = lint(faulty, "--confirm", "--python", "./python", "faulty.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    if text is not None:
        assert FIRST_AID in done.stderr


def test_configured_interpreter_is_meant_from_the_configuration(faulty: Path) -> None:
    (faulty / "autograd-lint.toml").write_text('[confirm]\npython = "no/such/python"\n')
    done = lint(faulty, "--confirm", "faulty.py")
    assert done.returncode == 2
    assert f"{faulty}/no/such/python is no program" in done.stderr


SPAWNED = {
    "true": ("", Verdict.CONFIRMED, "modified by an inplace operation"),
    "endless": ("while True: pass\n", Verdict.INCONCLUSIVE, "ran for as long as it may|ran longer than"),
    "leaving": ("import os\nos._exit(0)\n", Verdict.INCONCLUSIVE, r"left by os\._exit\(0\)"),
    "writing": ("open('OUTSIDE', 'w').write('x')\n", Verdict.INCONCLUSIVE, "wanted to write to"),
    "starting": ("import os\nos.system('ls')\n", Verdict.INCONCLUSIVE, "wanted to start another program"),
}


def test_where_nothing_can_be_forked(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows: each program gets an interpreter of its own, which loads torch anew."""
    monkeypatch.setattr(pool, "_can_fork", lambda: False)
    for name, (text, *_) in SPAWNED.items():
        (project / f"{name}.py").write_text(text.replace("OUTSIDE", str(tmp_path / "x")) + FAULTY)
    found = {Path(f.filename).stem: verdict_of(f) for f in confirm_paths(project, only="program").findings}
    for name, (_, verdict, words) in SPAWNED.items():
        assert found[name].verdict is verdict, found[name]
        assert re.search(words, found[name].evidence), found[name]
    assert not (tmp_path / "x").exists()

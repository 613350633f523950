"""`pytest --autograd-lint` around a user's tests: sections, summary, marker, failing, xdist; and nothing without it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("torch")

MODULE = "autograd_lint.dynamic.pytest_plugin"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
LIBRARY = """\
def shift(h):
    h += 1
    return h
"""
TESTS = """\
import pytest
import torch

from library import shift


@pytest.fixture
def hidden():
    return torch.ones(3, requires_grad=True) * torch.ones(3)


def test_clean(hidden):
    hidden.sum().backward()


def test_shifts(hidden):
    shift(hidden).sum().backward()


@pytest.mark.autograd_lint_allow("inplace-on-graph-tensor")
def test_allowed(hidden):
    shift(hidden)


def test_raises(hidden):
    saved = hidden.exp()
    with pytest.raises(RuntimeError, match="inplace"):
        shift(saved).sum().backward()


def test_fails(hidden):
    shift(hidden)
    assert False


@pytest.mark.parametrize("size", [1, 2])
def test_again(size):
    shift(torch.ones(size, requires_grad=True) * torch.ones(size))
"""


def run(project: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    installed = any(point.value == MODULE for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *plugin, *arguments]
    done = subprocess.run(
        command, cwd=project, env=ENVIRONMENT | (environment or {}), capture_output=True, text=True, timeout=180
    )
    return done.stdout + done.stderr


@pytest.fixture
def suite(project: Path) -> Path:
    (project / "library.py").write_text(LIBRARY, encoding="utf-8")
    (project / "conftest.py").write_text("", encoding="utf-8")
    (project / "test_it.py").write_text(TESTS, encoding="utf-8")
    return project


def summary(output: str) -> list[str]:
    """The lines of the summary, without the tests they name."""
    lines = output.split("= autograd-lint =")[1].splitlines()[1:]
    return [line.partition(" [")[0] for line in lines if line.startswith(("library.py", "test_it.py", "AGL"))]


# `check` sees nothing in the library: only the tests show what it is given.
EXPECTED = [
    "library.py:2:5: AGL101 `+=` changes `h`, which shares memory with `saved`, saved for backward by `exp` "
    "(error, seen only at run time)",
    "library.py:2:5: AGL103 `+=` changes `h`, which is in the graph (warning, seen only at run time)",
    "AGL101: 1, AGL103: 1",
]


def test_findings_are_told_and_nothing_fails_for_them(suite: Path) -> None:
    output = run(suite, "--autograd-lint")
    assert "1 failed, 6 passed" in output
    assert summary(output) == EXPECTED
    assert "[4 tests, first test_it.py::test_shifts]" in output
    section = output.split("- Captured autograd-lint call -")[1]
    assert "AGL103" in section
    assert "called from here" in section


def test_findings_fail_when_asked_to(suite: Path) -> None:
    output = run(suite, "--autograd-lint-fail")
    assert "5 failed, 2 passed" in output
    assert "autograd-lint: AGL103 (see the section below)" in output
    assert summary(output) == EXPECTED


def test_xdist(suite: Path) -> None:
    output = run(suite, "--autograd-lint", "-n", "2")
    assert "1 failed, 6 passed" in output
    assert summary(output) == EXPECTED


def test_configuration_is_heeded(suite: Path) -> None:
    (suite / "autograd-lint.toml").write_text('ignore = ["AGL103"]\n', encoding="utf-8")
    assert summary(run(suite, "--autograd-lint")) == [EXPECTED[0], "AGL101: 1"]


def test_unknown_rules_in_markers_are_errors(project: Path) -> None:
    text = "import pytest\n\n@pytest.mark.autograd_lint_allow('AGL999')\ndef test():\n    pass\n"
    (project / "test_it.py").write_text(text, encoding="utf-8")
    output = run(project, "--autograd-lint")
    assert "1 failed" in output
    assert "AGL999" in output


def test_wrong_configuration_is_told(project: Path) -> None:
    (project / "autograd-lint.toml").write_text('selct = ["AGL1"]\n', encoding="utf-8")
    (project / "test_it.py").write_text("def test(): pass\n", encoding="utf-8")
    output = run(project, "--autograd-lint")
    assert output.startswith("ERROR: --autograd-lint: ")
    assert output.endswith("unknown key `selct`; did you mean 'select'?\n\n")
    assert "1 passed" in run(project)


def test_without_torch_it_is_told(without_torch: dict[str, str], project: Path) -> None:
    (project / "test_it.py").write_text("def test(): pass\n", encoding="utf-8")
    output = run(project, "--autograd-lint", environment=without_torch)
    assert output.startswith("ERROR: --autograd-lint watches torch, and ")
    assert "1 passed" in run(project, environment=without_torch)


def test_without_the_flag_nothing_is_imported(project: Path) -> None:
    text = (
        "import sys\n\n"
        "def test():\n"
        "    assert not {'torch', 'libcst', 'autograd_lint.rules', 'autograd_lint.dynamic.observer'} & set(sys.modules)\n"
    )
    (project / "test_it.py").write_text(text, encoding="utf-8")
    output = run(project)
    assert "1 passed" in output
    assert "autograd-lint" not in output


def test_plugin_is_declared() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["entry-points"]["pytest11"]
    assert declared == {"autograd_lint": MODULE}

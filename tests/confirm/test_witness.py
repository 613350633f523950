"""`--witness-dir`: the files it writes run with plain torch and raise what they quote."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lint.confirm.session import Session
from autograd_lint.confirm.witness import write_witnesses
from autograd_lint.errors import ConfirmError, OutputError
from autograd_lint.runner import check_file
from autograd_lint.selectors import Layer
from autograd_lint.settings import ConfirmSettings, Options, resolve_settings

TALK = Path(__file__).parents[2] / "fixtures" / "talk"
PROGRAM = "import torch\n\nx = torch.ones(3, requires_grad=True)\ny = x.exp()\ny.mul_(2)\ny.sum().backward()\n"


def lint(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "autograd_lint", "--isolated", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_each_witness_raises_what_it_quotes(tmp_path: Path) -> None:
    done = lint(TALK, "--witness-dir", tmp_path / "out", "--exit-zero", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [
        "t02_backward_again-L10-AGL202.py",
        "t05_square_of_parameter-L19-AGL501.py",
        "t06_square_shared_by_forwards-L26-AGL202.py",
        "t14_two_roots_share_a_product-L12-AGL202.py",
        "t18_write_after_save-L10-AGL101.py",
        "t19_augmented_after_save-L10-AGL101.py",
        "t21_filled_by_index-L11-AGL101.py",
    ]
    for file in files[::3]:
        plain = subprocess.run(
            [sys.executable, file.name], cwd=file.parent, capture_output=True, text=True, check=False
        )
        said = " ".join(plain.stderr.splitlines()[-1].split())
        quoted = " ".join(line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("# "))
        assert said.startswith("RuntimeError: ")
        assert said in quoted


def test_witnesses_are_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(PROGRAM)
    outside = tmp_path / "outside.py"
    outside.write_text("mine = 1\n")
    witness = tmp_path / "out" / "net-L5-AGL101.py"
    assert lint("net.py", "--witness-dir=out", folder=tmp_path).returncode == 1
    first = witness.read_text()
    assert lint("net.py", "--witness-dir=out", folder=tmp_path).returncode == 1
    assert witness.read_text() == first
    witness.write_text("mine = 2\n")
    done = lint("net.py", "--witness-dir=out", folder=tmp_path)
    assert done.returncode == 2
    assert "there is another file of that name" in done.stderr
    assert witness.read_text() == "mine = 2\n"
    outside.write_text(first)
    witness.unlink()
    witness.symlink_to(outside)
    outside_before = outside.read_text() + "# mine\n"
    outside.write_text(outside_before)
    assert lint("net.py", "--witness-dir=out", folder=tmp_path).returncode == 1
    assert outside.read_text() == outside_before
    assert not witness.is_symlink()
    assert witness.read_text() == first


def test_without_torch_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(PROGRAM)
    settings = resolve_settings((str(tmp_path),), Options(rules=Layer(), isolated=True))
    findings = check_file(str(tmp_path / "net.py"), settings)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    python.chmod(0o755)
    elsewhere = replace(settings, confirm=ConfirmSettings(python=str(python)))
    with Session(elsewhere) as session, pytest.raises(ConfirmError):
        write_witnesses(str(tmp_path / "out"), findings, session)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_ends_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(PROGRAM)
    settings = resolve_settings((str(tmp_path),), Options(rules=Layer(), isolated=True))
    findings = check_file(str(tmp_path / "net.py"), settings)
    (tmp_path / "out").write_text("a file\n")
    with Session(settings) as session, pytest.raises(OutputError, match="out"):
        write_witnesses(str(tmp_path / "out"), findings, session)


def test_confirm_by_replay_runs_none_of_the_users_code(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "net.py").write_text(f"open({str(touched)!r}, 'w')\n{PROGRAM}")
    done = lint("net.py", "--confirm=replay", "--output-format=json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert '"verdict": "confirmed"' in done.stdout
    assert '"how": "replay"' in done.stdout
    assert not touched.exists()

"""The fixing options of `check`: what is written, printed and returned."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.errors import OutputError
from autograd_lint.fixing import files
from autograd_lint.fixing.files import write_fixed
from autograd_lint.source import SourceFile, read_source
from tests.conftest import Outcome

Command = Callable[..., Outcome]

HEAD = "import torch\n\nx = torch.ones(3, requires_grad=True)\nh = x * 2\n"
BAD = HEAD + "h += 1  # more\nh.sum().backward()\n"
GOOD = HEAD + "h = h + 1  # more\nh.sum().backward()\n"
UNSAFE = "import torch\n\nw = torch.ones(3, requires_grad=True)\nw += 1\n"


def test_fix_writes_and_reports_what_is_left(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD + UNSAFE)
    done = command("--isolated", "--fix", "--output-format=concise", path)
    assert path.read_text() == GOOD + UNSAFE
    assert (done.status, done.out.split()[1]) == (1, "AGL102")
    assert done.err == "fixed 1 finding in 1 file\n"


def test_fixed_file_is_clean(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD)
    done = command("--isolated", "--fix", path)
    assert (done.status, done.out) == (0, "All clear: 1 file checked\n")
    again = command("--isolated", "--fix", path)
    assert (again.status, again.err, path.read_text()) == (0, "fixed 0 findings\n", GOOD)


def test_unsafe_fixes_include_the_safe_ones(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD + UNSAFE)
    done = command("--isolated", "--unsafe-fixes", path)
    assert path.read_text() == GOOD + UNSAFE.replace("w += 1", "with torch.no_grad():\n    w += 1")
    assert (done.status, done.err) == (0, "fixed 2 findings in 1 file\n")


def test_fix_only_is_silent_of_the_rest(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD + UNSAFE)
    done = command("--isolated", "--fix-only", path)
    assert (done.status, done.out) == (0, "")
    assert path.read_text() == GOOD + UNSAFE


def test_diff_changes_nothing_and_applies_with_patch(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD)
    done = command("--isolated", "--diff", path)
    assert (done.status, path.read_text()) == (1, BAD)
    assert done.err == "would fix 1 finding in 1 file\n"
    assert done.out.splitlines()[:2] == ["--- net.py", "+++ net.py"]
    assert "-h += 1  # more\n+h = h + 1  # more\n" in done.out
    subprocess.run(["patch", "-p0"], input=done.out, text=True, check=True, cwd=project, capture_output=True)
    assert path.read_text() == GOOD


def test_diff_of_several_files_applies_to_their_bytes(project: Path) -> None:
    """Each file keeps its encoding, its mark and its line ends in the diff; a name may have a space."""
    written = {
        "a.py": BAD.removesuffix("\n").encode(),
        "b.py": "# -*- coding: cp1252 -*-\n# €\n".encode("cp1252") + BAD.replace("more", "m€re").encode("cp1252"),
        "c.py": b"\xef\xbb\xbf" + BAD.encode(),
        "sub dir/d.py": BAD.replace("\n", "\r\n").encode(),
    }
    (project / "sub dir").mkdir()
    for name, data in written.items():
        (project / name).write_bytes(data)
    done = run_in(project, "--diff", ".")
    assert (done.returncode, done.stderr) == (1, b"would fix 4 findings in 4 files\n")
    subprocess.run(["patch", "-p0", "--binary"], input=done.stdout, check=True, cwd=project, capture_output=True)
    for name, data in written.items():
        assert (project / name).read_bytes() == data.replace(b"h += 1", b"h = h + 1")


def test_diff_that_nobody_reads_to_its_end(project: Path) -> None:
    for number in range(40):
        (project / f"net{number}.py").write_text(BAD)
    command = [sys.executable, "-m", "autograd_lint", "check", "--isolated", "--diff", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"--- net0.py\n"
        process.stdout.close()
        assert process.stderr.read() == b"would fix 40 findings in 40 files\n"
        assert process.wait(timeout=60) == 1


def run_in(folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "autograd_lint", "check", "--isolated", *options]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=folder)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_run_leaves_whole_files(project: Path, by: signal.Signals) -> None:
    names = [f"net{number}.py" for number in range(30)]
    for name in names:
        (project / name).write_text(BAD)
    command = [sys.executable, "-m", "autograd_lint", "check", "--isolated", "--fix", "."]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=project) as process:
        while process.poll() is None and (project / names[5]).read_text() == BAD:
            time.sleep(0.005)
        process.send_signal(by)
    texts = [(project / name).read_text() for name in names]
    assert set(texts) <= {BAD, GOOD}
    assert GOOD in texts


def test_read_only_file_is_left_and_fails_the_run(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "net.py"
    path.write_text(BAD)
    path.chmod(0o444)
    may = os.access  # root may write all the same
    monkeypatch.setattr(files.os, "access", lambda name, mode: mode != os.W_OK and may(name, mode))
    done = command("--isolated", "--fix", path)
    assert (done.status, path.read_text()) == (2, BAD)
    assert "read-only" in done.err
    assert path.stat().st_mode & 0o777 == 0o444


def test_diff_of_a_clean_file_is_empty(command: Command, project: Path) -> None:
    (project / "net.py").write_text(GOOD)
    done = command("--isolated", "--diff", "net.py")
    assert (done.status, done.out, done.err) == (0, "", "")


def run_on(text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "autograd_lint", "check", "--isolated", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_standard_input_is_fixed_to_standard_output(end: str) -> None:
    done = run_on(BAD.replace("\n", end).encode(), "--fix")
    assert (done.returncode, done.stdout) == (0, GOOD.replace("\n", end).encode())
    assert b"All clear" in done.stderr


def test_standard_input_without_fault_comes_out_as_it_was() -> None:
    text = "x = 'ä'\n".encode("latin-1")
    assert run_on(b"# coding: latin-1\n" + text, "--fix").stdout == b"# coding: latin-1\n" + text


def test_diff_of_standard_input() -> None:
    done = run_on(BAD.encode(), "--diff")
    assert done.returncode == 1
    assert b"+h = h + 1  # more" in done.stdout


@pytest.mark.parametrize(
    "written",
    [
        BAD.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + BAD.encode(),
        "# -*- coding: latin-1 -*-\n# é\n".encode("latin-1") + BAD.encode("latin-1"),
        BAD.removesuffix("\n").encode(),
        BAD.replace("\n", "\r\n", 2).encode(),
    ],
    ids=["crlf", "bom", "cookie", "no-last-line-end", "mixed"],
)
def test_bytes_around_the_fix_stay(command: Command, project: Path, written: bytes) -> None:
    path = project / "net.py"
    path.write_bytes(written)
    path.chmod(0o751)
    command("--isolated", "--fix", path)
    assert path.read_bytes() == written.replace(b"h += 1", b"h = h + 1")
    assert path.stat().st_mode & 0o777 == 0o751
    assert os.listdir(project) == ["net.py"]


def test_link_stays_a_link(command: Command, project: Path) -> None:
    (project / "real.py").write_text(BAD)
    (project / "net.py").symlink_to("real.py")
    command("--isolated", "--fix", "net.py")
    assert (project / "net.py").is_symlink()
    assert (project / "real.py").read_text() == GOOD


def test_failed_write_leaves_the_file_and_fails_the_run(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (project / "a.py").write_text(BAD)
    (project / "b.py").write_text(UNSAFE)
    monkeypatch.setattr(files.os, "replace", refuse)
    done = command("--isolated", "--fix", "--output-format=concise", ".")
    assert done.status == 2
    assert "No space left on device" in done.err
    assert "b.py:4:1: AGL102" in done.out
    assert (project / "a.py").read_text() == BAD
    assert sorted(os.listdir(project)) == ["a.py", "b.py"]


def test_interrupted_write_leaves_the_whole_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "net.py"
    path.write_text(BAD)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_fixed(read_source(str(path)), SourceFile(str(path), GOOD))
    assert (path.read_text(), os.listdir(project)) == (BAD, ["net.py"])


def test_file_changed_meanwhile_is_left_alone(project: Path) -> None:
    path = project / "net.py"
    path.write_text(BAD)
    before = read_source(str(path))
    path.write_text(GOOD + "# mine\n")
    with pytest.raises(OutputError, match="changed while"):
        write_fixed(before, SourceFile(str(path), GOOD))
    assert path.read_text() == GOOD + "# mine\n"


def test_suppressed_findings_are_not_fixed(command: Command, project: Path) -> None:
    path = project / "net.py"
    text = BAD.replace("# more", "# autograd-lint: ignore[AGL103]")
    path.write_text(text)
    command("--isolated", "--unsafe-fixes", path)
    assert path.read_text() == text


def test_json_and_concise_tell_of_the_fix(command: Command, project: Path) -> None:
    import json

    (project / "net.py").write_text(BAD)
    assert "AGL103 [*] " in command("--isolated", "--output-format=concise", "net.py").out
    (finding,) = json.loads(command("--isolated", "--output-format=json", "net.py").out)
    assert finding["fix"] == {
        "applicability": "safe",
        "message": "use the out-of-place form: `h = h + …`",
        "edits": [{"content": " = h + ", "location": {"row": 5, "column": 2}, "end_location": {"row": 5, "column": 6}}],
    }


def test_several_imports_are_added_once(command: Command, project: Path) -> None:
    path = project / "net.py"
    body = (
        '"""A net."""\nfrom __future__ import annotations\nfrom torch import nn\n\n\nclass Net(nn.Module):\n'
        "    def __init__(self):\n        super().__init__()\n        self.a = [nn.Linear(1, 1)]\n"
        '        self.b = {"x": nn.Linear(1, 1)}\n\n\nNet()\n'
    )
    path.write_text(body)
    command("--isolated", "--unsafe-fixes", path)
    text = path.read_text()
    assert "self.a = nn.ModuleList([nn.Linear(1, 1)])" in text
    assert 'self.b = nn.ModuleDict({"x": nn.Linear(1, 1)})' in text
    assert text.count("import") == body.count("import")


def test_missing_import_is_added_after_the_future_ones(command: Command, project: Path) -> None:
    path = project / "net.py"
    path.write_text(
        '"""A net."""\nfrom __future__ import annotations\n\nfrom torch import ones\n\nw = ones(3, requires_grad=True)\nw += 1\n'
    )
    command("--isolated", "--unsafe-fixes", path)
    assert path.read_text() == (
        '"""A net."""\nfrom __future__ import annotations\n\nimport torch\nfrom torch import ones\n\n'
        "w = ones(3, requires_grad=True)\nwith torch.no_grad():\n    w += 1\n"
    )


def test_reading_is_closed_input(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xff not text")))
    done = command("--isolated", "--fix", "-")
    assert (done.status, done.out) == (1, "")
    assert "AGL000" in done.err

"""The command line: options, exit status, streams."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograd_lint import __version__
from autograd_lint.rule import all_rules

pytestmark = pytest.mark.usefixtures("marked_engine")
Command = Callable[..., Any]


def codes(out: str) -> list[str]:
    """The codes in a concise report."""
    return [line.split()[1] for line in out.splitlines()]


@pytest.fixture
def mixed(project: Path) -> Path:
    """A project with an error, a warning, and a suppressed warning."""
    (project / "a.py").write_text("bad(AGL101)\n")
    (project / "b.py").write_text("x = 1\nbad(AGL103)\nbad(AGL103)  # autograd-lint: ignore[AGL103]\n")
    (project / "clean.py").write_text("x = 1\n")
    return project


def test_check_is_the_default_command(command: Command, mixed: Path) -> None:
    expected = "a.py:1:1: AGL101 marked AGL101\nb.py:2:1: AGL103 marked AGL103\n"
    for arguments in (["check", "."], ["."], [], ["check"], ["a.py", "b.py", "clean.py"]):
        outcome = command(*arguments, "--output-format=concise")
        assert (outcome.status, outcome.out, outcome.err) == (1, expected, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["clean.py"], 0),
        (["."], 1),
        (["b.py"], 1),
        (["b.py", "--fail-level=error"], 0),
        (["a.py", "--fail-level=error"], 1),
        (["b.py", "--fail-level=info"], 1),
        ([".", "--exit-zero"], 0),
        (["missing.py"], 1),
        (["missing.py", "--ignore=AGL000"], 0),
        ([".", "--select=AGL201"], 0),
        ([".", "--nonsense"], 2),
        ([".", "--select=AGL999"], 2),
        ([".", "--jobs=0"], 2),
        ([".", "--config=none.toml"], 2),
        ([".", "--output-file=no/such/folder/x.json"], 2),
    ],
)
def test_exit_status(command: Command, mixed: Path, arguments: list[str], status: int) -> None:
    assert command(*arguments).status == status


def test_internal_error_is_a_finding_and_status_2(command: Command, mixed: Path) -> None:
    (mixed / "c.py").write_text("crash()\n")
    outcome = command(".", "--output-format=concise", "--exit-zero")
    assert outcome.status == 2
    assert codes(outcome.out) == ["AGL101", "AGL103", "AGL003"]
    assert "c.py:1:1: AGL003 internal error: ZeroDivisionError at conftest.py:" in outcome.out


@pytest.mark.parametrize("options", [[], ["--ignore=ALL"], ["--select=AGL101"]])
def test_internal_errors_cannot_be_switched_off(command: Command, project: Path, options: list[str]) -> None:
    (project / "c.py").write_text("crash()  # noqa\n")
    assert command("c.py", *options).status == 2


def test_errors_go_to_standard_error_and_name_the_nearest(command: Command, mixed: Path) -> None:
    for arguments, message in [
        (["--slect=AGL1"], "no such option '--slect'; did you mean '--select'?"),
        (["--verison"], "no such option '--verison'; did you mean '--version'?"),
        (["--version"], "option '--version' must stand alone"),
        (["--xyz"], "no such option '--xyz'\n"),
        (["--jobs=many"], "invalid value for '--jobs'"),
        (["--select="], "--select names no rule"),
        (["--select=AGL10l"], "unknown rule selector 'AGL10l'; did you mean 'AGL101'?"),
        (["--output-format=jsonn"], "unknown format 'jsonn'; did you mean 'json'?"),
        (["--fail-level=eror"], "unknown level 'eror'; did you mean 'error'?"),
        (["--output-file=jsno=x"], "unknown format 'jsno'; did you mean 'json'?"),
        (["--per-file-ignores=x"], "PATTERN:RULE"),
        (["--config=x", "--isolated"], "exclude each other"),
        (["--output-file=json=no/such/folder.json"], "there is no folder no/such"),
    ]:
        outcome = command(".", *arguments)
        assert (outcome.status, outcome.out) == (2, "")
        assert outcome.err.startswith("error: ")
        assert message in outcome.err


def test_misspelt_command_is_not_taken_for_a_path(command: Command, mixed: Path) -> None:
    outcome = command("chek", ".")
    assert (outcome.status, outcome.out) == (2, "")
    assert "no file or command is called 'chek'; did you mean 'check'?" in outcome.err
    (mixed / "chek").mkdir()
    assert command("chek", "clean.py").status == 0
    assert codes(command("elsewhere", "--output-format=concise").out) == ["AGL000"]


def test_output_files_beside_standard_output(command: Command, mixed: Path) -> None:
    outcome = command(".", "--output-format=concise", "--output-file=json=r.json", "--output-file", "r.txt")
    assert codes(outcome.out) == ["AGL101", "AGL103"]
    assert [found["code"] for found in json.loads((mixed / "r.json").read_text())] == ["AGL101", "AGL103"]
    assert (mixed / "r.txt").read_text() == outcome.out


def test_output_file_has_no_colour(command: Command, mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    outcome = command("a.py", "--output-file=full=r.txt")
    assert "\x1b[" in outcome.out
    assert "\x1b" not in (mixed / "r.txt").read_text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("a.py").out


def test_full_report_is_the_default(command: Command, mixed: Path) -> None:
    outcome = command("a.py")
    assert outcome.out.startswith("a.py:1:1: AGL101 inplace-on-saved-tensor (error)\n  marked AGL101\n")
    assert outcome.out.endswith("Found 1 error in 1 file\n")


def test_suppressed_findings_are_shown_on_request(command: Command, mixed: Path) -> None:
    outcome = command("b.py", "--show-suppressed", "--output-format=json")
    assert [found["suppressed"] for found in json.loads(outcome.out)] == [None, "inSource"]
    (mixed / "d.py").write_text("bad(AGL103)  # noqa\n")
    assert command("d.py", "--show-suppressed").status == 0


def test_selection_options_split_and_repeat(command: Command, mixed: Path) -> None:
    concise = "--output-format=concise"
    assert codes(command(".", concise, "--select", "AGL101,AGL201", "--select=AGL103").out) == ["AGL101", "AGL103"]
    assert codes(command(".", concise, "--ignore=inplace-on-saved-tensor").out) == ["AGL103"]
    assert codes(command(".", concise, "--per-file-ignores=a.py:AGL1,b.py:AGL201").out) == ["AGL103"]
    (mixed / "e.py").write_text("bad(AGL105)\n")
    assert command("e.py", concise).out == ""
    assert codes(command("e.py", concise, "--extend-select=AGL105").out) == ["AGL105"]


def test_configuration_file_is_used(command: Command, mixed: Path) -> None:
    (mixed / "pyproject.toml").write_text('[tool.autograd-lint]\noutput-format = "concise"\nignore = ["AGL101"]\n')
    assert codes(command(".").out) == ["AGL103"]
    assert codes(command(".", "--isolated", "--output-format=concise").out) == ["AGL101", "AGL103"]


def test_keys_without_effect_are_told(command: Command, mixed: Path) -> None:
    (mixed / "autograd-lint.toml").write_text('cache-dir = "x"\n')
    assert "`cache-dir` has no effect in this version" in command("clean.py").err


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input(command: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_stdin(monkeypatch, b"x = 1\nbad(AGL101)\n")
    assert command("-", "--output-format=concise").out == "-:2:1: AGL101 marked AGL101\n"
    give_stdin(monkeypatch, b"bad(AGL101)\n")
    outcome = command("-", "--stdin-filename=lib/net.py")
    assert outcome.out.startswith("lib/net.py:1:1: AGL101")
    assert "1 | bad(AGL101)" in outcome.out
    give_stdin(monkeypatch, b"\xff")
    assert codes(command("-", "--output-format=concise").out) == ["AGL000"]


def test_stdin_filename_takes_part_in_per_file_ignores(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, b"bad(AGL101)\n")
    assert command("-", "--stdin-filename=lib/net.py", "--per-file-ignores=lib/*:AGL101").status == 0


def test_excluded_standard_input(command: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, status in (["--force-exclude"], 0), ([], 1):
        give_stdin(monkeypatch, b"bad(AGL101)\n")
        assert command("-", "--stdin-filename=build/net.py", *options).status == status


def test_statistics(command: Command, mixed: Path) -> None:
    (mixed / "c.py").write_text("bad(AGL103)\n")
    outcome = command(".", "--statistics")
    assert outcome.out == "2  AGL103  inplace-on-graph-tensor\n1  AGL101  inplace-on-saved-tensor\n"
    assert outcome.status == 1
    listed = json.loads(command(".", "--statistics", "--output-format=json").out)
    assert listed[0] == {"code": "AGL103", "name": "inplace-on-graph-tensor", "count": 2}


def test_show_files_and_settings(command: Command, mixed: Path) -> None:
    assert command(".", "--show-files").out.splitlines() == [str(mixed / name) for name in ("a.py", "b.py", "clean.py")]
    shown = dict(line.split(" = ", 1) for line in command(".", "--show-settings", "--select=AGL1").out.splitlines())
    assert json.loads(shown["root"]) == str(mixed)
    assert "AGL105" in json.loads(shown["rules"])


def test_no_files_is_told(command: Command, project: Path) -> None:
    outcome = command(".")
    assert (outcome.status, outcome.out) == (0, "All clear: 0 files checked\n")
    assert "no Python files found" in outcome.err


def test_verbose_speaks_on_standard_error(command: Command, mixed: Path) -> None:
    outcome = command(".", "-v", "--output-format=concise")
    assert codes(outcome.out) == ["AGL101", "AGL103"]
    assert "checked 3 files" in outcome.err
    assert "1 finding suppressed" in outcome.err


@pytest.mark.parametrize("jobs", [1, 2])
def test_jobs_do_not_change_the_result(command: Command, project: Path, jobs: int) -> None:
    for number in range(20):
        (project / f"m{number:02}.py").write_text("x = 1\n" * number + "bad(AGL101)\nbad(AGL103)\n")
    outcome = command(".", "--output-format=concise", f"--jobs={jobs}")
    places = [line.split(": ")[0] for line in outcome.out.splitlines()]
    assert places == [f"m{n:02}.py:{n + k}:1" for n in range(20) for k in (1, 2)]


def test_a_process_that_dies_costs_its_file_only(command: Command, project: Path) -> None:
    for number in range(12):
        (project / f"m{number:02}.py").write_text("die()\n" if number == 5 else "bad(AGL101)\n")
    outcome = command(".", "--output-format=concise", "--jobs=2")
    assert outcome.status == 2
    assert codes(outcome.out) == ["AGL101"] * 5 + ["AGL003"] + ["AGL101"] * 6
    assert "m05.py:1:1: AGL003 internal error: the process that checked this file died" in outcome.out


def test_findings_have_fingerprints_that_survive_moves(command: Command, project: Path) -> None:
    def prints(text: str) -> list[str]:
        (project / "a.py").write_text(text)
        return [found["fingerprint"] for found in json.loads(command("a.py", "--output-format=json").out)]

    first = prints("def f():\n    bad(AGL101)\n    bad(AGL101)\n")
    assert len(set(first)) == 2
    assert all(item.startswith("v1:") for item in first)
    assert prints("import os\n\n\ndef f():\n    bad(AGL101)\n    x = 1\n    bad(AGL101)   \n") == first
    assert not set(prints("def g():\n    bad(AGL101)\n")) & set(first)


def test_noqa_row_is_where_a_comment_can_stand(command: Command, project: Path) -> None:
    (project / "a.py").write_text('x = f("""\nbad(AGL101)\n""")\n')
    assert json.loads(command("a.py", "--output-format=json").out)[0]["noqa_row"] == 3


def test_rule_by_code_and_name(command: Command) -> None:
    for name in ("AGL101", "agl101", "inplace-on-saved-tensor"):
        outcome = command("rule", name)
        assert outcome.status == 0
        assert outcome.out.startswith("# AGL101 inplace-on-saved-tensor (error)\n\n")
        assert "\n## What it does\n" in outcome.out


def test_rule_as_json(command: Command) -> None:
    one = json.loads(command("rule", "AGL105", "--output-format=json").out)
    assert (one["code"], one["severity"], one["default"]) == ("AGL105", "info", False)
    every = json.loads(command("rule", "--all", "--output-format=json").out)
    assert [rule["code"] for rule in every] == [rule.code for rule in all_rules()]


def test_rule_that_does_not_exist(command: Command) -> None:
    outcome = command("rule", "retain-grph")
    assert (outcome.status, outcome.out) == (2, "")
    assert "did you mean 'retain-graph'?" in outcome.err
    assert command("rule").status == 2
    assert command("rule", "AGL101", "--all").status == 2


def test_version_and_help(command: Command) -> None:
    assert command("--version").out == f"autograd-lint {__version__}\n"
    assert "Exit status: 0 no finding" in command("check", "--help").out
    assert "check" in command("--help").out


def test_unexpected_error_is_told_in_one_line(command: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("autograd_lint.runner.discover", fail)
    outcome = command(".")
    assert outcome.status == 2
    assert "internal error: RuntimeError at test_cli.py:" in outcome.err


def test_interruption(command: Command, mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autograd_lint.runner.check_file", interrupt)
    outcome = command(".")
    assert (outcome.status, outcome.out, outcome.err.strip()) == (130, "", "interrupted")


# ------------------------------------------------------------ real processes


def spawn(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "autograd_lint", *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_version_imports_nothing_heavy() -> None:
    code = "import sys; from autograd_lint import cli; print([m for m in ('libcst', 'pathspec', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_closed_pipe_is_silent() -> None:
    done = subprocess.run(
        [f"'{sys.executable}' -m autograd_lint rule --all --output-format=json | head -c 10"],
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[\n  {\n    "[:10]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command_line", "status", "message"),
    [
        ("rule --all >&-", 0, ""),
        ("clean.py >&- 2>&-", 0, ""),
        ("--nonsense 2>&-", 2, ""),
        ("rule --all >/dev/full", 2, "error: cannot write to standard output: No space left on device\n"),
        ("clean.py --output-file=json=/dev/full", 2, "error: cannot write the json report to /dev/full: No space"),
        ("- --output-format=concise <&- >&2", 1, "-:1:1: AGL000 cannot read standard input: it is closed\n"),
    ],
)
def test_streams_that_are_closed_or_full(project: Path, command_line: str, status: int, message: str) -> None:
    (project / "clean.py").write_text("x = 1\n")
    whole = f"'{sys.executable}' -m autograd_lint {command_line}"
    done = subprocess.run([whole], shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert done.stderr.startswith(message)
    assert message or not done.stderr


def test_json_is_json_in_every_encoding(project: Path) -> None:
    (project / "ünïcode \U0001f600.py").write_bytes(b"\xff")
    done = spawn("--output-format=json", "--isolated", ".", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    (found,) = json.loads(done.stdout)
    assert Path(found["filename"]).name == "ünïcode \U0001f600.py"


def test_output_that_the_terminal_cannot_say() -> None:
    done = spawn("rule", "AGL001", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "ignore[\\u2026]" in done.stdout


def test_what_is_checked_is_not_imported(project: Path) -> None:
    """Python puts the current folder before its own library when it runs a module."""
    for name in ("socket", "json", "libcst", "click", "torch"):
        (project / f"{name}.py").write_text(f"open('{name} was executed', 'w')\nx = 1\n")
    done = spawn("--select=ALL", "-j2", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(project.glob("*executed"))

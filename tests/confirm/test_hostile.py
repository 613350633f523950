"""`check --confirm` over a folder of programs that mean harm: each has its verdict, and nobody else takes notice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.confirm.hostile import HOSTILE, THREADS, Hostile, as_function, as_script
from tests.dynamic.snippets.conftest import descendants, snapshot, wait_until

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are walls on Linux only")

SETTINGS = '[confirm]\ntimeout = 1.5\nmemory = "1 GiB"\njobs = 2\n'
TORCH = "modified by an inplace operation"
HONEST = ("a_honest", "m_honest", "z_honest")
"""The first, one in the middle, the last."""


@dataclass(frozen=True)
class Told:
    """The verdicts of one command, by the name of the file."""

    verdicts: dict[str, dict[str, Any]]
    status: int
    errors: str


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody else's, which stays as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "data.txt").write_text("precious")
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before


@pytest.fixture
def told(tmp_path: Path, outside: Path) -> Callable[[str], Told]:
    """The verdicts that `--confirm=WAY` comes to."""

    def tell(way: str) -> Told:
        folder, scratch = tmp_path / "project", tmp_path / "scratch"
        folder.mkdir()
        scratch.mkdir()
        made = as_function if way == "slice" else as_script
        (folder / "autograd-lint.toml").write_text(SETTINGS)
        for program in HOSTILE:
            (folder / f"{program.name}.py").write_text(made(program.text.replace("OUTSIDE", str(outside))))
        for name, text in (*((name, "") for name in HONEST), ("threads", THREADS)):
            (folder / f"{name}.py").write_text(made(text))
        return leaving_nothing(lambda: confirm(folder, way, scratch), scratch)

    return tell


def confirm(folder: Path, way: str, scratch: Path) -> Told:
    """What the command says, which has something to read on standard input."""
    command = [sys.executable, "-m", "autograd_lint", "check", f"--confirm={way}", "--output-format=json", "."]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(
        command, cwd=folder, env=environment, input="password\n", capture_output=True, text=True, timeout=200
    )
    verdicts = {Path(found["filename"]).stem: found["confirmation"] for found in json.loads(done.stdout)}
    return Told(verdicts, done.returncode, done.stderr)


def leaving_nothing(run: Callable[[], Told], scratch: Path) -> Told:
    """What `run` returns; no process, no file and no shared memory is left of it."""
    from autograd_lint.dynamic.sandbox.kernel import adopt_orphans

    processes, shared = descendants(os.getpid()), set(os.listdir("/dev/shm"))
    adopt_orphans()  # so that what the command leaves behind is ours to see
    try:
        result = run()
        assert wait_until(lambda: descendants(os.getpid()) <= processes)
    finally:
        adopt_orphans(adopt=False)
    assert os.listdir(scratch) == []
    assert wait_until(lambda: set(os.listdir("/dev/shm")) <= shared, 30)  # tests beside this one may use some meanwhile
    return result


def wrong(told: Told, program: Hostile, hows: str, words: str) -> dict[str, Any] | None:
    """The verdict on `program`, if it is not as it should be."""
    verdict = told.verdicts[program.name]
    expected = "confirmed" if words == TORCH else "inconclusive"
    is_right = verdict["verdict"] == expected and verdict["how"] in hows and re.search(words, verdict["evidence"])
    return None if is_right else verdict


def check_all(told: Told, hows: str, words: Callable[[Hostile], str]) -> None:
    """Every verdict is right: those of the hostile files by `words`, and those of the honest ones anyway."""
    assert (told.status, told.errors, len(told.verdicts)) == (1, "", len(HOSTILE) + len(HONEST) + 1)
    for name in (*HONEST, "threads"):
        assert told.verdicts[name]["verdict"] == "confirmed", told.verdicts[name]
        assert TORCH in told.verdicts[name]["evidence"]
    verdicts = {program.name: wrong(told, program, hows, words(program)) for program in HOSTILE}
    assert {name: verdict for name, verdict in verdicts.items() if verdict is not None} == {}


def test_hostile_programs_are_inconclusive_and_honest_ones_confirmed(told: Callable[[str], Told]) -> None:
    check_all(told("program"), "program", lambda program: program.reason)


def test_slices_of_hostile_functions(told: Callable[[str], Told]) -> None:
    check_all(told("slice"), "slice", lambda program: program.sliced or TORCH)


def test_replays_run_nothing_of_the_files(told: Callable[[str], Told]) -> None:
    """Any line of theirs would have ended the run."""
    check_all(told("replay"), "replay", lambda _: TORCH)


def test_true_findings_of_hostile_programs_are_confirmed_without_the_harm(told: Callable[[str], Told]) -> None:
    """What lies behind the harm is reached by a slice without it, or by a replay, in which nothing of the file runs."""
    check_all(told("all"), "slice or replay", lambda _: TORCH)

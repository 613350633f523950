"""Machines that do not allow some of the walls: it is told, what is left holds, and the verdicts are the same."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path

import pytest

from autograd_lint.confirm import session
from autograd_lint.dynamic.snippets.launch import ALL_WALLS, Setup
from autograd_lint.finding import Verdict
from autograd_lint.runner import run
from tests.confirm.conftest import confirm_result, settings_for, verdict_of
from tests.confirm.hostile import HOSTILE, as_script

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are walls on Linux only")

CHOSEN = {
    "fork_bomb",
    "kills_its_parent",
    "removes",
    "overwrites",
    "opens_a_socket",
    "starts_a_program",
    "fills_the_disk",
    "exits",
}
SOME = "warning: this machine lets the sandbox raise some of its walls only; -v tells which [sandbox]\n"
GAPS = {
    "namespaces": ["the size of the scratch folder is only looked at now and then"],
    "landlock": [],
    "seccomp": [
        "no wall keeps programs off the sockets of this machine",
        "no wall keeps programs from starting others",
    ],
}


@pytest.mark.parametrize(
    "without", [{"namespaces"}, {"landlock"}, {"seccomp"}, set(ALL_WALLS)], ids=lambda names: "+".join(sorted(names))
)
def test_without_some_walls(
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    without: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "data.txt").write_text("precious")
    chosen = {program.name: program for program in HOSTILE if program.name in CHOSEN}
    for name, text in [("honest", ""), *((name, chosen[name].text) for name in CHOSEN)]:
        (project / f"{name}.py").write_text(as_script(text.replace("OUTSIDE", str(outside))))
    monkeypatch.setattr(session, "Setup", partial(Setup, without=frozenset(without)))
    settings = settings_for(project)
    found = confirm_result(run([str(project)], settings), settings, only="program", verbose=True)
    verdicts = {Path(finding.filename).stem: verdict_of(finding) for finding in found.findings}
    assert verdicts.pop("honest").verdict is Verdict.CONFIRMED
    assert set(verdicts) == CHOSEN
    for name, verdict in verdicts.items():
        assert verdict.verdict is Verdict.INCONCLUSIVE
        assert re.search(chosen[name].reason, verdict.evidence), verdict
    assert [path.name for path in outside.iterdir()] == ["data.txt"]
    assert (outside / "data.txt").read_text() == "precious"
    told = re.findall(r"note: (.*) \[sandbox\]", capsys.readouterr().err)
    assert set(told) >= {gap for name in without for gap in GAPS[name]}


@pytest.mark.parametrize(("without", "told"), [(frozenset(), ""), (ALL_WALLS, SOME)], ids=["all", "none"])
def test_missing_walls_are_told_unasked(
    project: Path,
    without: frozenset[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (project / "honest.py").write_text(as_script(""))
    monkeypatch.setattr(session, "Setup", partial(Setup, without=without))
    settings = settings_for(project)
    confirm_result(run([str(project)], settings), settings, only="program")
    error = capsys.readouterr().err
    assert error == told or (not without and error == SOME), "this machine may lack some itself"

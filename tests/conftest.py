"""What all tests share: the command line run in this process, and an engine whose findings the text itself asks for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from autograd_lint import engine
from autograd_lint.cli import main
from autograd_lint.finding import Finding, Position, Range
from autograd_lint.layout import split_lines
from autograd_lint.rule import Rule
from autograd_lint.source import SourceFile

hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs `autograd-lint ARGUMENTS` in this process."""
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_request:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(exit_request.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


_NO_TORCH = """\
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda _, name, *rest: None if name == "torch" else find_spec(name, *rest))
"""


@pytest.fixture
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What to put into the environment of a Python, for it to be one without torch."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "sitecustomize.py").write_text(_NO_TORCH)
    return {"PYTHONPATH": str(folder), "VIRTUAL_ENV": "", "CONDA_PREFIX": ""}


_MARK = re.compile(r"bad\((AGL\d{3})\)")


def marked_findings(source: SourceFile, rules: Sequence[type[Rule]]) -> list[Finding]:
    """A finding of rule AGL123 wherever the text says `bad(AGL123)`, if that rule runs."""
    return list(_marked(source, {rule.code: rule for rule in rules}))


def _marked(source: SourceFile, rules: dict[str, type[Rule]]) -> Iterator[Finding]:
    if "crash()" in source.text:
        raise ZeroDivisionError("as asked for")
    if "die()" in source.text:
        os._exit(9)
    for row, line in enumerate(split_lines(source.text), start=1):
        for found in _MARK.finditer(line):
            rule = rules.get(found[1])
            if rule is not None:
                place = Range(Position(row, found.start() + 1), Position(row, found.end() + 1))
                yield Finding(rule.code, rule.name, rule.severity, f"marked {rule.code}", source.path, place)


@pytest.fixture
def marked_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the engine by `marked_findings`."""
    monkeypatch.setattr(engine, "check_source", marked_findings, raising=False)

"""Runs `check --confirm` over files, in this process, with programs in others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograd_lint.confirm.command import Request, confirmed
from autograd_lint.confirm.session import Session
from autograd_lint.finding import Confirmation, Finding, Verdict
from autograd_lint.runner import RunResult, run
from autograd_lint.selectors import Layer
from autograd_lint.settings import Options, Settings, resolve_settings

pytest.importorskip("torch")


@dataclass(frozen=True)
class Confirmed:
    """Findings with their verdicts."""

    findings: tuple[Finding, ...]

    @property
    def counts(self) -> Counter[Verdict]:
        """How many of each verdict."""
        return Counter(verdict_of(finding).verdict for finding in self.findings)

    def of(self, code: str) -> list[Confirmation]:
        """The verdicts on the findings of a rule."""
        return [verdict_of(finding) for finding in self.findings if finding.code == code]

    def not_confirmed(self) -> list[tuple[str, str, int, str]]:
        """What a failing test shows."""
        return [
            (Path(f.filename).name, f.code, f.range.start.row, verdict_of(f).evidence[:200])
            for f in self.findings
            if verdict_of(f).verdict is not Verdict.CONFIRMED
        ]


def verdict_of(finding: Finding) -> Confirmation:
    assert finding.confirmation is not None
    return finding.confirmation


def settings_for(*paths: Path, extend: tuple[str, ...] = ()) -> Settings:
    rules = Layer(extend_select=extend)
    return resolve_settings([str(path) for path in paths], Options(rules=rules, isolated=True, jobs=2))


def confirm_paths(*paths: Path, only: str = "", extend: tuple[str, ...] = ()) -> Confirmed:
    """The findings of `paths`, confirmed."""
    settings = settings_for(*paths, extend=extend)
    return confirm_result(run([str(path) for path in paths], settings), settings, only=only)


def confirm_result(result: RunResult, settings: Settings, *, only: str = "", verbose: bool = False) -> Confirmed:
    with Session(settings) as session:
        return Confirmed(confirmed(result, settings, Request(only, verbose), session).visible)


@pytest.fixture
def confirm_text(tmp_path: Path) -> Callable[..., Confirmed]:
    """Confirms the findings of a program."""

    def confirm(text: str, **keywords: Any) -> Confirmed:
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8")
        return confirm_paths(path, **keywords)

    return confirm


def read_json(text: str) -> Any:
    return json.loads(text)

"""Watches tests one by one: findings in a section of each test's report, and a summary at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from autograd_lint.dynamic.pytest_marker import MARKER, allowed_rules
from autograd_lint.dynamic.static_side import StaticSide
from autograd_lint.finding import Finding
from autograd_lint.report import render
from autograd_lint.report._view import Texts, View
from autograd_lint.selectors import Layer, require_codes
from autograd_lint.settings import Options, Settings, resolve_settings

_ATTRIBUTE = "autograd_lint"


@dataclass(slots=True)
class _Place:
    """One finding, and the tests it was seen in."""

    text: str
    tests: list[str] = field(default_factory=list)


class TestWatch:
    """The plugin proper, registered when the flag is given; with xdist in each worker, and where reports arrive."""

    def __init__(self, config: pytest.Config, *, fail: bool) -> None:
        self._root = str(config.rootpath)
        self._fail = fail
        self._settings: Settings = resolve_settings((self._root,), Options(rules=Layer()))
        self._static = StaticSide(self._settings)
        self._observer: Any = None
        self._findings: list[Finding] = []
        self._places: dict[tuple[str, int, int, str], _Place] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Begin with the fixtures, which may build what the test uses."""
        from autograd_lint.dynamic.run import make_observer

        self._findings = []
        self._observer = make_observer(self._settings)
        self._observer.start()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """End with the test itself, whether it passes or not."""
        try:
            result = yield
        finally:
            self._stop(item)
        failing = [f for f in self._findings if f.severity >= self._settings.fail_level]
        if self._fail and failing:
            codes = ", ".join(sorted({finding.code for finding in failing}))
            pytest.fail(f"autograd-lint: {codes} (see the section below)", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test whose fixtures failed was never called."""
        if self._observer is not None:
            self._stop(item)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Send the findings along with the report: with xdist they are made in another process."""
        report = yield
        if call.when == "call":
            told = [
                [f.filename, f.range.start.row, f.range.start.column, f.code, f.message, _label(f)]
                for f in self._findings
            ]
            setattr(report, _ATTRIBUTE, told)
        return report

    def _stop(self, item: pytest.Item) -> None:
        from autograd_lint.dynamic.remarks import remarks_of
        from autograd_lint.dynamic.run import find, notes

        observer, self._observer = self._observer, None
        observer.stop()
        allowed = allowed_rules(item)
        if allowed is None:
            return
        codes = frozenset[str]().union(*(require_codes(name, where=f"@pytest.mark.{MARKER}") for name in allowed))
        found = self._static.marked(find(observer, self._settings))
        self._findings = [f for f in found if f.suppressed is None and f.code not in codes]
        lines = [*notes(observer), *(remark.line() for remark in remarks_of(observer.records))]
        lines += [self._render(self._findings)] if self._findings else []
        if lines:
            item.add_report_section("call", "autograd-lint", "\n".join(lines))

    def _render(self, findings: list[Finding]) -> str:
        files = tuple(dict.fromkeys(finding.filename for finding in findings))
        view = View(findings=tuple(findings), files=files, root=self._root, texts=Texts())
        return render("full", view)

    # ----------------------------------------------------------- summary

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what a test's report brings."""
        for filename, row, column, code, message, label in getattr(report, _ATTRIBUTE, ()):
            text = f"{code} {message} ({label})"
            place = self._places.setdefault((filename, row, column, code), _Place(text))
            place.tests.append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Every place once, with the number of tests that came by."""
        if not self._places:
            return
        terminalreporter.section("autograd-lint")
        counts: dict[str, int] = defaultdict(int)
        for (filename, row, column, code), place in sorted(self._places.items()):
            counts[code] += 1
            seen = place.tests[0] if len(place.tests) == 1 else f"{len(place.tests)} tests, first {place.tests[0]}"
            terminalreporter.line(f"{_short(filename, self._root)}:{row}:{column}: {place.text} [{seen}]")
        terminalreporter.line(", ".join(f"{code}: {counts[code]}" for code in sorted(counts)))


def _label(finding: Finding) -> str:
    return finding.severity.label + (", seen only at run time" if finding.runtime_only else "")


def _short(path: str, root: str) -> str:
    return path.removeprefix(root + "/")

"""Events of a run to findings: the same rules, joined and superseded as the static engine's are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograd_lint.engine import Verdicts
from autograd_lint.events import Event
from autograd_lint.finding import Finding, Range
from autograd_lint.rule import Rule


@dataclass(frozen=True, slots=True)
class _Run:
    """One real execution, as the engine wants a path."""

    events: list[tuple[Event, bool]]
    failed: bool = True
    reached: frozenset[object] = frozenset()


class _Ranges:
    """Places of events are ranges already."""

    def range_of(self, node: object) -> Range:
        """Where `node` stands."""
        assert isinstance(node, Range)
        return node

    def statement_range_of(self, node: object) -> Range:
        """The range whose last row holds the comment that may speak of `node`."""
        return self.range_of(node)


def judge(events: Sequence[Event], rules: Sequence[type[Rule]]) -> list[Finding]:
    """What the rules say of the events of one run, by place."""
    verdicts = Verdicts(rules)
    verdicts.add([_Run([(event, False) for event in events])])
    found = verdicts.findings(_Ranges())
    return sorted(found, key=lambda finding: (finding.filename, finding.range, finding.code))

"""Which event of a real run is the one that a finding speaks of: the same rule reports it at the same place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from autograd_lint.events import Event, Site
from autograd_lint.evidence import Called, Left, Said, Testimony
from autograd_lint.finding import Finding, Position, Range
from autograd_lint.rule import Rule
from autograd_lint.selectors import rules_by_code

_WHOLE_ROW: Final = 1 << 30
"""A column behind every other: of a program written anew, only the rows can be told."""


def rules_for(finding: Finding) -> Iterator[type[Rule]]:
    """The finding's rule; then those that speak in its place where they find more."""
    yield rules_by_code()[finding.code]
    for rule in rules_by_code().values():
        if finding.code in (*rule.supersedes, *rule.akin):
            yield rule


def find_event(rule: type[Rule], finding: Finding, run: Testimony) -> Event | None:
    """What happened at the place of `finding`, if `rule` has something to say of it."""
    judge = rule()
    for event in run.events:
        if isinstance(event, rule.on):
            for report in judge.judge(event):
                if is_same_place(report.site, finding):
                    return event
    return None


def is_same_place(site: Site, finding: Finding) -> bool:
    """Whether both begin in the same row and overlap, or one is exactly what the other is in."""
    place = site.token
    if site.filename != finding.filename or not isinstance(place, Range):
        return False
    overlap = place.start < finding.range.end and finding.range.start < place.end
    same_row = place.start.row == finding.range.start.row
    return (overlap and same_row) or place == finding.range or place.start == place.end == finding.range.start


def translated(run: Testimony, *, program: str, filename: str, rows: Mapping[int, int]) -> Testimony:
    """`run` of a program written anew, told in terms of the user's file; what has no row there is dropped."""
    return replace(
        run,
        events=tuple(_translate(event, program, filename, rows) for event in run.events),
        said=tuple(_translate_row(said, program, filename, rows) for said in run.said),
        left=tuple(_translate_row(left, program, filename, rows) for left in run.left),
        called=tuple(_translate_row(called, program, filename, rows) for called in run.called),
        reached={filename: frozenset(rows[row] for row in run.reached.get(program, ()) if row in rows)},
    )


def _translate(value: Any, program: str, filename: str, rows: Mapping[int, int]) -> Any:
    if isinstance(value, Site) and value.filename == program and isinstance(value.token, Range):
        row = rows.get(value.token.start.row, 0)
        token = Range(Position(row, 1), Position(row, _WHOLE_ROW))
        return Site(filename, token, tuple(_translate(call, program, filename, rows) for call in value.calls))
    if isinstance(value, tuple):
        return tuple(_translate(item, program, filename, rows) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        return replace(value, **{name: _translate(item, program, filename, rows) for name, item in parts.items()})
    return value


_InRow = TypeVar("_InRow", Said, Left, Called)


def _translate_row(told: _InRow, program: str, filename: str, rows: Mapping[int, int]) -> _InRow:
    return replace(told, filename=filename, row=rows.get(told.row, 0)) if told.filename == program else told

"""Which event of a real run is the one that a finding speaks of: the same rule reports it at the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from autograd_lint.events import Event, Site
from autograd_lint.evidence import Called, Left, Said, Spoilt, Testimony
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


def translated(run: Testimony, *, program: str, rows: Mapping[int, tuple[str, int]]) -> Testimony:
    """`run` of a program written anew, told in terms of the user's files; what has no row there stays the program's."""
    moved = [rows[row] for row in run.reached.get(program, ()) if row in rows]
    reached = {name: frozenset(row for other, row in moved if other == name) for name, _ in moved}

    def move(filename: str, token: Range) -> tuple[str, Range]:
        if filename != program or token.start.row not in rows:
            return filename, token
        name, row = rows[token.start.row]
        return name, Range(Position(row, 1), Position(row, _WHOLE_ROW))

    return replace(_moved(run, move), reached=reached)


def renamed(run: Testimony, old: str, new: str) -> Testimony:
    """`run` with another name for one of its files."""
    moved = _moved(run, lambda filename, token: (new if filename == old else filename, token))
    return replace(moved, reached={new if name == old else name: rows for name, rows in run.reached.items()})


_Move = Callable[[str, Range], tuple[str, Range]]


def _moved(run: Testimony, move: _Move) -> Testimony:
    return replace(
        run,
        events=tuple(_translate(event, move) for event in run.events),
        said=tuple(_translate_row(said, move) for said in run.said),
        left=tuple(_translate_row(left, move) for left in run.left),
        called=tuple(_translate_row(called, move) for called in run.called),
        spoilt=tuple(_translate_row(spoilt, move) for spoilt in run.spoilt),
    )


def _translate(value: Any, move: _Move) -> Any:
    if isinstance(value, Site) and isinstance(value.token, Range):
        return Site(*move(value.filename, value.token), tuple(_translate(call, move) for call in value.calls))
    if isinstance(value, tuple):
        return tuple(_translate(item, move) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        return replace(value, **{name: _translate(item, move) for name, item in parts.items()})
    return value


_InRow = TypeVar("_InRow", Said, Left, Called, Spoilt)


def _translate_row(told: _InRow, move: _Move) -> _InRow:
    filename, place = move(told.filename, Range(Position(told.row, 1), Position(told.row, 1)))
    return replace(told, filename=filename, row=place.start.row)

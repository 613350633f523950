"""What a real run showed, as rules are told it: torch's own words, the rows that ran, values before and after."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final

from autograd_lint.events import Event, Site
from autograd_lint.finding import Finding, Range

CODE: Final = re.compile(r"`([A-Za-z_][\w.]*(?:\[[\w'\"]+\])?)`")
"""An expression as messages show it: a name, an attribute's path, an element."""
STEPPED_OVER: Final = "raises, and is stepped over"
"""What is told, after its row, of a statement that autograd refuses in a run that goes on without it."""
_QUOTED: Final = 400
"""Characters of a message of torch that are quoted."""
_SHOWN: Final = 4
"""Elements of a tensor that are shown."""


@dataclass(frozen=True, slots=True)
class Said:
    """An exception that passed a row of the user's code, caught or not, or a warning that came of it.

    `passed`: the row has called other code of the user's that raised it.
    """

    kind: str
    text: str
    filename: str
    row: int
    warning: bool = False
    passed: bool = False

    def quote(self) -> str:
        """`RuntimeError: …`, on one line."""
        text = _without_advice(" ".join(self.text.split()))
        return f"{self.kind}: {text[:_QUOTED]}{'…' if len(text) > _QUOTED else ''}"


_ADVICE: Final = re.compile(
    r"(?<=[.;:)]) (?:Hint: |Specify |Saved intermediate values |If you |Use |Please |See |Refer to |For more |"
    r"You should |This is not allowed|In order to |To work around |We recommend |Such functions |"
    r"This check will |Starting in ).*"
)
"""What torch's messages say beside what happened: what to try, and where to read more."""


def _without_advice(text: str) -> str:
    """A message of torch up to its advice: the finding has its own."""
    return _ADVICE.sub("", text).rstrip(" ;,") or text


@dataclass(frozen=True, slots=True)
class Left:
    """Numbers of a graph were taken out of it at `row` by `how`; `leaves` are the identities of those it ends at."""

    how: str
    filename: str
    row: int
    leaves: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Spoilt:
    """The node `node` of the graph, made at `row`, was given a finite gradient and passed on one that is not."""

    node: str
    filename: str
    row: int


@dataclass(frozen=True, slots=True)
class Called:
    """A module with hooks was called at `row`, as `module(…)`; `identity` is its own."""

    filename: str
    row: int
    identity: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What could be seen of a value: of a tensor, its counters and first elements; of a module, what it registered.

    `digest` tells whether all its elements are the same as another time; `gradient` is that of its `.grad`.
    `training`: a module's mode.
    `nodes` and `saved` count the graph behind it and the bytes that graph holds (of an optimizer, the parameters it
    has a state for); `leaves` are the first few that the graph ends at, or that a module or an optimizer holds; of the
    context of a custom Function, what it saves. `identity` tells two objects apart while both are alive, `attributes`
    are what the program has set on a tensor or a module that torch knows nothing of. `probed`: how often a hook ran
    that was hung on a module for the time of the statement; None without one.
    """

    type: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    version: int | None = None
    grad_fn: str = ""
    leaf: bool | None = None
    requires_grad: bool | None = None
    values: tuple[float, ...] = ()
    digest: int | None = None
    finite: bool = True
    gradient: Facts | None = None
    hooks: int = 0
    nodes: int = 0
    saved: int = 0
    count: int = 0
    parameters: tuple[str, ...] | None = None
    leaves: tuple[Facts, ...] = ()
    identity: int = 0
    attributes: tuple[str, ...] = ()
    training: bool | None = None
    probed: int | None = None

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor."""
        return self.shape is not None

    @property
    def shown(self) -> str:
        """The value as a message quotes it."""
        if not self.is_tensor:
            return "None" if self.type == "NoneType" else self.type
        listed = ", ".join(f"{value:.4g}" for value in self.values[:_SHOWN])
        count = 1
        for size in self.shape or ():
            count *= size
        if not self.shape:
            return listed or self.type
        return f"[{listed}{', …' if count > _SHOWN else ''}]"


@dataclass(frozen=True, slots=True)
class Round:
    """One time that the flagged statement ran: what its expressions were before, and after (None: it did not end)."""

    before: Mapping[str, Facts]
    after: Mapping[str, Facts] | None


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one run showed. `ended` tells why it did not run to its end; `invented`, what of it was not the user's;
    `replaced`, which functions of torch the program has exchanged for others, so that its silence is not torch's.

    `rounds` are those of each statement that the run was to look at, by its number; `ends` tells what the leaves (or
    tensors) that were reached there are when all is over.
    """

    how: str
    torch: str
    events: tuple[Event, ...] = ()
    said: tuple[Said, ...] = ()
    reached: Mapping[str, frozenset[int]] = field(default_factory=dict)
    rounds: Mapping[int, tuple[Round, ...]] = field(default_factory=dict)
    ends: Mapping[int, tuple[Facts, ...]] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    called: tuple[Called, ...] = ()
    spoilt: tuple[Spoilt, ...] = ()
    ended: str = ""
    invented: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    def has_reached(self, filename: str, rows: Iterable[int]) -> bool:
        """Whether any of `rows` ran."""
        return not self.reached.get(filename, frozenset()).isdisjoint(rows)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run showed of one finding; `event` is what its rule was told there, if anything.

    `rounds` are those of the flagged statement, `elsewhere` those of the statements of the related places, in their
    order. `ends` are the leaves that the former reached, at the end of the run; for rules that are not about graphs,
    the tensors there. `text` is the source of the finding's place.
    """

    finding: Finding
    run: Testimony
    event: Event | None = None
    rounds: tuple[Round, ...] = ()
    elsewhere: tuple[tuple[Round, ...], ...] = ()
    ends: tuple[Facts, ...] = ()
    text: str = ""

    def changes(self, name: str) -> Iterator[tuple[Facts, Facts]]:
        """What `name` was before and after the flagged statement, for each time that it ran to its end."""
        for each in self.rounds:
            if each.after is not None and name in each.before and name in each.after:
                yield each.before[name], each.after[name]

    def results(self, name: str) -> Iterator[Facts]:
        """What `name` was after the flagged statement, for each time that it ran to its end."""
        return (each.after[name] for each in self.rounds if each.after is not None and name in each.after)

    def later(self, name: str) -> Iterator[Facts]:
        """What `name` was at the related places, before they ran."""
        return (each.before[name] for rounds in self.elsewhere for each in rounds if name in each.before)

    def rounds_at(self, *words: str) -> tuple[Round, ...]:
        """The rounds of the statement at the related place whose message has one of `words`."""
        for related, rounds in zip(self.finding.related, self.elsewhere, strict=False):
            if any(word in related.message for word in words):
                return rounds
        return ()

    def left(self) -> Iterator[Left]:
        """Where numbers left a graph in the flagged rows."""
        rows = rows_of(self.finding.range)
        return (left for left in self.run.left if left.filename == self.finding.filename and left.row in rows)

    def spoilt(self) -> str:
        """The node of the graph, made at a place of the finding, that spoiled a gradient; empty if none did."""
        places = [(name, rows_of(place)) for name, place in self.places()]
        found = (
            each.node for each in self.run.spoilt for name, rows in places if each.filename == name and each.row in rows
        )
        return next(found, "")

    def made(self, name: str) -> Iterator[Facts]:
        """What `name` was after the flagged statement, for each time that it was another object before or nothing."""
        for each in self.rounds:
            if each.after is not None and name in each.after:
                before = each.before.get(name)
                if before is None or before.identity != each.after[name].identity:
                    yield each.after[name]

    def at_related(self, number: int, name: str) -> Iterator[Facts]:
        """What `name` was before the statement of the related place `number` ran."""
        rounds = self.elsewhere[number] if -len(self.elsewhere) <= number < len(self.elsewhere) else ()
        return (each.before[name] for each in rounds if name in each.before)

    def quoted(self) -> tuple[str, ...]:
        """The expressions that the finding's message shows as code."""
        return tuple(name.removesuffix(".grad") for name in CODE.findall(self.finding.message))

    def quoted_name(self, number: int) -> str:
        """One of these expressions; empty where there are not so many."""
        names = self.quoted()
        return names[number] if -len(names) <= number < len(names) else ""

    def places(self) -> Iterator[tuple[str, Range]]:
        """The finding's own place and the related ones."""
        yield self.finding.filename, self.finding.range
        for related in self.finding.related:
            yield related.filename, related.range

    def everywhere(self) -> bool:
        """Whether every place of the finding ran."""
        return all(self.run.has_reached(name, rows_of(place)) for name, place in self.places())

    def said(self) -> Iterator[Said]:
        """What torch said at the places of the finding and of the event."""
        spots = [(name, rows_of(place)) for name, place in self._spots()]
        for name, rows in spots:
            for said in self.run.said:
                if said.filename == name and said.row in rows:
                    yield said

    def quote(self, *words: str) -> str:
        """The first that torch said at a place of the finding with one of `words` in its text; empty if nothing."""
        found = (said.quote() for said in self.said() if not words or any(word in said.text for word in words))
        return next(found, "")

    def quote_here(self, *words: str) -> str:
        """The same, but at the finding's own place only."""
        rows = rows_of(self.finding.range)
        here = (
            said
            for said in self.run.said
            if said.filename == self.finding.filename and said.row in rows and not said.passed
        )
        return next((said.quote() for said in here if any(word in said.text for word in words)), "")

    def _spots(self) -> Iterator[tuple[str, Range]]:
        yield from self.places()
        for event in [] if self.event is None else [self.event]:
            for site in sites_of(event):
                if isinstance(site.token, Range):
                    yield site.filename, site.token


def sites_of(value: object) -> Iterator[Site]:
    """Every place that an event names."""
    if isinstance(value, Site):
        yield value
    if isinstance(value, tuple):
        for item in value:
            yield from sites_of(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from sites_of(getattr(value, part.name))


def rows_of(place: Range) -> range:
    """The rows of a place; of a long one, the first only, since what is inside may run or not."""
    last = place.end.row if place.end.row - place.start.row < _LONG else place.start.row
    return range(place.start.row, last + 1)


_LONG: Final = 12

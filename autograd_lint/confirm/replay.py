"""*replay*: the abstract trace that led to a finding as a minimal torch program, which runs none of the user's code.

The same program is the reproducer that a report shows. It is a witness once it was run and raised what was foretold.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from autograd_lint.confirm.draft import Draft, Line, Row
from autograd_lint.confirm.leaves import Guess
from autograd_lint.confirm.slicing import Untold
from autograd_lint.confirm.traced import Explored, Trace, raises_as
from autograd_lint.finding import Finding
from autograd_lint.source import SourceFile

REPLAY_NAME: Final = "<replay>"
"""The file name under which replays run."""
NO_TRACE: Final = "nothing that torch raises or that a line could assert shows it"
"""Why there is no replay of a finding that no path explored leads to, or that shows in another way."""
_MOST_LINES: Final = 60
_MOST_RUNS: Final = 40
_MOST_TRACES: Final = 3
_LONG: Final = 100


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of a replay ended: what it raised, and in which row; None where it ran to its end."""

    row: int | None = None
    message: str = ""
    type: str = "RuntimeError"


Runner = Callable[[str], Ran]
"""Runs a program with torch."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A torch program that does what the trace did. `rows` maps its rows to those of the user's files.

    `raises_at` is its row at which torch raises, 0 where it does not and an assertion at the end holds. `quote` is what
    torch said when it was run, or the assertion; empty if it was not.
    """

    text: str
    rows: Mapping[int, Row]
    raises_at: int
    quote: str = ""

    @property
    def claim(self) -> str:
        """What is asserted in the last row; empty where torch raises instead."""
        return "" if self.raises_at else self.text.splitlines()[-1].removeprefix("assert ")


@dataclass(frozen=True, slots=True)
class NoReplay:
    """Why there is none."""

    reason: str


def replay_of(source: SourceFile | Explored, finding: Finding, run: Runner | None = None) -> Replay | NoReplay:
    """The program that reproduces `finding`.

    With `run` it is verified: shapes that the trace does not know are searched until it raises what the finding
    foretells, and one that never does is not given. Without, it is the likeliest form. A file with several findings is
    better `Explored` first.
    """
    reason = NO_TRACE
    explored = source if isinstance(source, Explored) else Explored(source)
    for trace in explored.traces(finding)[:_MOST_TRACES]:
        try:
            draft = Draft(trace)
            if len(draft.lines) > _MOST_LINES:
                raise Untold(f"it takes {len(draft.lines)} statements")
        except Untold as error:
            reason = str(error)
            continue
        form = _Form(draft, finding)
        found = form.first() if run is None else form.search(run)
        if found is not None:
            return found
        reason = f"run under torch it does not raise that: {form.last.message or 'it ran to its end'}"
    return NoReplay(reason)


@dataclass(slots=True)
class _Form:
    """A draft on its way to a program: the tensors given from outside are being decided."""

    draft: Draft
    finding: Finding
    last: Ran = Ran()

    def first(self) -> Replay:
        """With the first guess of every tensor."""
        return self._text([leaf.guesses[0] for leaf in self.draft.leaves], requires_grad=False)

    def search(self, run: Runner) -> Replay | None:
        """The first form that raises what it should; what gets further than others is varied further."""
        chosen = [0] * len(self.draft.leaves)
        best, left = -1, _MOST_RUNS
        waiting = [chosen]
        seen: set[tuple[int, ...]] = set()
        while waiting and left > 0:
            chosen = waiting.pop(0)
            if tuple(chosen) in seen:
                continue
            seen.add(tuple(chosen))
            guesses = [leaf.guesses[n] for leaf, n in zip(self.draft.leaves, chosen, strict=True)]
            reached = -1
            for requires_grad in (False, True) if self.draft.leaves else (False,):
                left -= 1
                replay = self._text(guesses, requires_grad=requires_grad)
                self.last = run(replay.text)
                if self._is_it(replay):
                    return _quoting(replay, self.last)
                reached = max(reached, self.last.row or replay.text.count("\n"))
            if reached > best:
                best, waiting = reached, list(self._neighbours(chosen, replay.text.splitlines()[reached - 1]))
        return None

    def _is_it(self, replay: Replay) -> bool:
        if self.draft.trace.claim is not None:
            return self.last == Ran()
        return self.last.row == replay.raises_at and raises_as(self.draft.trace.event, self.last.message)

    def _neighbours(self, chosen: Sequence[int], failed: str) -> Iterator[list[int]]:
        """The choices that differ in one tensor; those first that occur in the line that failed."""
        leaves = list(enumerate(self.draft.leaves))
        for at, leaf in sorted(leaves, key=lambda pair: not re.search(rf"\b{pair[1].name}\b", failed)):
            for other in range(len(leaf.guesses)):
                if other != chosen[at]:
                    yield [*chosen[:at], other, *chosen[at + 1 :]]

    def _text(self, guesses: Sequence[Guess], *, requires_grad: bool) -> Replay:
        given = [
            Line(f"{leaf.name} = {guess.text(requires_grad=requires_grad)}")
            for leaf, guess in zip(self.draft.leaves, guesses, strict=True)
        ]
        return _assemble([*given, *self.draft.lines], self.draft.trace, self.finding)


def _assemble(lines: Sequence[Line], trace: Trace, finding: Finding) -> Replay:
    name = os.path.basename(finding.filename)
    body = "\n".join(line.source for line in lines)
    said = f"{name}:{finding.range.start.row}: {finding.code} {' '.join(finding.message.split())}"
    out = [*_comment(said), *_imports(body), ""]
    rows: dict[int, Row] = {}
    mode = ""
    for line in lines:
        if line.mode != mode:
            mode = line.mode
            if mode:
                out.append(f"with {mode}:")
        told = line.place and line.row is not None
        comment = f"  # line {line.row[1]} of {os.path.basename(line.row[0])}" if told and line.row is not None else ""
        out.append(f"{'    ' if mode else ''}{line.source}{comment}")
        if line.row is not None:
            rows[len(out)] = line.row
    return Replay("\n".join(out) + "\n", rows, raises_at=len(out) if trace.claim is None else 0)


def _quoting(replay: Replay, ran: Ran) -> Replay:
    """A replay that was run, and ends with what torch said."""
    if not replay.raises_at:
        return replace(replay, quote=replay.claim)
    quote = f"{ran.type}: {ran.message.partition(chr(10))[0]}"
    said = "".join(f"{line}\n" for line in _comment(quote))
    return replace(replay, text=replay.text + said, quote=quote)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _LONG, break_long_words=False)]


def _imports(body: str) -> list[str]:
    found = ["import math"] if re.search(r"\bmath\.", body) else []
    found.append("import torch")
    if re.search(r"(?<![\w.])F\.", body):
        found.append("import torch.nn.functional as F")
    if re.search(r"(?<![\w.])nn\.", body):
        found.append("from torch import nn")
    return found

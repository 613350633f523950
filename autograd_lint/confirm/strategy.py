"""The contract of a way to reach findings: which programs to run for them, cheapest way first."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autograd_lint.dynamic.snippets.jobs import Job
from autograd_lint.finding import Finding
from autograd_lint.source import SourceFile


class Nearness(enum.IntEnum):
    """How near an inconclusive run came to a finding: the reason of the nearest one is told."""

    NOT_RUN = 0
    NOT_REACHED = 1
    CUT_SHORT = 2
    PARTLY_REACHED = 3
    INTERRUPTED = 4
    REACHED = 5
    DECIDED = 6


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run and the findings that it is made for, each with the numbers of the statements to look at for it.

    `rows` maps the rows of a program that is not the user's file to those of his files; None where it is the file.
    `claim` is what such a program asserts in its last row, which holds because of the fault; empty if nothing.
    """

    job: Job
    findings: Mapping[Finding, tuple[int, ...]]
    rows: Mapping[int, tuple[str, int]] | None = None
    claim: str = ""


@dataclass(frozen=True, slots=True)
class NotMade:
    """A finding for which this way has no program, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all runs have in common: how long each may take, in seconds, and whether reads by index are told of."""

    seconds: float
    index_reads: bool = False


class Strategy(Protocol):
    """One way to reach findings. `name` is what `how` says in the verdict."""

    @property
    def name(self) -> str:
        """`program`, `slice` or `replay`."""

    @property
    def most(self) -> Nearness:
        """It is of use for findings to which no earlier run came nearer than this."""

    def attempts(self, source: SourceFile, findings: Sequence[Finding], bounds: Bounds) -> Iterable[Attempt | NotMade]:
        """The runs that may reach `findings`, which are all in `source`; none where this way is no use."""

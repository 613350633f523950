"""What a run reports: findings, their places, and fixes, in rows and columns that count from 1."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Severity(enum.IntEnum):
    """How bad a finding is; ordered, so that levels compare."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        """The name users write and read: `info`, `warning`, `error`."""
        return self.name.lower()


class Applicability(enum.Enum):
    """Whether a fix may be applied unasked."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY_ONLY = "displayonly"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: row and column from 1, columns in Unicode code points."""

    row: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """From `start` to `end`; `end` is one past the last character."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Related:
    """Another place of a finding and what happened there."""

    message: str
    filename: str
    range: Range
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `range` by `content`."""

    content: str
    range: Range


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that removes the finding."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


class SuppressionKind(enum.Enum):
    """Why a finding is hidden."""

    IN_SOURCE = "inSource"
    BASELINE = "baseline"


class Verdict(enum.Enum):
    """What a run says of a finding."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict on a finding. `evidence` quotes what torch showed; of an inconclusive one it is the reason.

    `how` is the kind of run that decided: `program`, `slice`, `replay`; empty where nothing could be run.
    """

    verdict: Verdict
    how: str
    evidence: str
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged fault, with every place that explains it.

    `runtime_only`: a run has shown it, at a place where `check` says nothing.
    """

    code: str
    name: str
    severity: Severity
    message: str
    filename: str
    range: Range
    related: tuple[Related, ...] = ()
    help: str = ""
    fix: Fix | None = None
    fingerprint: str = ""
    noqa_row: int = 0
    cell: int | None = None
    suppressed: SuppressionKind | None = None
    url: str = ""
    confirmation: Confirmation | None = None
    runtime_only: bool = False

    @property
    def refuted(self) -> bool:
        """Whether a run showed the opposite."""
        return self.confirmation is not None and self.confirmation.verdict is Verdict.REFUTED

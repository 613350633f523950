"""What one measured call showed, before many cases become rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograd_lint.facts.model import Alias, When


@dataclass(frozen=True, slots=True)
class SeenOutput:
    """One output of one call. `shapes` and `dtypes` are all descriptions that fit it (see `model.Output`)."""

    alias: Alias
    of: str
    differentiable: bool
    multi_view: bool
    shapes: frozenset[str]
    dtypes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refusals:
    """What torch refused of the memory of a call's operands, by label; None: tried, but something else was wrong.

    `expanded`: a written operand whose elements share memory; `partly` and `exactly`: an operand read that shares some
    or all of its elements with one that is written.
    """

    expanded: dict[str, bool | None]
    partly: dict[str, bool | None]
    exactly: dict[str, bool | None]


@dataclass(frozen=True, slots=True)
class Case:
    """One call: the kinds of its arguments, and what it did.

    `operands` are the labels of its tensor arguments; `saved` maps a label to when it is saved, and `doubtful` are
    labels whose saving does not hang on who requires grad alone. `frees` and `higher` are None when that never happens
    (see `model.Effect`); `spread`, `ignored` and `exchanged` are labels. `integers` are dtypes that come of
    integers.
    """

    kinds: Mapping[str, str]
    operands: frozenset[str]
    outputs: tuple[SeenOutput, ...]
    container: str
    saved: Mapping[str, When] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    frees: When | None = ()
    higher: When | None = ()
    spread: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    derivative: bool = True
    exchanged: frozenset[str] = frozenset()
    integers: frozenset[str] = frozenset()
    refusals: Refusals = field(default_factory=lambda: Refusals({}, {}, {}))

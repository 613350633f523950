"""Finds which arguments decide something: the fewest and coarsest looks under which no two calls contradict."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from autograd_lint.facts.kinds import ABSENT, Look, look

Feature: TypeAlias = tuple[str, Look]
"""A parameter, and how closely its kind is looked at."""

_MOST_FEATURES: Final = 5
_COMPARED: Final = 6
"""A call is compared with so many of its row; agreement is nearly transitive."""


class Search:
    """Calls told apart by the kinds of their arguments; `agree` says whether two may share a row.

    A feature is named by its number among the `candidates`, which are those that tell some calls apart.
    """

    def __init__(
        self, kinds: Sequence[Mapping[str, str]], defaults: Mapping[str, str], agree: Callable[[int, int], bool]
    ) -> None:
        self._count = len(kinds)
        self._agree = agree
        self._agreements: dict[tuple[int, int], bool] = {}
        names = list(dict.fromkeys(name for call in kinds for name in call))
        features = [(name, closeness) for closeness in Look for name in names]
        columns = {
            (name, closeness): [
                look(call.get(name) or defaults.get(name, ABSENT), closeness) or ABSENT for call in kinds
            ]
            for name, closeness in features
        }
        self.candidates: list[Feature] = [f for f in features if len(set(columns[f])) > 1]
        self._columns = [columns[f] for f in self.candidates]

    def named(self, features: Sequence[int]) -> tuple[Feature, ...]:
        """The features themselves."""
        return tuple(self.candidates[i] for i in features)

    def grouped(self, features: Sequence[int]) -> dict[tuple[str, ...], list[int]]:
        """The calls by what the features show."""
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        columns = [self._columns[feature] for feature in features]
        for i in range(self._count):
            groups[tuple(column[i] for column in columns)].append(i)
        return groups

    def deciding(self) -> tuple[int, ...]:
        """The fewest features without contradiction, or, when there are none, the best found one by one."""
        best: tuple[int, ...] = ()
        fewest = self._contradictions((), self._count + 1)
        numbers = range(len(self.candidates))
        for size in range(1, _MOST_FEATURES + 1):
            if not fewest:
                return best
            chosen = best
            for features in itertools.combinations(numbers, size) if size < 3 else ((*best, i) for i in numbers):
                count = self._contradictions(features, fewest)
                if count < fewest:
                    chosen, fewest = features, count
                    if not fewest:
                        return chosen
            best = chosen
        return best

    def _contradictions(self, features: Sequence[int], stop: int) -> int:
        """How many calls contradict an earlier one that shows the same features; counted up to `stop`."""
        count = 0
        for group in self.grouped(features).values():
            kept: list[int] = []
            for i in group:
                if all(self._agreed(i, other) for other in kept[:_COMPARED]):
                    kept.append(i)
                else:
                    count += 1
                    if count >= stop:
                        return count
        return count

    def _agreed(self, i: int, j: int) -> bool:
        known = self._agreements.get((i, j))
        if known is None:
            known = self._agreements[i, j] = self._agree(i, j)
        return known

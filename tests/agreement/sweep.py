"""Generates, runs and compares many programs, in several processes."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import torch

from autograd_lint.finding import Finding
from tests.agreement.compare import Comparison, Disagreement, Fault, compare, static_findings
from tests.agreement.generate import generate
from tests.agreement.oracle import OracleError, run_program
from tests.agreement.outcome import Kind
from tests.agreement.shrink import shrink

Linter: TypeAlias = Callable[[str], Sequence[Finding]]
_CHUNK: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One program of a sweep and what came of it. `text` is kept only where there is something to show."""

    kind: str
    seed: int
    number: int
    comparison: Comparison
    text: str = ""

    @property
    def name(self) -> str:
        """What makes the program again."""
        return f"{self.kind}-{self.seed}-{self.number}"


@dataclass(slots=True)
class Tally:
    """The figures of one class of programs."""

    programs: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    disagreeing: int = 0
    faults: Counter[tuple[Fault, str, str]] = field(default_factory=Counter)
    warned: int = 0
    silent_found: int = 0
    silent_missed: int = 0
    without_rule: int = 0
    unjudged: Counter[str] = field(default_factory=Counter)

    @property
    def judged(self) -> int:
        """The programs that ran under torch as far as autograd goes."""
        return self.programs - self.kinds[Kind.OTHER]

    @property
    def agreement(self) -> float:
        """The share of the judged programs on which linter and torch agree."""
        return 1.0 - self.disagreeing / self.judged if self.judged else 1.0

    def add(self, comparison: Comparison) -> None:
        """Count one program."""
        self.programs += 1
        self.kinds[comparison.kind] += 1
        self.disagreeing += bool(comparison.disagreements)
        for each in comparison.disagreements:
            self.faults[each.key] += 1
            self.warned += each.warned
        self.silent_found += comparison.silent_found is True
        self.silent_missed += comparison.silent_found is False
        self.without_rule += not comparison.has_rule
        self.unjudged.update(comparison.unjudged)


def check_text(text: str, linter: Linter = static_findings) -> Comparison:
    """Run one program under torch and compare it with what `linter` says."""
    try:
        outcome = run_program(text)
    except OracleError:
        return Comparison(Kind.OTHER)
    return compare(text, outcome, linter(text))


def check_case(kind: str, seed: int, number: int, linter: Linter = static_findings) -> Case:
    """Generate and compare one program."""
    text = generate(kind, seed=seed, number=number)
    comparison = check_text(text, linter)
    keep = bool(comparison.disagreements) or comparison.silent_found is False
    return Case(kind, seed, number, comparison, text if keep else "")


def sweep(kind: str, *, seed: int, count: int, jobs: int = 1, linter: Linter = static_findings) -> Iterator[Case]:
    """Compare `count` programs of a class, in order."""
    torch.set_num_threads(1)
    if jobs == 1:
        yield from (check_case(kind, seed, number, linter) for number in range(count))
        return
    # Spawned, not forked: a fork of a process that has computed with torch may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, torch.set_num_threads, (1,)) as pool:
        tasks = ((kind, seed, number, linter) for number in range(count))
        yield from pool.map(_check, tasks, chunksize=_CHUNK)


def _check(task: tuple[str, int, int, Linter]) -> Case:
    return check_case(*task)


def shrunk(text: str, wanted: Disagreement, linter: Linter = static_findings) -> str:
    """A smaller program that shows the same disagreement: same rule, same kind of outcome under torch."""

    def shows_it(smaller: str) -> bool:
        return any(each.key == wanted.key for each in check_text(smaller, linter).disagreements)

    return shrink(text, shows_it)

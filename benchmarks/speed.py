"""How long a whole check takes beside LibCST's parsing alone: one process, no cache, the same files, the same run.

Both are measured in turns, in seconds of processor time, after everything is imported. Then one more round tells where
the time goes, and which files take most of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libcst
from trees import python_files, tell_goal, usual_trees

from autograd_lint import engine
from autograd_lint.runner import check_file
from autograd_lint.selectors import Layer
from autograd_lint.settings import Options, Settings, resolve_settings
from autograd_lint.source import has_torch_sign, read_source
from autograd_lint.static import explore, lower, parse

GOAL = 2.0
clock = time.process_time


def main() -> None:
    """Measure, print, and exit with 1 when the goal is missed."""
    arguments = _arguments()
    files = python_files(arguments.paths or usual_trees())
    settings = resolve_settings([str(path) for path in files], Options(rules=Layer(), isolated=True))
    texts = {path: read_source(str(path)).text for path in files}
    unread = sum(not has_torch_sign(text) for text in texts.values())
    lines = sum(text.count("\n") for text in texts.values())
    print(f"{len(files)} files, {lines} lines; {unread} without a sign of torch, which are not parsed")

    parsing: list[dict[Path, float]] = []
    checking: list[dict[Path, float]] = []
    _check_all(files[:3], settings)  # everything is imported now
    for _ in range(arguments.rounds):
        parsing.append({path: _timed(libcst.parse_module, text) for path, text in texts.items()})
        checking.append(_check_all(files, settings))
    parse_seconds = statistics.median(sum(times.values()) for times in parsing)
    check_seconds = statistics.median(sum(times.values()) for times in checking)
    print(f"libcst.parse_module alone: {parse_seconds:.2f} s; whole check: {check_seconds:.2f} s")
    ratio = statistics.median(
        sum(check.values()) / sum(parse.values()) for check, parse in zip(checking, parsing, strict=True)
    )
    met = tell_goal("whole check / parsing alone", ratio, GOAL, " x")
    _tell_shares(files, settings)
    _tell_slowest(files, parsing, checking, arguments.slowest)
    sys.exit(0 if met else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; torch/nn and torch/optim if none")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default: 5)")
    parser.add_argument("--slowest", type=int, default=10, help="how many files to list (default: 10)")
    return parser.parse_args()


def _check_all(files: list[Path], settings: Settings) -> dict[Path, float]:
    return {path: _timed(check_file, str(path), settings) for path in files}


def _timed(work: Callable[..., object], *arguments: object) -> float:
    started = clock()
    work(*arguments)
    return clock() - started


def _tell_shares(files: list[Path], settings: Settings) -> None:
    """One more round, with a clock around each stage of the engine."""
    spent: dict[str, float] = defaultdict(float)
    _clock_stage(parse, "parse", spent, "parse")
    _clock_stage(lower, "lower_module", spent, "lower")
    _clock_stage(engine.Verdicts, "add", spent, "judge")
    _clock_stage(engine.Verdicts, "findings", spent, "positions")
    _clock_steps(explore, "explore", spent, "interpret")
    total = sum(_check_all(files, settings).values())
    spent["rest"] = total - sum(spent.values())
    print("shares: " + ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in spent.items()))


def _clock_stage(holder: Any, name: str, spent: dict[str, float], stage: str) -> None:
    work = getattr(holder, name)

    def clocked(*arguments: object) -> object:
        started = clock()
        try:
            return work(*arguments)
        finally:
            spent[stage] += clock() - started

    setattr(holder, name, clocked)


def _clock_steps(holder: Any, name: str, spent: dict[str, float], stage: str) -> None:
    """The same for a generator, whose consumer works between its steps."""
    work = getattr(holder, name)

    def clocked(*arguments: object) -> Iterator[object]:
        started = clock()
        for item in work(*arguments):
            spent[stage] += clock() - started
            yield item
            started = clock()
        spent[stage] += clock() - started

    setattr(holder, name, clocked)


def _tell_slowest(
    files: list[Path], parsing: list[dict[Path, float]], checking: list[dict[Path, float]], number: int
) -> None:
    def middle(rounds: list[dict[Path, float]], path: Path) -> float:
        return statistics.median(times[path] for times in rounds)

    slowest = sorted(files, key=lambda path: -middle(checking, path))[:number]
    print(f"{'check':>8} {'parse':>8}  the slowest files")
    for path in slowest:
        print(f"{middle(checking, path):7.3f}s {middle(parsing, path):7.3f}s  {path}")


if __name__ == "__main__":
    main()

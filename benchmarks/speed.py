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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst
from trees import python_files, tell_goal, usual_trees

from autograd_lint import engine
from autograd_lint.runner import run
from autograd_lint.selectors import Layer
from autograd_lint.settings import Options, resolve_settings
from autograd_lint.source import has_torch_sign, read_source
from autograd_lint.static.interpret import explore
from autograd_lint.static.syntax import lower, parse

GOAL = 2.0
FILES_A_TURN = 16
clock = time.process_time


def main() -> None:
    """Measure, print, and exit with 1 when the goal is missed."""
    arguments = _arguments()
    files = python_files(arguments.paths or usual_trees())
    texts = {path: read_source(str(path)).text for path in files}
    unread = sum(not has_torch_sign(text) for text in texts.values())
    lines = sum(text.count("\n") for text in texts.values())
    print(f"{len(files)} files, {lines} lines; {unread} without a sign of torch, which are not parsed")

    _check(files[:3])  # everything is imported now
    rounds = [_measure(texts) for _ in range(arguments.rounds)]
    parse_seconds, check_seconds = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    print(f"libcst.parse_module alone: {parse_seconds:.2f} s; whole check: {check_seconds:.2f} s")
    ratio = statistics.median(check / parse for parse, check in rounds)
    met = tell_goal("whole check / parsing alone", ratio, GOAL, " x")
    _tell_shares(files)
    _tell_slowest(texts, arguments.slowest)
    sys.exit(0 if met else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; torch/nn and torch/optim if none")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default: 5)")
    parser.add_argument("--slowest", type=int, default=10, help="how many files to list (default: 10)")
    return parser.parse_args()


def _measure(texts: dict[Path, str]) -> tuple[float, float]:
    """Seconds of parsing alone and of the whole check, in turns of a few files so that both meet the same machine."""
    parse_seconds = check_seconds = 0.0
    paths = list(texts)
    for start in range(0, len(paths), FILES_A_TURN):
        turn = paths[start : start + FILES_A_TURN]
        started = clock()
        for path in turn:
            libcst.parse_module(texts[path])
        parse_seconds += clock() - started
        check_seconds += _check(turn)
    return parse_seconds, check_seconds


def _check(files: list[Path]) -> float:
    """Seconds of a run over `files`."""
    names = [str(path) for path in files]
    settings = resolve_settings(names, Options(rules=Layer(), isolated=True, jobs=1))
    started = clock()
    run(names, settings)
    return clock() - started


def _tell_shares(files: list[Path]) -> None:
    """One more round, with a clock around each stage of the engine."""
    spent: dict[str, float] = defaultdict(float)
    _clock_stage(parse, "parse", spent, "parse")
    _clock_stage(lower, "lower_module", spent, "lower")
    _clock_stage(engine.Verdicts, "add", spent, "judge")
    _clock_stage(engine, "_with_fixes", spent, "positions and fixes")
    _clock_steps(explore, "explore", spent, "interpret")
    total = _check(files)
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


def _tell_slowest(texts: dict[Path, str], number: int) -> None:
    seconds = {path: _check([path]) for path in texts}
    print(f"{'check':>8} {'parse':>8}  the slowest files")
    for path in sorted(seconds, key=lambda path: -seconds[path])[:number]:
        started = clock()
        libcst.parse_module(texts[path])
        print(f"{seconds[path]:7.3f}s {clock() - started:7.3f}s  {path}")


if __name__ == "__main__":
    main()

"""Whether what is executed is a test of the project: a function that pytest or unittest collects, and nobody calls."""

from __future__ import annotations

from pathlib import PurePath

from autograd_lint.static.interpret.state import Run
from autograd_lint.static.syntax import ir


def in_test(run: Run) -> bool:
    """The program is a function or method `test…` of a file of tests, for which there is no caller.

    A script that is only named so, as one that evaluates a network, calls its functions itself.
    """
    entered = run.frames[1].function if run.machine.alone and len(run.frames) > 1 else None
    node = entered.node if entered is not None else None
    return isinstance(node, ir.FunctionDef) and node.name.startswith("test") and _is_file_of_tests(run.home)


def _is_file_of_tests(filename: str) -> bool:
    path = PurePath(filename)
    return path.stem.startswith("test_") or path.stem.endswith("_test") or "tests" in path.parts

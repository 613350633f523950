"""Whether what is executed is a test of the project: a function that pytest or unittest collects, and nobody calls."""

from __future__ import annotations

from pathlib import PurePath

from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Function
from autograd_lint.static.syntax import ir


def in_test(run: Run) -> bool:
    """The program is a function or method `test…` of a file of tests, for which there is no caller, or a method of a
    class that has such methods.

    A script that is only named so, as one that evaluates a network, calls its functions itself.
    """
    entered = run.frames[1].function if run.machine.alone and len(run.frames) > 1 else None
    return entered is not None and _is_of_a_test(entered) and _is_file_of_tests(run.home)


def _is_of_a_test(function: Function) -> bool:
    names = (function.node.name,) if isinstance(function.node, ir.FunctionDef) else ()
    methods = function.owner.attrs if function.owner is not None else ()
    return any(name.startswith("test") for name in (*names, *methods))


def _is_file_of_tests(filename: str) -> bool:
    path = PurePath(filename)
    return path.stem.startswith("test_") or path.stem.endswith("_test") or "tests" in path.parts

"""Runs a script or module in this process as Python itself would: its arguments, its path, its `__main__`."""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Final

from autograd_lint.dynamic.forward_warnings import NAME
from autograd_lint.errors import AutogradLintError

_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_FAILED: Final = 1
_INTERRUPTED: Final = 130


class RunError(AutogradLintError):
    """The program cannot be found, read or compiled."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `path` is the file it comes from; `compile` makes its code, or raises SyntaxError as Python does."""

    compile: Callable[[], CodeType]
    path: str
    spec: importlib.machinery.ModuleSpec | None = None

    @property
    def package(self) -> str | None:
        """What relative imports are relative to."""
        return self.spec.parent if self.spec is not None else None


def find_script(path: str) -> Program:
    """The script at `path`, or the `__main__.py` of the folder there."""
    if os.path.isdir(path):
        path = os.path.join(path, "__main__.py")
    if path.endswith(".ipynb"):
        raise RunError(f"{path} is a notebook: convert it to a script to run it")
    full = os.path.abspath(path)
    try:
        with open(full, "rb") as stream:
            source = stream.read()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    return Program(lambda: compile(source, full, "exec", dont_inherit=True), full)


def find_module(name: str) -> Program:
    """The module `name`, or the `__main__` of the package of that name."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise RunError(f"cannot import {name}: {error}") from error
    if spec is None and importlib.util.find_spec(name) is not None:
        raise RunError(f"no module named {name}.__main__: {name} is a package that cannot be run itself")
    loader = spec.loader if spec is not None else None
    if spec is None or not isinstance(loader, InspectLoader):
        raise RunError(f"no module named {name!r}, or it has no code to run")
    return Program(partial(_code_of, loader, spec.name), spec.origin or name, spec)


def _code_of(loader: InspectLoader, name: str) -> CodeType:
    code = loader.get_code(name)
    if code is None:
        raise RunError(f"{name} has no code to run")
    return code


def prepare(target: str, arguments: Sequence[str], *, as_module: bool) -> None:
    """Set `sys.argv` and `sys.path` as they are when Python runs `target`; before anything of it is imported."""
    folder = os.getcwd() if as_module else _folder_of(target)
    if getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, folder)
    else:
        sys.path[0] = folder
    sys.argv = [target, *arguments]


def _folder_of(target: str) -> str:
    full = os.path.realpath(target)
    return full if os.path.isdir(full) else os.path.dirname(full)


def execute(program: Program, around: Callable[[Callable[[], None]], None]) -> int:
    """Run `program` to its end, through `around`, which is given it as a call; the exit status it would have had."""
    main = ModuleType("__main__")
    main.__dict__.update(
        __file__=program.path, __builtins__=builtins, __spec__=program.spec, __package__=program.package
    )
    if program.spec is not None:
        main.__loader__ = program.spec.loader
    sys.modules["__main__"] = main
    try:
        around(lambda: _run(program, main))
    except SystemExit as end:
        return _status(end)
    except KeyboardInterrupt as error:
        _show(error)
        return _INTERRUPTED
    except BaseException as error:  # as Python itself does with what a program lets through
        _show(error)
        return _FAILED
    return 0


def _run(program: Program, main: ModuleType) -> None:
    exec(program.compile(), main.__dict__)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _status(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)
    return _FAILED


def _show(error: BaseException) -> None:
    """Hand an exception to the program's own `sys.excepthook`, without the frames of this tool."""
    without_our_frames(error)
    sys.excepthook(type(error), error, error.__traceback__)


def without_our_frames(error: BaseException) -> None:
    """Take this tool's frames out of the tracebacks of an exception and of those that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            current.__traceback__ = _cut(current.__traceback__)
            waiting += [current.__cause__, current.__context__]


def _cut(traceback: TracebackType | None) -> TracebackType | None:
    kept = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OURS) and code.co_name != NAME:
            kept.append(traceback)
        traceback = traceback.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result

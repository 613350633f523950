"""A program inside the sandbox: runs as `__main__` runs, once, with a hook around it."""

from __future__ import annotations

import builtins
import importlib
import linecache
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Final

from autograd_lint.dynamic.sandbox.limits import allow_report
from autograd_lint.dynamic.snippets.failures import describe
from autograd_lint.dynamic.snippets.jobs import Failure, Job

_PACKAGE: Final = "autograd_lint.dynamic."
_set_trace: Final = sys.settrace  # hooks may keep it from programs


class Program:
    """A program that a hook may run: what was asked for, and after `run` how it went."""

    def __init__(self, job: Job) -> None:
        self.text: Final = job.text
        self.filename: Final = job.filename
        self.argv: Final = job.argv
        self.options: Final[Mapping[str, Any]] = job.options
        self.module: Final = types.ModuleType("__main__")
        self.error: BaseException | None = None

    @property
    def failure(self) -> Failure | None:
        """The exception that ended the program, as data."""
        return describe(self.error) if self.error is not None else None

    def run(self) -> BaseException | None:
        """Run to the end; the exception that ended it, if one did, is returned and never raised."""
        self._become_main()
        # What is needed afterwards, from before: the program may replace anything.
        set_trace, trace, set_profile, profile = _set_trace, sys.gettrace(), sys.setprofile, sys.getprofile()
        allow = allow_report
        try:
            code = compile(self.text, self.filename, "exec", dont_inherit=True)
            exec(code, self.module.__dict__)
        except BaseException as error:  # whatever ends the program is what is asked for
            self.error = error
        finally:
            set_trace(trace)
            set_profile(profile)
            allow()
        return self.error

    def _become_main(self) -> None:
        self.module.__dict__.update(__file__=self.filename, __builtins__=builtins)
        sys.modules["__main__"] = self.module
        sys.argv = [self.filename, *self.argv]
        # What inspects its own source finds this text, which need not be on disk.
        lines = self.text.splitlines(keepends=True)
        linecache.cache[self.filename] = (len(self.text), None, lines, self.filename)


Hook = Callable[[Program], object]
"""Runs a program and returns what it saw, in terms of JSON."""


def find_hook(name: str) -> Hook:
    """The function of the dotted `name`, in `autograd_lint.dynamic` only."""
    module, _, function = name.rpartition(".")
    if not name.startswith(_PACKAGE):
        raise ValueError(f"a hook is a function in {_PACKAGE[:-1]}, not `{name}`")
    hook = getattr(importlib.import_module(module), function)
    if not callable(hook):
        raise TypeError(f"`{name}` is no function")
    return hook  # type: ignore[no-any-return] # what it returns is judged when it has


def run_plain(program: Program) -> None:
    """The hook that only runs the program."""
    program.run()

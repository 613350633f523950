"""What the commands that execute programs share: one pool, begun before the files are checked, and one exploration."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

from autograd_lint.confirm.explorations import Explorations
from autograd_lint.confirm.interpreter import find_python, loaded
from autograd_lint.confirm.sources import Sources
from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.dynamic.snippets.warm import Interpreter
from autograd_lint.settings import Settings
from autograd_lint.source import SourceFile

_PRELOAD: Final = ("torch", "autograd_lint.dynamic.testify", "autograd_lint.dynamic.slices.hook")


class Session:
    """Starts the interpreter that has torch at once; ConfirmError if there is none. A context manager, as the pool is.

    `keep`: what is explored for the confirmation will be asked for again.
    """

    def __init__(self, settings: Settings, *, keep: bool = False) -> None:
        confirm = settings.confirm
        self.python: Final = find_python(confirm.python, settings.root)
        self.limits: Final = Limits(seconds=confirm.timeout, memory=confirm.memory)
        jobs = confirm.jobs or settings.jobs or _processors()
        self.pool: Final = Pool(Setup(python=self.python, jobs=jobs, limits=self.limits, preload=_PRELOAD))
        self._keep = keep
        self.use(None)

    def use(self, stdin: SourceFile | None) -> None:
        """The check is done; `stdin` is what standard input held."""
        self.sources = Sources(stdin)
        self.explorations = Explorations(self.sources, keep=self._keep)

    def interpreter(self) -> Interpreter:
        """The interpreter, when it has loaded torch. ConfirmError, with what can be done, where it cannot."""
        return loaded(self.pool)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.close()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

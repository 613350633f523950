"""The border between the observer and the program it watches: what fails on our side never reaches the other."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from autograd_lint.dynamic.records import Records

Result = TypeVar("Result")


class _Watching(Protocol):
    @property
    def records(self) -> Records: ...


def guarded(method: Callable[..., Result]) -> Callable[..., Result | None]:
    """A method that gives None when it fails, and notes the failure. Its object has `_watch` or `records`."""

    @functools.wraps(method)
    def safely(self: Any, *args: Any, **kwargs: Any) -> Result | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # the watched program must go on as if nobody watched
            watching: _Watching = getattr(self, "_watch", self)
            watching.records.crashes[_describe(error)] = None
            return None

    return safely


def _describe(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:200]}"

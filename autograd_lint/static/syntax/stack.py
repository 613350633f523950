"""Room for deep trees: repeats on a large stack what found the usual recursion limit too low."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

STACK_BYTES: Final = 512 * 1024 * 1024
RECURSION_LIMIT: Final = 200_000

_guard = threading.Lock()
_here = threading.local()


def with_room(work: Callable[[], T]) -> T:
    """What `work` returns; when it runs out of recursion it is called once more, with far more room.

    So `work` must be repeatable. Ordinary input pays nothing: no thread, no changed limit.
    """
    try:
        return work()
    except RecursionError:
        return on_large_stack(work)


def on_large_stack(work: Callable[[], T]) -> T:
    """Run `work` in a thread whose stack and recursion limit fit trees thousands of levels deep.

    Both settings belong to the process, so that one caller at a time changes them; they are put back afterwards.
    """
    if getattr(_here, "is_large", False):
        return work()
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        _here.is_large = True
        try:
            results.append(work())
        except BaseException as failure:  # raised again in the thread of the caller
            failures.append(failure)

    with _guard:
        _run_with_settings(threading.Thread(target=run, name="autograd-lint-deep"))
    if failures:
        raise failures[0]
    return results[0]


def _run_with_settings(thread: threading.Thread) -> None:
    limit = sys.getrecursionlimit()
    size = threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)

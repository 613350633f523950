"""Work in several processes: one that dies costs the item it had, and none outlives the command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

T = TypeVar("T")
Work = Callable[[str], T]


def in_processes(work: Work[T], items: Sequence[str], *, jobs: int) -> Iterator[tuple[str, T | None]]:
    """Each item with what `work` returns for it, as it comes; None where the process died of the item.

    When a process dies, what was in flight is tried again, each item in a process of its own.
    """
    waiting = deque(items)
    while waiting:
        in_flight: dict[Future[T], str] = {}
        with _pool(jobs) as pool:
            try:
                yield from _drain(pool, work, waiting, in_flight, width=2 * jobs)
            except BaseException:
                _stop(pool)
                raise
        for item in in_flight.values():
            yield item, _alone(work, item)


def _drain(
    pool: ProcessPoolExecutor, work: Work[T], waiting: deque[str], in_flight: dict[Future[T], str], *, width: int
) -> Iterator[tuple[str, T]]:
    """Do what is `waiting`, few items at a time; when a process dies, stop and leave the suspects `in_flight`."""
    while waiting or in_flight:
        while waiting and len(in_flight) < width:
            try:
                future = pool.submit(work, waiting[0])
            except BrokenProcessPool:
                return
            in_flight[future] = waiting.popleft()
        done, _ = wait(in_flight, return_when=FIRST_COMPLETED)
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool):
                return
            yield in_flight.pop(future), future.result()


def _alone(work: Work[T], item: str) -> T | None:
    with _pool(1) as pool:
        try:
            return pool.submit(work, item).result()
        except BrokenProcessPool:
            return None
        except BaseException:
            _stop(pool)
            raise


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Forked processes have the libraries loaded already; elsewhere forking is unsafe or impossible.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Set up a new process: Ctrl-C reaches every process of the group, and only the first one shall act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended: killed, it cannot tell its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _stop(pool: ProcessPoolExecutor) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for child in multiprocessing.active_children():
        child.terminate()

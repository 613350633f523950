"""Room for deep recursion: used only when needed, and it leaves the process as it was."""

from __future__ import annotations

import sys
import threading

import pytest

from autograd_lint.static.syntax.stack import on_large_stack, with_room


def depth(levels: int) -> int:
    return 0 if levels == 0 else 1 + depth(levels - 1)


def test_deep_recursion_succeeds_and_settings_come_back() -> None:
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    with pytest.raises(RecursionError):
        depth(50_000)
    assert with_room(lambda: depth(50_000)) == 50_000
    assert (sys.getrecursionlimit(), threading.stack_size()) == (limit, size)


def test_shallow_work_stays_in_its_thread_and_runs_once() -> None:
    seen: list[int] = []
    with_room(lambda: seen.append(threading.get_ident()))
    assert seen == [threading.get_ident()]


def test_nested_use_needs_no_second_thread() -> None:
    outer, inner = on_large_stack(lambda: (threading.get_ident(), on_large_stack(threading.get_ident)))
    assert outer == inner != threading.get_ident()


def test_endless_recursion_is_still_an_error() -> None:
    def endless() -> int:
        return endless() + 1

    with pytest.raises(RecursionError):
        with_room(endless)


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        on_large_stack(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        with_room(lambda: 1 // 0)


def test_several_threads_may_need_room_at_once() -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(with_room(lambda: depth(20_000)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [20_000] * 4

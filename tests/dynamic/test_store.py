"""The log of writes on made-up moments: which write was the first after a save?"""

from __future__ import annotations

import threading

from autograd_lint.dynamic.records import Moment, Spot, Via, WriteFacts, row_of
from autograd_lint.dynamic.store import WriteLog

ME = threading.get_ident()


def facts(row: int) -> WriteFacts:
    return WriteFacts(Spot(row_of("train.py", row)), "add_", Via.METHOD)


FIRST, SECOND, STEP = facts(1), facts(2), facts(3)


def test_a_write_before_the_save_is_not_to_blame() -> None:
    log = WriteLog()
    log.add(7, FIRST, seq=4, version=1)
    saved = Moment(log.tick, ME, 4)
    assert log.first_after(7, saved, 1) is None
    log.add(7, SECOND, seq=5, version=2)
    assert log.first_after(7, saved, 1) is SECOND


def test_the_first_write_after_the_save_is_to_blame() -> None:
    log = WriteLog()
    saved = Moment(log.tick, ME, 0)
    log.add(7, FIRST, seq=1, version=1)
    log.add(7, SECOND, seq=1, version=2)
    assert log.first_after(7, saved, 0) is FIRST


def test_a_write_that_makes_the_node_may_change_what_it_saved() -> None:
    """`h *= h`: node number 3 is made, and saves, inside the write."""
    log = WriteLog()
    log.add(7, FIRST, seq=4, version=1)
    assert log.first_after(7, Moment(0, ME, 3), 0) is FIRST


def test_a_write_that_saves_its_own_result_is_not_to_blame() -> None:
    """`h.exp_()` saves `h` as it is afterwards, at version 1."""
    log = WriteLog()
    log.add(7, FIRST, seq=4, version=1)
    log.add(7, SECOND, seq=5, version=2)
    assert log.first_after(7, Moment(0, ME, 3), 1) is SECOND


def test_other_addresses_do_not_matter() -> None:
    log = WriteLog()
    log.add(8, FIRST, seq=1, version=1)
    assert log.first_after(7, Moment(0, ME, 0)) is None


def test_rounds_of_a_loop_are_one_entry_with_the_last_round() -> None:
    log = WriteLog()
    for number in range(1, 10_001):
        log.add(7, FIRST, seq=number, version=number)
    assert log.first_after(7, Moment(9_999, ME, 9_999), 9_999) is FIRST
    assert log.first_after(7, Moment(10_000, ME, 10_000), 10_000) is None


def test_steps_write_every_parameter() -> None:
    log = WriteLog()
    log.add_step(STEP, {7: 1, 8: 1}, seq=3, silent=False)
    saved = Moment(0, ME, 2)
    assert log.first_after(8, saved, 0) is STEP
    assert log.step_since(0) == STEP.spot.place
    assert log.step_since(0, 9) is None
    assert log.step_since(log.tick) is None
    assert log.silent_tick == 0


def test_silent_steps_expose_what_they_write() -> None:
    log = WriteLog()
    log.add_step(STEP, {7: 0}, seq=3, silent=True)
    assert 7 in log.exposed
    assert log.silent_tick == log.tick


def test_threads_number_their_nodes_apart() -> None:
    """A node of another thread is ordered by the writes before it, not by its number."""
    log = WriteLog()
    log.add(7, FIRST, seq=1, version=1)
    assert log.first_after(7, Moment(0, ME + 1, 900), 0) is FIRST
    assert log.first_after(7, Moment(1, ME + 1, 900), 0) is None


def test_clearing_is_remembered() -> None:
    log = WriteLog()
    log.add(7, FIRST, seq=1, version=1, zero=True)
    assert log.is_zeroed_since(7, 0)
    assert not log.is_zeroed_since(7, log.tick)
    assert not log.is_zeroed_since(8, 0)

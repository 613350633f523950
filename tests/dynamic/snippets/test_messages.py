"""The parts that need no process: messages, the verdict on an end, scratch folders, the numbers of system calls."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.snippets import scratch, wire
from autograd_lint.dynamic.snippets.jobs import (
    Failure,
    Frame,
    Job,
    JobResult,
    Status,
    job_from_json,
    job_to_json,
    result_from_json,
    result_to_json,
)
from autograd_lint.dynamic.snippets.verdict import LOST, End, judge

MARK = b"0123456789abcdef"
SENT = JobResult(Status.RAISED, "why", {"a": [1, None]}, Failure("E", "m", (Frame("f", 3, "g"),)), notes=("n",))


def reader_of(arrived: bytes) -> wire.ResultReader:
    reader = wire.ResultReader(MARK)
    reader.take(arrived)
    return reader


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text())), st.integers(1, 9))
def test_messages_arrive_whole_whatever_the_pieces(messages: list[dict[str, object]], size: int) -> None:
    data, inbox = b"".join(map(wire.encode, messages)), wire.Inbox()
    arrived = [message for at in range(0, len(data), size) for message in inbox.take(data[at : at + size])]
    assert arrived == messages


def test_jobs_and_results_survive_the_wire() -> None:
    job = Job("text", "f.py", ("a",), "hook", {"x": 1}, ("/p",), Limits(seconds=3))
    assert job_from_json(job_to_json(job, Limits())) == job
    assert job_from_json(job_to_json(Job(""), Limits(seconds=7))).limits == Limits(seconds=7)
    assert result_from_json(result_to_json(SENT)) == SENT


def test_result_behind_its_mark_is_accepted() -> None:
    assert judge(End(-9), reader_of(MARK + wire.encode(result_to_json(SENT)))) == SENT


WHOLE = MARK + wire.encode(result_to_json(SENT))


@pytest.mark.parametrize(
    "arrived",
    [
        b"{}",
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE + WHOLE,
        b"x" + WHOLE,
        b"f" * 16 + WHOLE[16:],
        MARK + (1 << 60).to_bytes(8, "big"),
        MARK + wire.encode({}),
        MARK + wire.encode({**result_to_json(SENT), "status": "timed out"}),
        MARK + wire.encode({**result_to_json(SENT), "status": ["finished"]}),
        MARK + wire.encode({**result_to_json(SENT), "reason": {"a": 1}}),
        MARK + wire.encode({**result_to_json(SENT), "notes": [1]}),
        MARK + wire.encode({**result_to_json(SENT), "failure": {"frames": 3}}),
        MARK + wire.encode({**result_to_json(SENT), "more": 1}),
        MARK + (100_000).to_bytes(8, "big") + b"[" * 100_000,
        MARK + (4).to_bytes(8, "big") + b"\xff\xfe{}",
    ],
    ids=range(16),
)
def test_anything_else_is_no_result(arrived: bytes) -> None:
    assert judge(End(0), reader_of(arrived)).status is Status.NO_RESULT


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(arrived: bytes) -> None:
    assert judge(End(0), reader_of(MARK + arrived)).status is Status.NO_RESULT


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (0, Status.EXITED, "os._exit(0)"),
        (LOST, Status.NO_RESULT, "closed or broke"),
        (-11, Status.KILLED, "SIGSEGV"),
        (-24, Status.TIMED_OUT, "processor time"),
        (-63, Status.KILLED, "signal 63"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are those of Linux")
def test_end_without_a_result(code: int, status: Status, reason: str) -> None:
    result = judge(End(code), wire.ResultReader(MARK))
    assert result.status is status
    assert reason in result.reason


def test_scratch_folder_is_measured_and_removed_however_deep(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    (folder / "wide").mkdir(parents=True)
    (folder / "wide" / "file").write_bytes(bytes(100_000))
    (folder / "link").symlink_to(tmp_path)
    assert 100_000 <= scratch.used(str(folder), 1 << 30) < 200_000
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(40):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        os.mkdir("locked", 0)
    finally:
        os.chdir(here)
        os.close(here)
    assert scratch.used(str(folder), 1 << 30) == (1 << 30) + 1, "too deep to be named"
    scratch.remove(str(folder))
    assert os.listdir(tmp_path) == []
    scratch.remove(str(folder))


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize(("column", "machine"), list(enumerate(HEADERS)))
def test_numbers_of_system_calls_are_those_of_the_kernel(column: int, machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    from autograd_lint.dynamic.sandbox.syscalls import NUMBERS

    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text()))
    assert len(found) > 200
    # What is newer than these headers has the same number on both.
    wrong = {
        name: NUMBERS[name]
        for name in NUMBERS
        if str(NUMBERS[name][column]) != found.get(name, str(NUMBERS[name][column]))
    }
    assert wrong == {}
    assert {name for name in found if name in NUMBERS and NUMBERS[name][column] is None} == set()

"""Hostile programs: each ends as it must, with the right reason, and nothing and nobody else takes harm."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lint.dynamic.snippets.jobs import Job, JobResult, Status
from autograd_lint.dynamic.snippets.pool import Pool
from tests.dynamic.snippets.conftest import SMALL, descendants, wait_until
from tests.dynamic.snippets.hostile import HARMLESS, PROGRAMS, Hostile

GOOD = Job("import torch\nx = torch.ones(2, requires_grad=True)\n(x * x).sum().backward()\nprint(x.grad.tolist())")


def run_among_good(pool: Pool, text: str, outside: Path, limits: dict[str, float]) -> JobResult:
    """The result of `text`, which ran among good programs that took no harm and left no process."""
    pool.interpreter()
    before = descendants(os.getpid())
    text = text.replace("OUTSIDE", str(outside)).replace("LINTER", str(os.getpid()))
    bad = Job(text, limits=replace(SMALL, **limits))
    first, result, *others = pool.run([GOOD, bad, GOOD, GOOD])
    assert {(good.status, good.output) for good in (first, *others)} == {(Status.FINISHED, "[2.0, 2.0]\n")}
    assert wait_until(lambda: descendants(os.getpid()) == before)
    return result


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_hostile_program_ends_as_it_must(torch_pool: Pool, program: Hostile, outside: Path) -> None:
    shared_memory = set(os.listdir("/dev/shm"))
    result = run_among_good(torch_pool, program.text, outside, program.limits)
    assert result.status in program.ends, result
    assert re.search(program.reason, result.reason), result
    assert len(result.output) <= SMALL.output
    # Tests beside this one may use some meanwhile.
    assert wait_until(lambda: set(os.listdir("/dev/shm")) <= shared_memory, 30)


@pytest.mark.parametrize(("text", "note"), [case[1:] for case in HARMLESS], ids=[case[0] for case in HARMLESS])
def test_program_that_only_looks_bad_runs_to_its_end(
    torch_pool: Pool, text: str, note: str | None, outside: Path
) -> None:
    result = run_among_good(torch_pool, text, outside, {})
    assert result.status is Status.FINISHED, result
    assert note is None or any(note in said for said in result.notes)


def test_memory_comes_back(torch_pool: Pool) -> None:
    torch_pool.interpreter()
    before = resident(descendants(os.getpid()))
    hog = "import torch\nkept = torch.ones(200_000_000)\nwhile True: kept.add_(1)"
    assert [result.status for result in torch_pool.run([Job(hog)])] == [Status.TIMED_OUT]
    assert wait_until(lambda: resident(descendants(os.getpid())) < before + (50 << 20))


def resident(pids: set[int]) -> int:
    """The bytes of memory that `pids` hold."""
    total = 0
    for pid in pids:
        path = Path(f"/proc/{pid}/statm")
        total += int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0
    return total


WHERE_WALLS_MATTER = [
    program
    for program in PROGRAMS
    if "torch" not in program.text and program.ends & {Status.REFUSED, Status.DISK_LIMIT, Status.PROCESS_LIMIT}
]


@pytest.mark.parametrize("left_out", ["namespaces", "landlock", "seccomp"])
@pytest.mark.parametrize("program", WHERE_WALLS_MATTER, ids=lambda program: program.name)
def test_hostile_program_ends_so_without_one_of_the_walls(
    pool_without: Callable[..., Pool], left_out: str, program: Hostile, outside: Path
) -> None:
    text = program.text.replace("OUTSIDE", str(outside)).replace("LINTER", str(os.getpid()))
    good, bad = Job("print(6 * 7)"), Job(text, limits=replace(SMALL, **program.limits))
    first, result, last = pool_without(left_out).run([good, bad, good])
    assert {(other.status, other.output) for other in (first, last)} == {(Status.FINISHED, "42\n")}
    assert result.status in program.ends, result
    assert re.search(program.reason, result.reason), result

"""What the tests of the pool share: a pool of everything, one without torch for each set of walls, and what stands outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.pool import Pool

SMALL = Limits(seconds=2.0, memory=1 << 30, output=1 << 16, file_size=4 << 20, processes=24)


@pytest.fixture(scope="session")
def torch_pool() -> Iterator[Pool]:
    """Two jobs at a time, torch loaded, every wall that this machine allows."""
    with Pool(Setup(jobs=2, limits=SMALL)) as pool:
        yield pool


@pytest.fixture(scope="session")
def pool_without() -> Iterator[Callable[..., Pool]]:
    """Pools without torch that leave out the walls named, each started once."""
    pools: dict[frozenset[str], Pool] = {}

    def find(*names: str) -> Pool:
        without = frozenset(names)
        if without not in pools:
            pools[without] = Pool(Setup(jobs=2, limits=SMALL, preload=("json",), without=without))
        return pools[without]

    yield find
    for pool in pools.values():
        pool.close()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that belongs to somebody else: what is in it must stay as it is."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    for name in ("data.txt", "inner/more.txt"):
        (folder / name).write_text(f"precious {name}")
        os.utime(folder / name, (1e9, 1e9))
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[str, object]:
    """All that can be seen of a folder."""
    found: dict[str, object] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        text = path.read_text() if path.is_file() else None
        found[str(path)] = (
            text,
            status.st_mode,
            status.st_uid,
            status.st_mtime_ns * path.is_file(),
            os.listxattr(path),
        )
    return found


def descendants(pid: int) -> set[int]:
    """All processes that `pid` started, directly or not."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(name)] = int(fields[1])
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether `condition` came true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True

"""Joins what the ranks of one machine have found, where `torchrun` has started several: one of them reports for all.

There is no leader, as any rank may fail. Each leaves its result in a folder that only they know; the first to see all
of them there reports, and the others wait for that, since `torchrun` ends all ranks once one has failed. A rank that
has failed itself waits for a short time only: the others may wait for it, in the middle of a collective operation.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from autograd_lint.dynamic.run import ProgramResult
from autograd_lint.errors import OutputError
from autograd_lint.finding import Finding
from autograd_lint.merging import merged

_PATIENCE: Final = 10.0
"""Seconds that a rank which has failed waits for the others."""
_FAREWELL: Final = 5.0
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ranks:
    """This rank, and how many there are on this machine."""

    rank: int
    size: int
    folder: Path

    def file_of(self, rank: int) -> Path:
        """Where a rank leaves its result."""
        return self.folder / f"rank-{rank}"


def find_ranks(environment: Mapping[str, str]) -> Ranks | None:
    """The ranks `torchrun` has started; None where it has started one, or none."""
    size = int(environment.get("LOCAL_WORLD_SIZE", "1"))
    if size < 2 or "TORCHELASTIC_RUN_ID" not in environment or "LOCAL_RANK" not in environment:
        return None
    port, restarts = environment.get("MASTER_PORT", "0"), environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    name = f"autograd-lint-{os.getppid()}-{port}-{restarts}"
    return Ranks(int(environment["LOCAL_RANK"]), size, Path(tempfile.gettempdir()) / name)


@contextmanager
def joined(result: ProgramResult) -> Iterator[ProgramResult | None]:
    """What is to be reported: this process's result alone, or that of all ranks, or None where another rank does it."""
    ranks = find_ranks(os.environ)
    if ranks is None:
        yield result
        return
    _leave(ranks, result)
    _wait(ranks, limit=_PATIENCE if result.status else None)
    if not _is_first(ranks.folder / "reporting"):
        _await(ranks.folder / "reported", _PATIENCE)
        ranks.file_of(ranks.rank).unlink(missing_ok=True)
        if not _still_there(ranks):
            _remove(ranks.folder)
        yield None
        return
    complete = len(_still_there(ranks)) == ranks.size
    try:
        yield _join(ranks)
    finally:
        (ranks.folder / "reported").touch()
        _clear(ranks, complete=complete)


def _leave(ranks: Ranks, result: ProgramResult) -> None:
    """Write this rank's result for the others, whole or not at all."""
    try:
        ranks.folder.mkdir(mode=0o700, exist_ok=True)
        if ranks.folder.is_symlink() or (hasattr(os, "getuid") and ranks.folder.stat().st_uid != os.getuid()):
            raise OutputError(f"{ranks.folder} belongs to somebody else")
        path = ranks.file_of(ranks.rank)
        path.with_suffix(".part").write_bytes(pickle.dumps(result))
        path.with_suffix(".part").rename(path)
    except OSError as error:
        raise OutputError(f"cannot leave this rank's findings in {ranks.folder}: {error.strerror or error}") from error


def _wait(ranks: Ranks, *, limit: float | None) -> None:
    """Wait for the results of all ranks; no longer once somebody reports, or this process is told to end."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    started = time.monotonic()
    try:
        while not all(ranks.file_of(rank).exists() for rank in range(ranks.size)):
            late = limit is not None and time.monotonic() - started > limit
            if told or late or (ranks.folder / "reporting").exists():
                return
            time.sleep(_PAUSE)
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_first(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _await(path: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not path.exists() and path.parent.exists() and time.monotonic() < end:
        time.sleep(_PAUSE)


def _clear(ranks: Ranks, *, complete: bool) -> None:
    """Remove the folder, once every rank has seen that the report is out; one that comes late must still see it."""
    ranks.file_of(ranks.rank).unlink(missing_ok=True)
    end = time.monotonic() + _FAREWELL
    while time.monotonic() < end and _still_there(ranks):
        time.sleep(_PAUSE)
    if complete:
        _remove(ranks.folder)


def _still_there(ranks: Ranks) -> list[int]:
    return [rank for rank in range(ranks.size) if ranks.file_of(rank).exists()]


def _remove(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _join(ranks: Ranks) -> ProgramResult:
    """One result of all that are there: each finding once, and on which ranks, where it was not on all."""
    results: dict[int, ProgramResult] = {}
    for rank in range(ranks.size):
        if ranks.file_of(rank).exists():
            results[rank] = _read(ranks.file_of(rank))
    own = results[ranks.rank]
    files = tuple(dict.fromkeys(path for result in results.values() for path in result.found.files))
    findings = merged(files, [found for result in results.values() for found in result.found.findings])
    remarks = dict.fromkeys(remark for result in results.values() for remark in result.remarks)
    told = [*remarks, *_about_ranks(ranks, results, findings)]
    return replace(own, found=replace(own.found, findings=findings, files=files), remarks=tuple(told))


def _read(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def _about_ranks(ranks: Ranks, results: dict[int, ProgramResult], findings: tuple[Finding, ...]) -> Iterator[str]:
    silent = [str(rank) for rank in range(ranks.size) if rank not in results]
    if silent:
        yield f"warning: no report came from rank {', '.join(silent)} [rank-missing]"
    for found in findings:
        key = (found.filename, found.range, found.code)
        where = [r for r in results if any((f.filename, f.range, f.code) == key for f in results[r].found.findings)]
        if len(where) < len(results):
            place = f"{found.filename}:{found.range.start.row}"
            yield f"note: {place}: {found.code} on rank {', '.join(map(str, where))} only [some-ranks]"

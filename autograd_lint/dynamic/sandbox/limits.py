"""How much a program may take: the limits, and those of them that the kernel counts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

if sys.platform != "win32":
    import resource

_OPEN_FILES: Final = 128
_REPORT_MEMORY: Final = 64 << 20
_SPARE_SECONDS: Final = 5
"""The clock on the wall ends a program; processor time does so where the watcher is gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may take. Sizes are in bytes.

    `memory` is address space beyond what the interpreter with torch takes before the program begins. `file_size` is
    that of all files in the scratch folder together. `processes` counts the program itself and its threads; other
    processes it may not have.
    """

    seconds: float = 10.0
    memory: int = 2 << 30
    output: int = 1 << 20
    file_size: int = 64 << 20
    processes: int = 64


def set_limits(limits: Limits) -> None:
    """Set what the kernel counts, for this process and for good."""
    if sys.platform != "win32":
        for kind, most in _kernel_limits(limits):
            _lower(kind, most)
    if sys.platform == "linux":
        # Elsewhere the size of a process is not counted, or not known.
        most = _address_space() + limits.memory
        _lower(resource.RLIMIT_AS, most + _REPORT_MEMORY)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (min(most, hard), hard))


def allow_report() -> None:
    """Grant the little memory that was kept back for telling how a program ended, which may have used up its own."""
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if sys.platform != "win32":

    def _kernel_limits(limits: Limits) -> Iterator[tuple[int, int]]:
        yield resource.RLIMIT_CORE, 0
        yield resource.RLIMIT_FSIZE, limits.file_size
        yield resource.RLIMIT_NOFILE, _OPEN_FILES
        yield resource.RLIMIT_CPU, math.ceil(limits.seconds) + _SPARE_SECONDS

    def _lower(kind: int, most: int) -> None:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, most))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

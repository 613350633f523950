"""Which walls this machine allows, what is left open without them, and how they are raised around a process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

from autograd_lint.dynamic.sandbox.limits import Limits, set_limits

if sys.platform == "linux":
    from autograd_lint.dynamic.sandbox import landlock, namespaces, seccomp
    from autograd_lint.dynamic.sandbox.kernel import renounce_privileges


@dataclass(frozen=True, slots=True)
class Walls:
    """What stands: kinds of namespaces, the version of Landlock (0: none), and the filter of system calls."""

    namespaces: frozenset[str] = field(default_factory=frozenset)
    landlock: int = 0
    seccomp: bool = False

    @property
    def read_only_disk(self) -> bool:
        """All disks are read-only, and the scratch folder is a bounded one that ends with its process."""
        return "mount" in self.namespaces

    def gaps(self) -> tuple[str, ...]:
        """What no wall prevents here, a sentence each."""
        return tuple(sentence for sentence, closed in self._questions() if not closed)

    def _questions(self) -> tuple[tuple[str, bool], ...]:
        apart = self.namespaces
        return (
            ("no wall keeps programs off the network", "network" in apart or self.seccomp),
            ("no wall keeps programs off the sockets of this machine", self.seccomp),
            ("no wall keeps programs from writing outside their scratch folder", self._closes_files()),
            ("no wall keeps programs from starting others", self.seccomp),
            ("no wall keeps programs from signalling others", "pid" in apart or self.seccomp or self.landlock >= 6),
            ("the size of the scratch folder is only looked at now and then", self.read_only_disk),
        )

    def _closes_files(self) -> bool:
        # Landlock leaves modes, owners and times open, and its first versions truncation: the filter closes those.
        return self.read_only_disk or (self.landlock > 0 and self.seccomp)


def find_walls(folder: str, without: frozenset[str]) -> Walls:
    """The walls that this process can raise. `without`: some to leave out; `folder`: an empty one to try with."""
    if sys.platform != "linux":
        return Walls()
    return Walls(
        namespaces=namespaces.probe(folder) if "namespaces" not in without else frozenset(),
        landlock=landlock.version() if "landlock" not in without else 0,
        seccomp=seccomp.is_available() and "seccomp" not in without,
    )


def close_in(walls: Walls, limits: Limits, scratch: str) -> None:
    """Raise `walls` around this process, which then works in `scratch`. OSError: it must not go on."""
    if sys.platform == "linux" and walls.read_only_disk:
        namespaces.open_scratch(scratch, limits.file_size)
    os.chdir(scratch)
    set_limits(limits)
    if sys.platform == "linux":
        renounce_privileges()
        if walls.landlock:
            landlock.restrict(scratch, walls.landlock)
        if walls.seccomp:
            seccomp.restrict(attributes=walls.read_only_disk)

"""How a process of the other interpreter is started: environment scrubbed, in a session and a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from autograd_lint.dynamic.sandbox.limits import Limits

_BOOT: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")
_KEPT: Final = {
    "to find programs and libraries": "PATH LD_LIBRARY_PATH DYLD_LIBRARY_PATH",
    "to find packages": "HOME VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONUSERBASE",
    "language": "LANG LANGUAGE TZ",
    "Windows": "SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC APPDATA LOCALAPPDATA USERPROFILE TEMP TMP",
}
_KEPT_NAMES: Final = frozenset(" ".join(_KEPT.values()).split())
_ADDED: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""One thread each: a process that has threads cannot be forked. No GPU: its driver lets nobody be closed in."""

ALL_WALLS: Final = frozenset({"namespaces", "landlock", "seccomp"})


@dataclass(frozen=True, slots=True)
class Setup:
    """Which interpreter runs the programs, how many at a time, within which limits, and what it loads beforehand.

    `without` leaves walls out, of `ALL_WALLS`: to see that each of the others stands by itself.
    """

    python: str = sys.executable
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    preload: tuple[str, ...] = ("torch",)
    without: frozenset[str] = frozenset()


def launch(
    setup: Setup, role: str, root: str, *, inherited: Sequence[int] = (), errors: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start `role` (see `roles`) with the scratch folder `root`.

    Its standard streams are pipes, all three; if it is given where to say its `errors`, there are no others.
    """
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    order = json.dumps({"root": root, "preload": setup.preload, "path": path, "without": sorted(setup.without)})
    stream = subprocess.PIPE if errors is None else subprocess.DEVNULL
    return subprocess.Popen(
        [setup.python, "-B", _BOOT, role, order, *map(str, inherited)],
        stdin=stream,
        stdout=stream,
        stderr=subprocess.PIPE if errors is None else errors,
        pass_fds=inherited if os.name == "posix" else (),
        env=scrubbed(os.environ),
        cwd=os.path.abspath(os.sep),
        start_new_session=True,
    )


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of `environment` an interpreter needs to find itself; no token, no key, nothing a program should know."""
    kept = {name: value for name, value in environment.items() if name.upper() in _KEPT_NAMES or name.startswith("LC_")}
    return kept | _ADDED


def new_root() -> str:
    """A new scratch folder."""
    return os.path.realpath(tempfile.mkdtemp(prefix="autograd-lint-"))


def last_line(errors: IO[bytes]) -> str:
    """The last line that a process said into `errors`."""
    errors.seek(0)
    return errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]

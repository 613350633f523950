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
    setup: Setup, role: str, root: str, *, inherited: Sequence[int] = (), pipes: bool = False
) -> subprocess.Popen[bytes]:
    """Start `role` (see `roles`) with the scratch folder `root`. `pipes`: the standard streams are pipes, all three."""
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    order = json.dumps({"root": root, "preload": setup.preload, "path": path, "without": sorted(setup.without)})
    stream = subprocess.PIPE if pipes else subprocess.DEVNULL
    errors: int | IO[bytes] = subprocess.PIPE if pipes else open_errors(root)
    try:
        return subprocess.Popen(
            [setup.python, "-B", _BOOT, role, order, *map(str, inherited)],
            stdin=stream,
            stdout=stream,
            stderr=errors,
            pass_fds=inherited if os.name == "posix" else (),
            env=scrubbed(os.environ),
            cwd=os.path.abspath(os.sep),
            start_new_session=True,
        )
    finally:
        if not isinstance(errors, int):
            errors.close()


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of `environment` an interpreter needs to find itself; no token, no key, nothing a program should know."""
    kept = {name: value for name, value in environment.items() if name.upper() in _KEPT_NAMES or name.startswith("LC_")}
    return kept | _ADDED


def new_root() -> str:
    """A new scratch folder."""
    return os.path.realpath(tempfile.mkdtemp(prefix="autograd-lint-"))


def open_errors(root: str) -> IO[bytes]:
    """The file beside `root` for what a server says when it fails."""
    return open(f"{root}.log", "wb")


def read_errors(root: str) -> str:
    """The last lines that a server said, and the end of their file."""
    try:
        with open(f"{root}.log", encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        os.unlink(f"{root}.log")
    except FileNotFoundError:
        return ""
    return "\n".join(text.strip().splitlines()[-3:])

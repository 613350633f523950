"""What an interpreter loads once so that no job has to: torch, and the parts of it that torch itself loads late."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from autograd_lint.dynamic.sandbox.walls import Walls

_WANTS_COMPILER: Final = re.compile(r"optim|checkpoint|compile|dynamo|DataParallel|\bfsdp", re.IGNORECASE)
"""Programs that make torch load its compiler, which takes longer than loading torch."""

_LATE: Final = ("torch._dynamo", "torch.profiler._cupti_monitor")
"""What they make it load: an optimizer's first step asks for both."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter that runs the programs: its versions (no torch: empty), its walls, how long it took to load."""

    python: str
    torch: str
    walls: Walls
    seconds: float


def load(names: Iterable[str], walls: Walls) -> Interpreter:
    """Import `names`; ImportError if one is missing."""
    started = time.monotonic()
    for name in names:
        importlib.import_module(name)
    # Programs shall repeat themselves from run to run; torch begins with the same seed anyway.
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random").seed(0)
    torch = sys.modules.get("torch")
    version = str(getattr(torch, "__version__", ""))
    return Interpreter(sys.version.split()[0], version, walls, time.monotonic() - started)


def load_for(text: str) -> None:
    """Import what the program `text` would make torch import. Nothing is run: no thread may start before a fork."""
    if "torch" in sys.modules and "torch._dynamo" not in sys.modules and _WANTS_COMPILER.search(text):
        for name in _LATE:
            # Where torch is incomplete, or of another version, the program will find out by itself.
            with contextlib.suppress(ImportError, OSError, AttributeError, RuntimeError):
                importlib.import_module(name)


def interpreter_to_json(found: Interpreter) -> dict[str, Any]:
    """`found` for the wire."""
    walls = {
        "namespaces": sorted(found.walls.namespaces),
        "landlock": found.walls.landlock,
        "seccomp": found.walls.seccomp,
    }
    return {"python": found.python, "torch": found.torch, "walls": walls, "seconds": found.seconds}


def interpreter_from_json(data: dict[str, Any]) -> Interpreter:
    """An interpreter from the wire."""
    walls = data["walls"]
    stands = Walls(frozenset(walls["namespaces"]), walls["landlock"], walls["seccomp"])
    return Interpreter(data["python"], data["torch"], stands, data["seconds"])

"""Which Python runs the programs: the one named, else this one, else that of the active or nearest environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from glob import glob
from typing import Final

from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.dynamic.snippets.warm import Interpreter
from autograd_lint.errors import ConfirmError

_ENVIRONMENTS: Final = (".venv", "venv", "env", ".env")
_ADVICE: Final = (
    "install torch beside autograd-lint (`pip install torch`), or name the Python that has it: `--python PATH`, "
    "or `python` in [tool.autograd-lint.confirm]"
)


def find_python(named: str | None, start: str) -> str:
    """The interpreter to use; `start` is where the search for an environment begins. ConfirmError if there is none."""
    if named is not None:
        return _named(named)
    if importlib.util.find_spec("torch") is not None:
        return sys.executable
    for folder in _environments(start):
        python = _python_of(folder)
        if python is not None and _has_torch(folder):
            return python
    raise ConfirmError(f"programs can be confirmed under torch only, and {sys.executable} has none: {_ADVICE}")


def loaded(pool: Pool) -> Interpreter:
    """The interpreter of `pool` when it has loaded torch. ConfirmError, with what can be done, where it cannot."""
    try:
        return pool.interpreter()
    except ConfirmError as error:
        raise ConfirmError(f"{error}: {_ADVICE}") from error


def _named(named: str) -> str:
    """The interpreter at a path; of a folder, the environment's."""
    if os.path.isdir(named):
        python = _python_of(named)
        if python is None:
            raise ConfirmError(f"--python: there is no Python in the folder {named}")
        return os.path.abspath(python)
    found = shutil.which(named)
    if found is None:
        raise ConfirmError(f"--python: {named} is no program that can be run")
    return os.path.abspath(found)


def _environments(start: str) -> Iterator[str]:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if os.environ.get(name):
            yield os.environ[name]
    folder = os.path.abspath(start)
    while True:
        yield from (os.path.join(folder, name) for name in _ENVIRONMENTS)
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


def _python_of(folder: str) -> str | None:
    names = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
    paths = (os.path.join(folder, *name.split("/")) for name in names)
    return next((path for path in paths if os.access(path, os.X_OK) and os.path.isfile(path)), None)


def _has_torch(folder: str) -> bool:
    patterns = ("lib/python3*/site-packages/torch", "Lib/site-packages/torch")
    return any(glob(os.path.join(folder, *pattern.split("/"))) for pattern in patterns)

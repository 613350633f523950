"""What is measured on: the installed torch, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def torch_folder() -> Path:
    """The folder of the installed torch package."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        sys.exit("torch is not installed: pip install -e '.[dev]'")
    return Path(found.submodule_search_locations[0])


def usual_trees() -> list[Path]:
    """The folders that the speed goal is stated for."""
    return [torch_folder() / "nn", torch_folder() / "optim"]


def python_files(paths: list[Path]) -> list[Path]:
    """Every Python file of `paths`, in order."""
    return [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]


def tell_goal(what: str, value: float, goal: float, unit: str) -> bool:
    """Print a figure beside its goal; whether the goal is met."""
    met = value <= goal
    print(f"{what}: {value:.3g}{unit} (goal: at most {goal:g}{unit}, {'met' if met else 'MISSED'})")
    return met

"""Where the file of an imported module is, as far as the project holds it; installed packages are never looked into."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_MARKERS: Final = (".git", "pyproject.toml", "setup.py", "setup.cfg", "autograd-lint.toml", ".hg", "requirements.txt")
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_LOADED_FIRST: Final = frozenset(
    {*sys.builtin_module_names, "abc", "codecs", "encodings", "genericpath", "io", "os", "posixpath", "site", "stat"}
)
"""Modules that Python has loaded before a script begins: no file of the same name beside the script hides them."""
_MOST_LEVELS: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A module of the project: its `file`, "" where a package has none, and its `folder` when it is a package."""

    file: str
    folder: str = ""

    def child(self, name: str) -> Place | None:
        """The submodule `name` of a package."""
        return _module(self.folder, name) if self.folder else None


class Locator:
    """Finds what one file can import: what stands beside it, around it, and under the root of its project."""

    def __init__(self, importer: str) -> None:
        self._folder = os.path.dirname(importer)
        self._known: dict[tuple[str, int], Place | None] = {}
        self._installed = not os.path.isabs(importer) or not _INSTALLED.isdisjoint(importer.split(os.sep))

    def find(self, module: str, level: int) -> Place | None:
        """The module that an import names, or None when the project does not hold it."""
        if self._installed:
            return None
        key = (module, level)
        if key not in self._known:
            self._known[key] = self._relative(module, level) if level else self._absolute(module)
        return self._known[key]

    def _relative(self, module: str, level: int) -> Place | None:
        folder = self._folder
        for _ in range(level - 1):
            folder = os.path.dirname(folder)
        if self._top_package(folder) == "torch":
            return None  # torch itself is known by what was measured, not by its source
        if module:
            return _walk(folder, module)
        file = os.path.join(folder, "__init__.py")
        return Place(file if os.path.isfile(file) else "", folder)

    def _top_package(self, folder: str) -> str:
        top = ""
        while _is_package(folder):
            folder, top = os.path.split(folder)
        return top

    def _absolute(self, module: str) -> Place | None:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            hidden = not self._in_package and top not in _LOADED_FIRST
            return _walk(self._folder, module) if hidden and _module(self._folder, top, needs_file=True) else None
        for root in self._roots:
            found = _module(root, top)
            if found is None:
                continue
            place = _walk(root, module)
            if place is not None or found.file:
                return place
        return None

    @cached_property
    def _in_package(self) -> bool:
        return _is_package(self._folder)

    @cached_property
    def _roots(self) -> tuple[str, ...]:
        """The folders that may be on Python's path, the likeliest first."""
        package_root = self._folder
        while _is_package(package_root):
            package_root = os.path.dirname(package_root)
        above = _folders_to_project(package_root)
        roots = [package_root, *above, os.path.join(above[-1] if above else package_root, "src"), self._folder]
        return tuple(dict.fromkeys(roots))


def _folders_to_project(folder: str) -> list[str]:
    """The folders above `folder` up to the root of the project; only the next one when nothing marks a root."""
    passed: list[str] = []
    here = folder
    for _ in range(_MOST_LEVELS):
        if any(os.path.lexists(os.path.join(here, marker)) for marker in _MARKERS):
            return passed
        parent = os.path.dirname(here)
        if parent == here:
            break
        passed.append(parent)
        here = parent
    return passed[:1]


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def _walk(root: str, module: str) -> Place | None:
    """The module with this dotted name under `root`."""
    place: Place | None = Place("", root)
    for part in module.split("."):
        place = place.child(part) if place is not None else None
    return place


def _module(folder: str, name: str, *, needs_file: bool = False) -> Place | None:
    """The package or module `name` in `folder`, in the order in which Python looks."""
    inner = os.path.join(folder, name)
    init = os.path.join(inner, "__init__.py")
    if os.path.isfile(init):
        return Place(init, inner)
    file = f"{inner}.py"
    if os.path.isfile(file):
        return Place(file)
    return Place("", inner) if not needs_file and os.path.isdir(inner) else None

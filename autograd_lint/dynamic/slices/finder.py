"""Imports: there is a module of any name, which has everything; and those that are there run on this machine."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import os
import sys
import types
from typing import Any, Final

from autograd_lint.dynamic.slices.cutting import Devices
from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.stubs import Stub

_INSTALLED: Final = ("site-packages", "dist-packages")
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__))
_OURS: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class StubModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last to be asked for a module: there is one of any name."""

    def __init__(self, guesses: Guesses) -> None:
        self.made: list[str] = []
        self._guesses = guesses
        self._known = frozenset(sys.stdlib_module_names) | {"torch", "numpy", "autograd_lint"}

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A module that has everything; but none inside libraries that are there."""
        if name.partition(".")[0] in self._known or not _is_asked_by_the_user():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """A module whose every name is a stub."""
        module = types.ModuleType(spec.name)
        guesses, name = self._guesses, spec.name

        def get(attribute: str) -> Any:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            return Stub(f"{name}.{attribute}", guesses)

        module.__dict__["__getattr__"] = get
        self.made.append(name)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: it is complete."""


def map_devices() -> None:
    """From now on, modules of the user's are loaded with the CPU in place of other devices."""
    loader: Any = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def get_code(self: Any, fullname: str) -> types.CodeType | None:
        path = self.get_filename(fullname)
        if not _is_the_users(path):
            return original(self, fullname)  # type: ignore[no-any-return]
        tree = Devices().visit(ast.parse(self.get_data(path), path))
        return compile(tree, path, "exec", dont_inherit=True)

    loader.get_code = get_code


def _is_the_users(filename: str) -> bool:
    return not filename.startswith((_LIBRARY, _OURS + os.sep)) and not any(part in filename for part in _INSTALLED)


def _is_asked_by_the_user() -> bool:
    """Whether the import that runs is in code that is not installed: libraries do without what they try to import."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return _is_the_users(frame.f_code.co_filename)

"""Stands for what cannot be imported or is not known: takes any use, and is a tensor where torch wants one."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.guesses import Guesses

_PASSED: Final = (list, tuple, range, enumerate, zip, map, types.GeneratorType, torch.utils.data.DataLoader)
_MODULES: Final = ("Module", "Model", "Net", "Block", "Layer")


class Stub:
    """One unknown thing, named by how the program came to it."""

    def __init__(self, path: str, guesses: Guesses) -> None:
        self.__dict__.update(_path=path, _guesses=guesses)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if name in ("shape", "size", "dtype", "device", "dim", "ndim"):
            return getattr(self._tensor(), name)
        return Stub(f"{self._path}.{name}", self._guesses)

    def _tensor(self) -> torch.Tensor:
        made: torch.Tensor = self._guesses.tensor(self._path)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator, what is decorated; around something to run over, that; else another unknown."""
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType | type):
            return args[0]
        if args and isinstance(args[0], _PASSED):
            return args[0]
        return Stub(f"{self._path}()", self._guesses)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (torch.nn.Module,) if self._path.endswith(_MODULES) else ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._guesses.batches(self._path))

    def __getitem__(self, key: Any) -> Any:
        return Stub(f"{self._path}[]", self._guesses)

    def __len__(self) -> int:
        return 2

    def __bool__(self) -> bool:
        return True

    def __index__(self) -> int:
        return 2

    def __float__(self) -> float:
        return 0.5

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], kinds: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        plain = {name: _plain(value) for name, value in (kwargs or {}).items()}
        return function(*map(_plain, args), **plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Stub):
        return value._tensor()
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value


def _operation(name: str) -> Callable[..., Any]:
    def operate(self: Stub, *others: Any) -> Any:
        return getattr(self._tensor(), name)(*map(_plain, others))

    return operate


_OPERATIONS: Final = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "neg", "matmul", "rmatmul"),
    *("lt", "le", "gt", "ge"),
)
for _each in _OPERATIONS:
    setattr(Stub, f"__{_each}__", _operation(f"__{_each}__"))


class StubModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last to be asked for a module: there is one of any name."""

    def __init__(self, guesses: Guesses) -> None:
        self.made: list[str] = []
        self._guesses = guesses
        self._known = frozenset(sys.stdlib_module_names) | {"torch", "numpy", "autograd_lint"}

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A module that has everything; but none inside libraries that are there."""
        if name.partition(".")[0] in self._known:
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

"""Stands for what cannot be imported or is not known: takes any use, and is a tensor where torch wants one."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.lessons import SIZE, Spec
from autograd_lint.dynamic.slices.words import by_name

_PASSED: Final = (list, tuple, range, enumerate, zip, map, types.GeneratorType, torch.utils.data.DataLoader)
_LOADING: Final = ("safe_load", "full_load", "yaml.load", "OmegaConf.load", "toml.load", "get_config", "load_config")
_TARGETS: Final = frozenset({"labels", "label", "target", "targets", "y"})
_LAST_WORD: Final = re.compile(r"\w+")
_CLASS: Final = re.compile(r"[A-Z][a-z]\w*\Z")


class _Tensorlike:
    """Is a tensor where torch wants one."""

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], kinds: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        error: TypeError | None = None
        # It may want sizes; and whatever it is called on may be a tensor all the same.
        for first, others in ((plain, plain), (plain, _as_size), (_as_size, _as_size)):
            given = {name: others(value) for name, value in (kwargs or {}).items()}
            try:
                return function(*map(first, args[:1]), *map(others, args[1:]), **given)
            except TypeError as raised:
                error = error or raised
        raise error or TypeError


class _Unknown:
    """Can be run over, indexed and entered, whatever it is."""

    _path: str
    _guesses: Guesses

    def __iter__(self) -> Iterator[Any]:
        return iter(batches(self._guesses, self._path))

    def __getitem__(self, key: Any) -> Any:
        return Stub(f"{self._path}[]", self._guesses)

    def __len__(self) -> int:
        return 2

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Stub(_Unknown, _Tensorlike):
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
        made: torch.Tensor = self._guesses.tensor(self._path, _usual(_LAST_WORD.findall(self._path)[-1:]))
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator, what is decorated; around something to run over, that; else another unknown."""
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType | type):
            return args[0]
        if args and isinstance(args[0], _PASSED):
            return args[0]
        if self._path.endswith(_LOADING):
            return Options(f"{self._path}()", self._guesses)
        if _CLASS.match(self._path.rpartition(".")[2]):
            return StubModule(f"{self._path}()", self._guesses)
        return Stub(f"{self._path}()", self._guesses)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_base(self._path, self._guesses),)

    def keys(self) -> list[str]:
        """What a table might have: nothing, whatever takes its items as arguments."""
        return []

    def __setitem__(self, key: Any, value: Any) -> None:
        """Taken, and forgotten."""

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, _Unknown)

    def __bool__(self) -> bool:
        return True

    def __index__(self) -> int:
        return 2

    def __int__(self) -> int:
        return 2

    def __float__(self) -> float:
        return 0.5

    def __round__(self, digits: int | None = None) -> float:
        return 2

    def __format__(self, form: str) -> str:
        return "stub"

    def __fspath__(self) -> str:
        return "file"

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self._tensor().detach().numpy()


class Options(Stub):
    """Settings that are not known: each is made up from its name, and may have settings of its own."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        number = by_name(name)
        return number if number is not None else Options(f"{self._path}.{name}", self._guesses)

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, str(key))

    def get(self, name: str, otherwise: Any = None) -> Any:
        """As a dictionary has it."""
        return otherwise if otherwise is not None else getattr(self, name)

    def keys(self) -> list[str]:
        """Those that are there whatever is asked for: none."""
        return []

    def items(self) -> list[tuple[str, Any]]:
        """None either."""
        return []


class StubModule(_Unknown, torch.nn.Module):
    """An object of an unknown class: should it be a layer, it passes its input through; it has any attribute."""

    def __init__(self, path: str, guesses: Guesses) -> None:
        super().__init__()
        self.__dict__.update(_path=path, _guesses=guesses)
        self._parameters["weight"] = torch.nn.Parameter(torch.ones(()))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
            number = by_name(name)
            return number if isinstance(number, int) else Stub(f"{self._path}.{name}", self._guesses)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Its first tensor times the weight; without any, an unknown."""
        tensors = [value for value in (*inputs, *named.values()) if isinstance(value, torch.Tensor)]
        if not tensors:
            return Stub(f"{self._path}()", self._guesses)
        return self._guesses.result(self._path, tensors[0].float() * self.weight)


def _base(path: str, guesses: Guesses) -> type:
    """What an unknown class is for those that inherit from it: a module, built from anything, with any attribute."""

    class Base(StubModule):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            made = torch.nn.Module.__new__(cls)
            StubModule.__init__(made, path, guesses)
            made._parameters.clear()
            return made

        def __init__(self, *_: Any, **__: Any) -> None:
            """Nothing: it has begun already."""

        # Those of modules refuse a name that is there, and here every name is.
        def register_parameter(self, name: str, param: torch.nn.Parameter | None) -> None:
            self._parameters[name] = param

        def register_buffer(self, name: str, tensor: torch.Tensor | None, persistent: bool = True) -> None:
            self._buffers[name] = tensor

        def add_module(self, name: str, module: torch.nn.Module | None) -> None:
            self._modules[name] = module

    return Base


class Batch(_Tensorlike, tuple[Any, ...]):
    """What a loader gives: an input and a target, or a table of tensors by name, or one tensor; as it is used."""

    _path: str
    _guesses: Guesses

    @classmethod
    def of(cls, guesses: Guesses, path: str) -> Batch:
        """A batch of the loader `path`."""
        made = cls(guesses.inputs(path))
        made._path, made._guesses = path, guesses
        return made

    def __getitem__(self, key: Any) -> Any:
        return self._named(key) if isinstance(key, str) else super().__getitem__(key)

    def _named(self, name: str) -> torch.Tensor:
        made: torch.Tensor = self._guesses.tensor(f"{self._path}:{name}", _usual([name]))
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(torch.Tensor, name) and name not in ("data", "names"):
            return getattr(self[0], name)
        return Stub(f"{self._path}.{name}", self._guesses)

    def parts(self, count: int) -> Sequence[Any]:
        """So many tensors, the input and the target first."""
        return [*self[:count], *(self._named(str(number)) for number in range(2, count))]

    def keys(self) -> list[str]:
        """As a table has them."""
        return ["input", "target"]

    def items(self) -> list[tuple[str, Any]]:
        """As a table has them."""
        return list(zip(self.keys(), self, strict=True))

    def values(self) -> list[Any]:
        """As a table has them."""
        return list(self)

    def to(self, *_: Any, **__: Any) -> Batch:
        """Itself: there is one device."""
        return self


def _usual(names: Sequence[str]) -> Spec | None:
    """The first guess of a tensor that goes by one of `names`."""
    return Spec(target=True) if not _TARGETS.isdisjoint(names) else None


def unpacked(guesses: Guesses, value: Any, form: Sequence[Any]) -> Any:
    """`value`, which is about to be unpacked into names: what is not known has so many parts.

    `form` has an item for each name; the form of that part, if it is unpacked in its turn.
    """
    parts = value
    if isinstance(value, Batch):
        parts = value.parts(len(form))
    elif isinstance(value, _Unknown):
        parts = [Stub(f"{value._path}[{number}]", value._guesses) for number in range(len(form))]
    elif guesses.is_result(value):
        parts = [value * 1.0 for _ in form]
    if any(form) and isinstance(parts, list | tuple) and len(parts) == len(form):
        return [unpacked(guesses, part, inner) if inner else part for part, inner in zip(parts, form, strict=True)]
    return parts


def batches(guesses: Guesses, path: str) -> list[Batch]:
    """Two batches."""
    return [Batch.of(guesses, path) for _ in range(2)]


def plain(value: Any) -> Any:
    """What torch is to take for something that is not known, or for a list of such things: tensors."""
    if isinstance(value, Stub):
        return value._tensor()
    if isinstance(value, Batch):
        return value[0]
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def _as_size(value: Any) -> Any:
    """The same, where it wants numbers."""
    if isinstance(value, list | tuple):
        return type(value)(map(_as_size, value))
    return SIZE if isinstance(value, Stub) else plain(value)


def _operation(name: str) -> Callable[..., Any]:
    def operate(self: Stub, *others: Any) -> Any:
        return getattr(self._tensor(), name)(*map(plain, others))

    return operate


_OPERATIONS: Final = (
    *(
        "add",
        "radd",
        "sub",
        "rsub",
        "mul",
        "rmul",
        "truediv",
        "rtruediv",
        "floordiv",
        "rfloordiv",
        "mod",
        "rmod",
        "pow",
        "neg",
        "matmul",
        "rmatmul",
    ),
    *("lt", "le", "gt", "ge", "abs", "invert", "and", "or"),
)
for _each in _OPERATIONS:
    setattr(Stub, f"__{_each}__", _operation(f"__{_each}__"))

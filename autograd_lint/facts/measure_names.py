"""Public names of torch: what they call, and the names and defaults of their parameters."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from autograd_lint.facts.kinds import ABSENT
from autograd_lint.facts.measure_calls import kind_of

_SKIPPED_TYPES: Final = ("Dimname", "Storage", "Stream")
_SPECIAL: Final = {
    **dict.fromkeys(("neg__", "pos__", "invert__", "abs__"), ("self",)),
    "getitem__": ("self", "index"),
    "setitem__": ("self", "index", "value"),
}
"""Python's special methods that do not take `self` and `other`."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The positional parameters of a name, `*` before one that takes all the rest; kinds of the defaults."""

    names: tuple[str, ...]
    defaults: Mapping[str, str]


def resolve(name: str) -> Any:
    """What a public dotted name stands for; `Tensor.mul_` is a method. None when there is no such name."""
    place: Any = torch
    for part in name.removeprefix("torch.").split("."):
        place = getattr(place, part, None)
    return place


def signature(name: str) -> Signature | None:
    """The signature of a public function or method, from Python or from the operator's schemas."""
    function = resolve(name)
    if function is None:
        return None
    if not callable(function):
        return Signature(("self",), {})
    special = name.removeprefix("Tensor.__")
    if special != name:
        return Signature(_SPECIAL.get(special, ("self", "other")), {})
    if inspect.isclass(function):
        return _of_class(function)
    dispatched = _dispatched(function)
    if inspect.isfunction(dispatched):
        return _of_python(dispatched, skip_first=False)
    return _of_schemas(name)


def _of_class(cls: type) -> Signature:
    """The constructor's parameters; `nn.LSTM(*args)` hands them to its base behind one that it sets itself."""
    known = _of_python(cls.__init__, skip_first=True)  # type: ignore[misc]
    if known.names != ("*args",):
        return known
    inherited = _of_python(cls.__mro__[1].__init__, skip_first=True)  # type: ignore[misc]
    return Signature(inherited.names[1:], inherited.defaults)


def forward_signature(cls: type[torch.nn.Module]) -> Signature:
    """The parameters of a module's `forward`."""
    return _of_python(cls.forward, skip_first=True)


def _dispatched(function: Any) -> Any:
    """Behind torch's `boolean_dispatch` wrappers, the function with the fuller signature."""
    if inspect.isfunction(function) and "if_false" in function.__code__.co_freevars:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        return cells["if_true"].cell_contents
    return function


def _of_python(function: Callable[..., Any], *, skip_first: bool) -> Signature:
    names: list[str] = []
    defaults: dict[str, str] = {}
    parameters = list(inspect.signature(function).parameters.values())[skip_first:]
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names.append(f"*{parameter.name}")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = kind_of(parameter.default)
    return Signature(tuple(names), defaults)


def _of_schemas(name: str) -> Signature | None:
    """All overloads of an operator joined: at each position the name that most of them give it, weighed by length.

    What Python calls `input` is `self` here, so that a function and its method are alike.
    """
    overloads = [list(schema.arguments) for schema in _schemas(name)]
    if not overloads:
        return None
    names: list[str] = []
    defaults: dict[str, str] = {}
    for arguments in overloads:
        for argument in arguments:
            if argument.has_default_value():
                kind = kind_of(argument.default_value)
                known = defaults.setdefault(argument.name, kind)
                if known != kind:
                    defaults[argument.name] = ABSENT
    position = 0
    while True:
        votes: Counter[str] = Counter()
        for arguments in overloads:
            if position < len(arguments) and not arguments[position].kwarg_only:
                votes[arguments[position].name] += len(arguments)
        fresh = Counter({given: n for given, n in votes.items() if given not in names}) or votes
        if not fresh:
            break
        names.append(fresh.most_common(1)[0][0])
        position += 1
    return Signature(tuple(dict.fromkeys(names)), defaults)


def _schemas(name: str) -> Iterator[Any]:
    spaces, _, last = name.removeprefix("torch.").rpartition(".")
    space = spaces.rpartition(".")[2]
    candidates = [f"{space}_{last}", last] if space not in ("", "Tensor", "functional") else [last]
    candidates.append(getattr(resolve(name), "__name__", last))  # `F.logsigmoid` is `log_sigmoid` inside
    for candidate in candidates:
        found = False
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{candidate}"):
            if _is_public(schema):
                found = True
                yield schema
        if found:
            return


def _is_public(schema: Any) -> bool:
    """No `out=` overload, none for named dimensions or for TorchScript's own scalars and lists."""
    if any(argument.is_out or any(t in str(argument.type) for t in _SKIPPED_TYPES) for argument in schema.arguments):
        return False
    return any("Tensor" in str(argument.type) for argument in schema.arguments)

"""Reads `ops.json`: what a call of a public name does to autograd, as far as the kinds of its arguments tell.

The file is read at the first question. Names are canonical dotted ones (`torch.nn.functional.relu`), methods are
`Tensor.add_`, `Tensor.__mul__`; modules are asked for by class (`torch.nn.Linear`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from autograd_lint.errors import FactsError
from autograd_lint.facts.codec import decode
from autograd_lint.facts.kinds import ABSENT, NUMBERS, SOME_NUMBER, Look, look
from autograd_lint.facts.model import Effect, ModuleFacts, OptimizerFacts
from autograd_lint.facts.unite import unite


@cache
def _table() -> dict[str, Any]:
    path = files("autograd_lint.facts").joinpath("ops.json")
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FactsError(f"{path}: the measured facts cannot be read ({error}); install autograd-lint again") from error
    return table


def torch_version() -> str:
    """The torch the facts were measured with."""
    return str(_table()["torch"])


def names() -> tuple[str, ...]:
    """All functions and methods that were measured."""
    return tuple(_table()["ops"])


def _operation(name: str) -> dict[str, Any] | None:
    """What the table has of a function or method; where it does the same as another, the table has that one's name."""
    entries: dict[str, Any] = _table()["ops"]
    entry: dict[str, Any] | str | None = entries.get(name)
    return entries[entry] if isinstance(entry, str) else entry


def parameters(name: str) -> tuple[str, ...] | None:
    """The positional parameters of a function, method or module class; `*` before one that takes all the rest."""
    table = _table()
    entry = _operation(name) or table["modules"].get(name)
    return None if entry is None else tuple(table["parameters"][entry["p"]])


def effect(name: str, kinds: Mapping[str, str]) -> Effect | None:
    """What a call of `name` does whose arguments have these `kinds` (see `kinds`); None when it was not measured."""
    entry = _operation(name)
    return None if entry is None else _lookup(name, entry, kinds)


@cache
def integer_dtype(name: str, dtype: str) -> str | None:
    """The dtype that comes of integers of a `dtype`, where floating-point numbers keep theirs; None: not known."""
    short = name.rpartition(".")[2]
    for given, names in _table()["integers"].items():
        if short in names:
            return given or None
    return dtype


def module(name: str, kinds: Mapping[str, str]) -> ModuleFacts | None:
    """Parameters, buffers and inputs of a module class built with options of these kinds; None for an unknown class.

    Where the kinds do not tell which of several sets it has, the largest is given.
    """
    table = _table()
    entry = table["modules"].get(name)
    if entry is None:
        return None
    shows = _shows(entry["m"], entry.get("d", {}), kinds)
    rows = [row for row in entry["w"] if _fits(row, shows)] or entry["w"]
    parameters, buffers = max((row[-2:] for row in rows), key=lambda pair: len(table["parameters"][pair[0]]))
    lists = table["parameters"]
    return ModuleFacts(tuple(lists[parameters]), tuple(lists[buffers]), tuple(entry["i"]))


def is_module(name: str) -> bool:
    """Whether `name` is a module class that was measured."""
    return name in _table()["modules"]


def module_effect(name: str, kinds: Mapping[str, str]) -> Effect | None:
    """What calling a module does; `kinds` are those of its options, its inputs, and `training`."""
    entry = _table()["modules"].get(name)
    return None if entry is None else _lookup(name, entry, kinds)


def optimizer(name: str) -> OptimizerFacts | None:
    """What is known of an optimizer class."""
    entry = _table()["optimizers"].get(name)
    return None if entry is None else OptimizerFacts(*entry)


def _lookup(name: str, entry: Mapping[str, Any], kinds: Mapping[str, str]) -> Effect | None:
    return _matching(name, _shows(entry.get("k", ()), entry.get("d", {}), kinds))


def _shows(features: Sequence[Any], defaults: Mapping[str, str], kinds: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(
        look(kinds.get(parameter) or defaults.get(parameter, ABSENT), Look(closeness))
        for parameter, closeness in features
    )


@cache
def _matching(name: str, shows: tuple[str | None, ...]) -> Effect | None:
    """The effect of the row that fits; what several rows fit is what they agree in.

    Where no row fits, the arguments are such as were not measured: all rows are asked, from the last feature on.
    """
    entry = _operation(name) or _table()["modules"][name]
    found: Sequence[int] = ()
    asked = list(shows)
    while not found:
        found = [row[-1] for row in entry["r"] if _fits(row, asked)]
        if not found:
            last = max(i for i, show in enumerate(asked) if show is not None)
            asked[last] = None
    return unite([_effect(index) for index in dict.fromkeys(found)])


def _fits(row: Sequence[Any], shows: Sequence[str | None]) -> bool:
    return all(
        show is None or show == value or (show == SOME_NUMBER and value in NUMBERS)
        for show, value in zip(shows, row, strict=False)
    )


@cache
def _effect(index: int) -> Effect:
    return decode(_table()["effects"][index])

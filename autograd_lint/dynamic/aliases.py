"""Other names of a tensor's memory that the user's program has made: by `detach()`, `.data`, NumPy."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from autograd_lint.dynamic.records import Place


@dataclass(slots=True, eq=False)
class Alias:
    """One alias, by how and where it was made. `tick` is the number of writes before that."""

    ref: weakref.ref[Any]
    how: str
    place: Place
    address: int
    tick: int


class AliasTable:
    """The aliases that are alive, by the identity of the tensor or array, which a weak reference vouches for."""

    def __init__(self) -> None:
        self._alive: dict[int, Alias] = {}

    def __bool__(self) -> bool:
        return bool(self._alive)

    def add(self, value: Any, how: str, place: Place, *, address: int, tick: int) -> None:
        """Remember that `value` is an alias."""
        key = id(value)

        def forget(ref: weakref.ref[Any], alive: dict[int, Alias] = self._alive) -> None:
            if key in alive and alive[key].ref is ref:
                del alive[key]

        self._alive[key] = Alias(weakref.ref(value, forget), how, place, address, tick)

    def find(self, value: Any) -> Alias | None:
        """The alias that `value` is."""
        alias = self._alive.get(id(value))
        return alias if alias is not None and alias.ref() is value else None

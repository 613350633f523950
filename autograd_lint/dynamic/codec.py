"""Events and testimonies as JSON: they are made in one interpreter and judged in another."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Final

from autograd_lint import events, evidence, finding

_CLASS: Final = "="
"""The key under which an object says what it is."""


def to_json(value: object) -> Any:
    """`value` in terms of JSON: numbers and texts as they are, the rest of the vocabulary by name."""
    if isinstance(value, enum.Enum):
        return {_CLASS: type(value).__name__, "name": value.name}
    if is_dataclass(value) and not isinstance(value, type):
        # What has its usual value is left out.
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        usual = {part.name: part.default for part in fields(value)}
        kept = {name: to_json(item) for name, item in parts.items() if item is None or item != usual[name]}
        return {_CLASS: type(value).__name__, **kept}
    if isinstance(value, tuple | list | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {"": [[to_json(key), to_json(item)] for key, item in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is no part of the vocabulary")


def from_json(data: Any) -> Any:
    """What `to_json` was given. ValueError if `data` cannot come from there; sets come back as tuples."""
    if isinstance(data, list):
        return tuple(from_json(item) for item in data)
    if not isinstance(data, dict):
        return data
    try:
        if _CLASS not in data:
            return {from_json(key): from_json(item) for key, item in data[""]}
        kind = _vocabulary()[data[_CLASS]]
        if issubclass(kind, enum.Enum):
            return kind[data["name"]]
        return kind(**{name: from_json(item) for name, item in data.items() if name != _CLASS})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not of the vocabulary: {error}") from error


@cache
def _vocabulary() -> Mapping[str, type]:
    """The classes that may travel, by name; no other can be made from what a program sent."""
    return {
        name: kind
        for module in (events, evidence, finding)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, enum.Enum))
    }

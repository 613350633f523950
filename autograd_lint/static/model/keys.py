"""Keys of dicts: constants, tuples of them, and tensors, which are one key where they are one tensor."""

from __future__ import annotations

from typing import Final

from autograd_lint.static.model.values import Const, Seq, Tensor, Value

NO_KEY: Final = object()
"""Stands for a key that is not known."""


def key_of(value: Value | None) -> object:
    """The key of a `Dict` that `value` is; `NO_KEY` when it is not known.

    What was written by a key that is not known is kept under the unknown value itself.
    """
    if type(value) is Const:
        plain = isinstance(value.value, str | int | float | bytes | type(None))
        return value.value if plain else NO_KEY
    if type(value) is Tensor:
        return value
    if type(value) is Seq and value.kind == "tuple" and not value.open:
        parts = tuple(key_of(item) for item in value.items)
        return NO_KEY if NO_KEY in parts else parts
    return NO_KEY


def key_value(key: object) -> Value:
    """The key as a value of the program."""
    if isinstance(key, Value):
        return key
    if isinstance(key, tuple):
        return Seq("tuple", [key_value(part) for part in key])
    return Const(key)

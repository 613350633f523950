"""Parameters by their names, as `named_parameters()` gives them."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.static.model.values import Const, Instance, NNModule, Seq, Tensor, Unknown, Value


def named_parameters_of(value: Value) -> list[Value]:
    """Pairs of name and parameter, as far as known; a parameter known under two names comes once."""
    found: dict[int, Value] = {}
    for name, tensor in _walk(value, "", set()):
        found.setdefault(id(tensor), Seq("tuple", [Unknown() if "?" in name else Const(name), tensor]))
    return list(found.values())


def _walk(value: Value, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """What a module registers itself comes before what the modules below it do."""
    if (
        id(value) in seen
        or not isinstance(value, NNModule | Instance)
        or (type(value) is Instance and not value.module)
    ):
        return
    seen.add(id(value))
    own = dict(value.attrs)
    if isinstance(value, NNModule):
        own = {**value.params, **value.children, **own}
    for name, item in own.items():
        if isinstance(item, Tensor) and item.parameter:
            yield prefix + name, item
    for name, item in own.items():
        if isinstance(item, NNModule | Instance):
            yield from _walk(item, prefix if name == "__base__" else f"{prefix}{name}.", seen)

"""What a module has registered: the modules below it, and their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.static.model.values import Const, Instance, NNModule, Seq, Tensor, Unknown, Value


def submodules(value: Value, seen: set[int] | None = None) -> Iterator[NNModule | Instance]:
    """The module itself and all modules registered below it."""
    seen = set() if seen is None else seen
    if id(value) in seen or not isinstance(value, NNModule | Instance):
        return
    if isinstance(value, Instance) and not value.module:
        return
    seen.add(id(value))
    yield value
    below = value.children.values() if isinstance(value, NNModule) else list(value.attrs.values())
    for child in below:
        yield from submodules(child, seen)


def named_children_of(value: NNModule | Instance) -> Iterator[tuple[str, NNModule | Instance]]:
    """The modules registered right below `value`, with their names."""
    below = value.children if isinstance(value, NNModule) else value.attrs
    for name, child in list(below.items()):
        if isinstance(child, Instance) and not child.module:
            continue
        if name == "__base__" and isinstance(child, NNModule):
            yield from named_children_of(child)
        elif isinstance(child, NNModule | Instance):
            yield name, child


def named_submodules(
    value: NNModule | Instance, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, NNModule | Instance]]:
    """The module itself and all modules registered below it, with their dotted names; each of them once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield prefix, value
    for name, child in named_children_of(value):
        yield from named_submodules(child, f"{prefix}.{name}" if prefix else name, seen)


def parameters_of(value: Value) -> list[Tensor]:
    """The parameters `value.parameters()` gives, as far as known."""
    found: dict[int, Tensor] = {}
    for module in submodules(value):
        if isinstance(module, NNModule):
            own = [*module.params.values(), *module.children.values(), *module.attrs.values()]
        else:
            own = list(module.attrs.values())
        for item in own:
            if isinstance(item, Tensor) and item.parameter:
                found[id(item)] = item
    return list(found.values())


def is_open_module(value: Value) -> bool:
    """There may be parameters below that are not known."""
    for module in submodules(value):
        if isinstance(module, NNModule):
            if module.open or any(isinstance(child, Unknown) for child in module.children.values()):
                return True
        elif module.cls.opaque or any(isinstance(v, Unknown) and not v.kind for v in module.attrs.values()):
            return True
    return False


def named_parameters_of(value: Value) -> list[Value]:
    """Pairs of name and parameter, as far as known; a parameter known under two names comes once."""
    found: dict[int, Value] = {}
    for name, tensor in named_tensors(value):
        if tensor.parameter:
            found.setdefault(id(tensor), Seq("tuple", [Unknown() if "?" in name else Const(name), tensor]))
    return list(found.values())


def named_tensors(value: Value) -> Iterator[tuple[str, Tensor]]:
    """The parameters of a module, and the buffers of torch's own ones, under each of their names."""
    yield from _walk(value, "", set())


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
    buffers: dict[str, Tensor] = {}
    if isinstance(value, NNModule):
        own = {**value.params, **value.children, **own}
        buffers = value.buffers
    for name, item in own.items():
        if isinstance(item, Tensor) and item.parameter:
            yield prefix + name, item
    for name, item in buffers.items():
        yield prefix + name, item
    for name, item in own.items():
        if isinstance(item, NNModule | Instance):
            yield from _walk(item, prefix if name == "__base__" else f"{prefix}{name}.", seen)

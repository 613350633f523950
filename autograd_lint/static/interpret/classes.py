"""User classes and what they derive from."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.static.model.values import Class, Value


def class_chain(cls: Class) -> Iterator[Value]:
    """The class and its bases, nearest first (depth first, as good as the MRO for single inheritance)."""
    yield cls
    for base in cls.bases:
        if isinstance(base, Class):
            yield from class_chain(base)
        else:
            yield base


def find_in_class(cls: Class, name: str, *, after: Class | None = None) -> tuple[Value | None, Class | None]:
    """The attribute `name` of a class; `after` skips everything up to and including that class."""
    skipping = after is not None
    for link in class_chain(cls):
        if isinstance(link, Class):
            if not skipping and name in link.attrs:
                return link.attrs[name], link
            skipping = skipping and link is not after
    return None, None

"""Goes through LibCST trees by their fields: what is below a node, without white space, comments and brackets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Final

import libcst as cst

_LAYOUT: Final = frozenset(
    [
        "lpar",
        "rpar",
        "comma",
        "semicolon",
        "equal",
        "colon",
        "dot",
        "lbracket",
        "rbracket",
        "lbrace",
        "rbrace",
        "leading_lines",
        "lines_after_decorators",
        "header",
        "footer",
        "indent",
    ]
)
"""Fields that hold white space, comments and brackets only."""


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes right below `node`, those of the layout left out."""
    for name in fields_of(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, cst.CSTNode))


def subtree(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`node` and all nodes below it in the order of the source, those of the layout left out."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(list(children(here))))


def descendants(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """All nodes below `node`, those of the layout left out."""
    return islice(subtree(node), 1, None)


@cache
def fields_of(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The names of the fields that hold more than layout."""
    names = (field.name for field in dataclasses.fields(kind))
    return tuple(name for name in names if name not in _LAYOUT and not name.startswith(("whitespace", "asynchronous")))

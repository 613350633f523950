"""Follows the graphs that passes have been through: which of them are still alive rounds later."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Final

import torch

from autograd_lint.dynamic.graph import Graph, held_tensors
from autograd_lint.dynamic.records import KeptGraphs, Place, Records
from autograd_lint.dynamic.watch import address_of

_KEY: Final = "autograd_lint.kept"
_MOST: Final = 32
_MANY: Final = 3
"""So many graphs of earlier rounds are no accident: one or two are alive while names still refer to them."""


class _Token:
    """Lives in a node, and as long as that; `numbers` are those of the nodes below."""

    __slots__ = ("__weakref__", "numbers")

    def __init__(self, numbers: frozenset[int]) -> None:
        self.numbers = numbers


class KeptRounds:
    """The graphs that the passes at one place have been through."""

    def __init__(self) -> None:
        self._tokens: list[weakref.ref[_Token]] = []
        self._known: dict[int, int] = {}

    def pass_begins(self, graph: Graph, root: Any, place: Place, records: Records) -> None:
        """Count what is alive of earlier rounds, and mark the graph of this one."""
        alive = [token for ref in self._tokens if (token := ref()) is not None]
        if len(alive) < len(self._tokens):
            self._tokens = [weakref.ref(token) for token in alive]
        if len(alive) >= _MANY:
            nodes = len(frozenset[int]().union(*(token.numbers for token in alive)))
            records.kept[place] = KeptGraphs(place, len(alive), nodes)
        node: Any = root.grad_fn if isinstance(root, torch.Tensor) else None
        if node is not None and len(alive) < _MOST:
            token = _Token(frozenset(graph.nodes.values()))
            node.metadata[_KEY] = token
            self._tokens.append(weakref.ref(token))


def held_bytes(graph: Graph) -> int:
    """The bytes of what a graph holds saved, each memory once; leaves would be there anyway."""
    leaves = {address_of(leaf) for leaf in graph.leaves}
    sizes = dict(_sizes(graph))
    return sum(size for address, size in sizes.items() if address not in leaves)


def _sizes(graph: Graph) -> Iterator[tuple[int, int]]:
    for node in graph.nodes:
        for tensor in held_tensors(node):
            address = address_of(tensor)
            if address:
                yield address, torch._C.TensorBase.untyped_storage(tensor).nbytes()

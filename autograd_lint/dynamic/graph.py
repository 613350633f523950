"""Walks the graph of autograd: which nodes a backward runs, what they saved, which of that is gone or changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Final

import torch

from autograd_lint.dynamic.refusals import failure_of, is_stale
from autograd_lint.events import Failure

_LIMIT: Final = 50_000
_RAW: Final = "_raw_saved_"
_NUMBER: Final = itemgetter(1)
_SELECTING: Final = frozenset(f"{name}Backward0" for name in ("Select", "Slice", "Index", "Unsqueeze", "Alias"))


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes that a backward from some roots reaches, each with its number, later ones first, and its leaves."""

    nodes: dict[Any, int]
    leaves: tuple[torch.Tensor, ...]

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the nodes that free something when they run."""
        names = _NAMES
        return frozenset([number for node, number in self.nodes.items() if names[type(node)]])


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor that a node saved, under the name of the operand."""

    node: Any
    attribute: str
    tensor: torch.Tensor


def walk(roots: Iterable[Any]) -> Graph:
    """The graph under `roots`; the first nodes of one that is too large."""
    leaves: dict[int, torch.Tensor] = {}
    nodes: dict[Any, int] = {}
    stack = [node for node in map(_node_of, roots) if node is not None]
    while stack and len(nodes) < _LIMIT:
        node = stack.pop()
        if node in nodes:
            continue
        if type(node).__name__ == "AccumulateGrad":
            leaves[id(node.variable)] = node.variable
            continue
        nodes[node] = node._sequence_nr()
        for following, _ in node.next_functions:
            if following is not None:
                stack.append(following)
    later_first = dict(sorted(nodes.items(), key=_NUMBER, reverse=True))
    return Graph(later_first, tuple(leaves.values()))


def _node_of(root: Any) -> Any:
    if not isinstance(root, torch.Tensor):
        return getattr(root, "node", None)  # a GradientEdge
    try:
        return root.grad_fn if root.grad_fn is not None else _accumulator(root)
    except RuntimeError:
        return None  # a view that torch refuses to use any more


def _accumulator(leaf: torch.Tensor) -> Any:
    return torch.autograd.graph.get_gradient_edge(leaf).node if leaf.requires_grad else None


class _Names(dict[type, tuple[str, ...]]):
    """The names under which nodes of a type save tensors."""

    def __missing__(self, kind: type) -> tuple[str, ...]:
        names = tuple(name.removeprefix(_RAW) for name in dir(kind) if name.startswith(_RAW))
        self[kind] = names = names or (("tensors",) if hasattr(kind, "_raw_saved_tensors") else ())
        return names


_NAMES: Final = _Names()


def saved_tensors(node: Any) -> Iterator[Saved]:
    """What a node still holds. What hooks have packed is left alone: unpacking would call them."""
    for name in _NAMES[type(node)]:
        packed = _packed(node, name)
        for number, item in enumerate(packed):
            tensor = None if item is None or item.unpack_hook is not None else item.data
            if tensor is not None:
                yield Saved(node, name if len(packed) == 1 else f"{name}[{number}]", tensor)


def held_tensors(node: Any) -> Iterator[torch.Tensor]:
    """What a node still holds, also where the observer's own hooks have packed it."""
    for name in _NAMES[type(node)]:
        for item in _packed(node, name):
            if item is not None:
                tensor = item.data if item.unpack_hook is None else getattr(item.data, "kept", None)
                if isinstance(tensor, torch.Tensor):
                    yield tensor


def _packed(node: Any, name: str) -> Sequence[Any]:
    """What is saved under a name: one, or a list, which raises once it is freed."""
    try:
        raw = getattr(node, _RAW + name)
    except RuntimeError:
        return ()
    return raw if isinstance(raw, list | tuple) else (raw,)


def is_changed(saved: Saved) -> bool:
    """Whether torch would refuse what was saved because its version moved."""
    return refusal_of(saved) is not None


def refusal_of(saved: Saved) -> RuntimeError | None:
    """What torch says when it would refuse what was saved because its version moved."""
    error = _error_of(saved.node, saved.attribute.partition("[")[0])
    return error if error is not None and is_stale(error) else None


def find_changed(nodes: Iterable[Any]) -> Iterator[Saved]:
    """What torch would refuse, in the order in which backward meets it."""
    for node in nodes:
        for saved in saved_tensors(node):
            if is_changed(saved):
                yield saved


def find_freed(nodes: Iterable[Any]) -> Iterator[Any]:
    """The nodes that some backward has freed, in the order in which backward runs them."""
    for node in nodes:
        errors = (_error_of(node, name) for name in _NAMES[type(node)])
        if any(error is not None and failure_of(error) is Failure.TWICE for error in errors):
            yield node


def _error_of(node: Any, name: str) -> RuntimeError | None:
    if any(item is not None and item.unpack_hook is not None for item in _packed(node, name)):
        return None
    try:
        getattr(node, "saved_tensors" if name == "tensors" else f"_saved_{name}")
    except RuntimeError as error:
        return error
    return None


def lost_leaves(graph: Graph) -> Iterator[tuple[Any, torch.Tensor]]:
    """Leaves that nothing but the graph holds, with the node that used it and it alone. Parameters are left out."""
    users: dict[int, list[Any]] = {}
    for node in graph.nodes:
        inputs = [following for following, _ in node.next_functions if following is not None]
        for following in inputs if len(inputs) == 1 else ():
            if type(following).__name__ == "AccumulateGrad":
                users.setdefault(id(following.variable), []).append(node)
    for leaf in graph.leaves:
        nodes = users.get(id(leaf), [])
        if type(leaf) is torch.Tensor and len(nodes) == 1 and sys.getrefcount(leaf) == _references_when_lost():
            yield nodes[0], leaf


def selections(graph: Graph) -> Iterator[Any]:
    """The nodes that take a part of what another node computed."""
    for node in graph.nodes:
        if type(node).__name__ in _SELECTING:
            inputs = [following for following, _ in node.next_functions if following is not None]
            if any(type(following).__name__ != "AccumulateGrad" for following in inputs):
                yield node


@cache
def _references_when_lost() -> int:
    """What the reference count of a leaf is in `lost_leaves` when only the graph holds it: measured, once."""
    with torch.enable_grad():
        made = torch.ones(1, requires_grad=True).neg()
    graph = walk([made])
    for leaf in graph.leaves:
        return sys.getrefcount(leaf)
    return 0

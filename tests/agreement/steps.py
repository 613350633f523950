"""Watches for steps written out by hand: a leaf written from its own gradient, and a backward that then adds to that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.agreement.watch import around_backward, leaves_of, program_line, storage_of, written


@dataclass
class HandSteps:
    """`summed` are the lines of backwards that added to a gradient which a step written out had used.

    What was computed from a gradient is followed by memory; every tensor met is kept, so that none is used twice.
    """

    summed: set[int] = field(default_factory=set)
    _leaves: dict[int, torch.Tensor] = field(default_factory=dict)
    _followed: dict[int, frozenset[int]] = field(default_factory=dict)
    _used: dict[int, tuple[int, int]] = field(default_factory=dict)
    _kept: list[torch.Tensor] = field(default_factory=list)

    def around(self, run: Callable[[], Any], roots: Sequence[torch.Tensor]) -> Any:
        """A backward: compares the gradients of the leaves before and after."""
        line = program_line()
        leaves = leaves_of(roots)
        for leaf in leaves:
            self._wrote(leaf, self._of([leaf]))  # by `.data =`, which no mode sees
        used = [leaf for leaf in leaves if leaf.grad is not None and self._used.get(id(leaf)) == _state(leaf.grad)]
        result = run()
        for leaf in leaves:
            self._leaves[id(leaf)] = leaf
            if leaf.grad is not None:
                self._follow(leaf.grad, frozenset({id(leaf)}))
        for leaf in used:
            if leaf.grad is not None and _state(leaf.grad) != self._used[id(leaf)] and line is not None:
                self.summed.add(line)
                self._used[id(leaf)] = _state(leaf.grad)
        return result

    def computed(
        self, given: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor], into: list[torch.Tensor]
    ) -> None:
        """An operation took `given`, gave `outputs` and wrote `into`."""
        source = self._of(given)
        for tensor in outputs if source else ():
            if tensor.is_floating_point() and not any(tensor is leaf for leaf in self._leaves.values()):
                self._follow(tensor, source)
        for tensor in into:
            self._wrote(tensor, source)

    def _wrote(self, tensor: torch.Tensor, source: frozenset[int]) -> None:
        for key in source:
            leaf = self._leaves[key]
            if leaf.grad is not None and storage_of(leaf) == storage_of(tensor):
                self._used[key] = _state(leaf.grad)

    def _of(self, tensors: Sequence[torch.Tensor]) -> frozenset[int]:
        return frozenset().union(*(self._followed.get(storage_of(tensor), frozenset()) for tensor in tensors))

    def _follow(self, tensor: torch.Tensor, source: frozenset[int]) -> None:
        self._kept.append(tensor)
        where = storage_of(tensor)
        self._followed[where] = self._followed.get(where, frozenset()) | source


class _Followed(TorchDispatchMode):
    def __init__(self, steps: HandSteps) -> None:
        super().__init__()
        self._steps = steps

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given, outputs = (
            [t for t in tree_leaves(part) if isinstance(t, torch.Tensor)] for part in ((args, kwargs), result)
        )
        self._steps.computed(given, outputs, list(written(func._schema.arguments, args, kwargs)))
        return result


def _state(grad: torch.Tensor) -> tuple[int, int]:
    return id(grad), grad._version


@contextmanager
def following(steps: HandSteps) -> Iterator[None]:
    """Runs the body and notes what it does to gradients in `steps`."""
    with _Followed(steps), around_backward(steps.around):
        yield

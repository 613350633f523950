"""Which nodes of a backward make a gradient that is NaN or infinite of one that is neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import torch

from autograd_lint.dynamic.frames import shown_filename
from autograd_lint.dynamic.graph import held_tensors, walk
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import NodeFacts
from autograd_lint.evidence import Spoilt

_MOST: Final = 100


class Spoiling:
    """Looks at the gradients on their way through each node; `node` tells where one was made."""

    def __init__(self, node: Callable[[Any], NodeFacts]) -> None:
        self.found: dict[Spoilt, None] = {}
        self._node = node

    def install(self, patches: Patches) -> None:
        """Hang hooks on the graph of each backward, and take them off after it."""
        original: Any = torch.autograd.backward

        def backward(tensors: Any, /, *args: Any, **kwargs: Any) -> Any:
            handles = self._hang(tensors) or []
            try:
                return original(tensors, *args, **kwargs)
            finally:
                for handle in handles:
                    handle.remove()

        patches.set(torch.autograd, "backward", dressed(backward, original))

    @guarded
    def _hang(self, tensors: Any) -> list[Any]:
        roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
        nodes = (node for node in walk(roots).nodes if not _is_given_nan(node))
        return [node.register_hook(self._watch(self._node(node))) for node in nodes]

    def _watch(self, node: NodeFacts) -> Callable[..., None]:
        def look(after: Iterable[Any], before: Iterable[Any]) -> None:
            if node.place is not None and len(self.found) < _MOST and _finite(before) and not _finite(after):
                place = node.place
                self.found[Spoilt(node.name, shown_filename(place.filename), place.range.start.row)] = None

        return look


def _is_given_nan(node: Any) -> bool:
    """Whether the value was spoilt before: the node can do nothing about it."""
    with torch.no_grad():
        return any(bool(torch.isnan(each).any()) for each in held_tensors(node) if each.is_floating_point())


def _finite(gradients: Iterable[Any]) -> bool:
    with torch.no_grad():
        return all(bool(torch.isfinite(each).all()) for each in gradients if isinstance(each, torch.Tensor))

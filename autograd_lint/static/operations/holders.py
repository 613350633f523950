"""Who holds a tensor that is about to be written: whether its write can be seen through anything but one name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Dict, Env, Instance, Seq, Tensor, Unknown, Value

_JOINS: Final = frozenset({"+", "-", "add", "sub", "cat", "concat", "stack", "hstack", "vstack"})
_PRODUCTS: Final = frozenset({"@", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "linear"})


def is_spare(run: Run, tensor: Tensor) -> bool:
    """Whether a layer, a matrix product or a join made `tensor`, none of which saves it, and one name at most holds it.

    To write there is how networks save memory: a residual's `out += identity`, a `ReLU(inplace=True)` after a layer.
    """
    root = tensor.base or tensor
    saves_result = root.node is not None and any(saved.result for saved in root.node.saved)
    return _is_layer(root.made_by) and not saves_result and _holders(run, tensor) <= 1


def _is_layer(made_by: str) -> bool:
    """A module of `torch.nn`, or an operation that joins what layers gave."""
    return table.is_module(f"torch.nn.{made_by}") or made_by in _JOINS | _PRODUCTS or made_by.startswith("conv")


def _holders(run: Run, tensor: Tensor) -> int:
    """How many names and attributes in reach hold the memory of `tensor`."""
    seen: set[int] = set()
    count = 0
    for env in _scopes(run):
        if id(env) not in seen:
            seen.add(id(env))
            count += sum(_holds(value, tensor) for value in list(env.names.values()))
    return count


def _scopes(run: Run) -> Iterator[Env]:
    for frame in run.frames:
        scope: Env | None = frame.env
        while scope is not None:
            yield scope
            scope = scope.parent


def _holds(value: Value, tensor: Tensor, *, deep: bool = True) -> bool:
    if isinstance(value, Tensor):
        return value.memory is tensor.memory
    if isinstance(value, Unknown):
        return value.tensor is not None and value.tensor.memory is tensor.memory
    if deep and isinstance(value, Seq):
        return any(_holds(item, tensor, deep=False) for item in value.items)
    if deep and isinstance(value, Dict):
        return any(_holds(item, tensor, deep=False) for item in value.items.values())
    attributes = value.attrs.values() if deep and isinstance(value, Instance) else ()
    return any(_holds(item, tensor, deep=isinstance(item, Seq | Dict)) for item in attributes)

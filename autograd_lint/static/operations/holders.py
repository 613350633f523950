"""Who holds a tensor that is about to be written: whether its write can be seen through anything but one name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Dict, Env, Instance, Seq, Tensor, Unknown, Value

_JOINS: Final = frozenset({"+", "-", "add", "sub", "cat", "concat", "stack", "hstack", "vstack"})
_PRODUCTS: Final = frozenset({"@", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "linear"})
_SUMS: Final = frozenset({"sum", "mean", "nansum", "nanmean", "log_prob"})
_COPIES: Final = frozenset({"clone", "repeat", "tile"})


def is_spare(run: Run, tensor: Tensor, *, added: bool = False) -> bool:
    """Whether nobody has saved what `tensor` is, and one name at most holds it: a layer, a module, a matrix product, a
    sum or a loss gave it; or it is a number, and something is `added` to it.

    To write there is how networks save memory, and losses are summed: `out += identity` at the end of a residual, a
    `ReLU(inplace=True)` after a layer, `loss += weight * penalty`.
    """
    root = tensor.base or tensor
    number = added and root.layout is not None and not root.layout.shape
    known = root.layer or _is_layer(root.made_by) or number
    return known and not _saved_by_maker(root) and _holders(run, tensor) <= 1


def is_scattered(run: Run, tensor: Tensor, index: Value) -> bool:
    """Whether a mask or tensors of indices tell where a write goes, into what was just made to be filled, and not once
    a round of a loop: no join of parts says the same."""
    root = tensor.base or tensor
    if not _has_tensors(index) or root.loops != run.machine.loops:
        return False
    made_here = root.site is not None and not root.made_by  # by `zeros` or the like
    named = any(isinstance(value, Tensor) and value.memory is root.memory for value in run.env.names.values())
    if not named or not (made_here or root.made_by in _COPIES):
        return named and is_spare(run, tensor)
    return not _saved_by_maker(root) and _holders(run, tensor) <= 1


def _has_tensors(index: Value) -> bool:
    if isinstance(index, Seq) and index.kind == "tuple":
        return any(_has_tensors(item) for item in index.items)
    given = index.tensor if isinstance(index, Unknown) and index.kind == "tensor" else index
    return isinstance(given, Tensor) and (given.layout is None or bool(given.layout.shape) or given.dtype == "bool")


def _saved_by_maker(root: Tensor) -> bool:
    return root.node is not None and any(saved.result for saved in root.node.saved)


def _is_layer(made_by: str) -> bool:
    """A module of `torch.nn`, its function, a loss, or an operation that joins what layers gave."""
    if made_by in _JOINS or made_by in _PRODUCTS or made_by in _SUMS or made_by.startswith("conv"):
        return True
    return is_module_or_loss(made_by)


def is_module_or_loss(made_by: str) -> bool:
    """A module of `torch.nn`, or a function that is a loss."""
    return table.is_module(f"torch.nn.{made_by}") or made_by.endswith(("_loss", "cross_entropy", "_with_logits"))


def _holders(run: Run, tensor: Tensor) -> int:
    """How many names, and places in objects that names in reach hold, have the memory of `tensor`."""
    values: dict[int, Value] = {}  # what several names hold is one holder, as an object and the `self` of its method
    tensors = 0
    seen: set[int] = set()
    for env in _scopes(run):
        if id(env) not in seen:
            seen.add(id(env))
            for value in list(env.names.values()):
                if isinstance(value, Tensor | Unknown):
                    tensors += _holds(value, tensor)
                else:
                    values[id(value)] = value
    return tensors + sum(_holds(value, tensor) for value in values.values())


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

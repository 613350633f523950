"""Who holds a tensor that is about to be written: whether its write can be seen through anything but one name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import libcst as cst

from autograd_lint.events import Site
from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Dict, Env, Instance, Seq, Tensor, Unknown, Value
from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.walk import descendants, subtree

_JOINS: Final = frozenset({"+", "-", "add", "sub", "cat", "concat", "stack", "hstack", "vstack"})
_PRODUCTS: Final = frozenset({"@", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "linear"})
_SUMS: Final = frozenset({"sum", "mean", "nansum", "nanmean", "log_prob"})
_COPIES: Final = frozenset({"clone", "repeat", "tile"})


def is_spare(run: Run, tensor: Tensor, at: Site | None = None, *, added: bool = False) -> bool:
    """Whether nobody has saved what `tensor` is, and one name at most holds it that is met again after `at`: a layer, a
    module, a matrix product, a sum or a loss gave it; or it is a number, and something is `added` to it.

    To write there is how networks save memory, and losses are summed: `out += identity` at the end of a residual, a
    `ReLU(inplace=True)` after a layer, `loss += weight * penalty`.
    """
    root = tensor.base or tensor
    number = added and root.layout is not None and not root.layout.shape
    known = root.layer or _is_layer(root.made_by) or number
    if not known or _saved_by_maker(root):
        return False
    holders = _holders(run, tensor)
    return holders <= 1 or (at is not None and holders - _met_no_more(run, tensor, at) <= 1)


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


def _met_no_more(run: Run, tensor: Tensor, at: Site) -> int:
    """How many names of the function at work hold it, and do not occur from `at` on."""
    frame = run.frame
    if frame.function is None or len(run.machine.loops) > frame.loops:
        return 0  # in a loop, what stands before comes again
    order, last = _occurrences(frame.function.node)
    here = order.get(id(at.token))
    names = frame.env.names.items()
    return 0 if here is None else sum(_holds(value, tensor) and last.get(name, here) < here for name, value in names)


@lru_cache(maxsize=4)
def _occurrences(function: ir.FunctionDef | ir.Lambda) -> tuple[dict[int, int], dict[str, int]]:
    """The places of calls and assignments in the order of the source, and where each name occurs last.

    What an inner function names may be met at any time.
    """
    order: dict[int, int] = {}
    last: dict[str, int] = {}
    for index, node in enumerate(descendants(function.cst)):
        if isinstance(node, cst.FunctionDef | cst.Lambda):
            last.update((inner.value, sys.maxsize) for inner in subtree(node) if isinstance(inner, cst.Name))
        elif isinstance(node, cst.Name):
            last[node.value] = max(index, last.get(node.value, 0))
        elif isinstance(node, cst.Call | cst.AugAssign):
            order[id(node)] = index
    return order, last


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

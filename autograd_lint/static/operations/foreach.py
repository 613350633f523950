"""`torch._foreach_add_(tensors, …)` and its kin: the operation done to each tensor of a list for itself."""

from __future__ import annotations

from typing import Final

from autograd_lint.events import How
from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import NONE, Seq, Tensor, Value
from autograd_lint.static.operations.tensor_methods import bind_method
from autograd_lint.static.operations.tensors import apply_named
from autograd_lint.static.syntax import ir

PREFIX: Final = "torch._foreach_"
_UNDERIVED: Final = "copy_"
"""Recorded, and backward says that its derivative is not implemented."""


def call_foreach(run: Run, name: str, args: Args, node: ir.Node) -> Value | None:
    """What the call gives; None when a list is not known to its end, or the table does not know the operation."""
    op = name.removeprefix(PREFIX)
    lists = [value for value in args.all() if isinstance(value, Seq)]
    if not args.pos or not isinstance(args.pos[0], Seq) or any(lst.open for lst in lists):
        return None
    if table.parameters(f"Tensor.{op}") is None or len({len(lst.items) for lst in lists}) != 1:
        return None
    results = []
    for index in range(len(lists[0].items)):
        first, *rest = (_element(value, index) for value in args.pos)
        keywords = {key: _element(value, index) for key, value in args.kw.items()}
        bound = bind_method(f"Tensor.{op}", first, Args(rest, keywords))
        result = apply_named(run, f"Tensor.{op}", bound, node, how=How.FUNCTION)
        if result is None:
            return None
        if op == _UNDERIVED and isinstance(first, Tensor) and first.node is not None and first.node.op == op:
            first.node.derivative = False
        results.append(result)
    return NONE if op.endswith("_") else Seq("tuple", results)


def _element(value: Value, index: int) -> Value:
    return value.items[index] if isinstance(value, Seq) else value

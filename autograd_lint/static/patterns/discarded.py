"""Results that are thrown away: `x.detach()` alone on a line changes nothing."""

from __future__ import annotations

from typing import Final

from autograd_lint.events import Discarded
from autograd_lint.facts import table
from autograd_lint.static.interpret.state import Pure, Run
from autograd_lint.static.model.values import Tensor, Tri
from autograd_lint.static.operations.tensor_methods import CONVERSIONS
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.syntax import ir

_RESHAPING: Final = frozenset(
    {"view", "reshape", "permute", "flatten", "expand", "expand_as", "repeat", "contiguous", "view_as", "tile"}
)
_TAKEN_FOR_CHANGES: Final = CONVERSIONS | _RESHAPING | {"detach"}


def note_discarded(run: Run, pure: Pure) -> None:
    """The result of `pure` goes nowhere, though it reads as if the tensor itself were changed.

    Only a tensor that has a name is there to be used afterwards; only an operation that could have changed it (it
    converts or reshapes, or has an in-place form) is taken for one that does. A program that tries what torch accepts
    has no use for the result.
    """
    machine, node = run.machine, pure.node
    if machine.catching or machine.expecting or not isinstance(node, ir.Call) or not isinstance(node.func, ir.Attr):
        return
    base = node.func.base
    in_place = table.parameters(f"Tensor.{pure.name}_") is not None
    if not isinstance(base, ir.Name | ir.Attr) or not (in_place or pure.name in _TAKEN_FOR_CHANGES):
        return
    differs = _differs(run, pure)
    if differs is not False:
        target = machine.ref(pure.tensor, describe(base))
        machine.emit(
            Discarded(site=run.site(node), certain=differs is True, target=target, op=pure.name, in_place=in_place)
        )


def _differs(run: Run, pure: Pure) -> Tri:
    """Whether the result is something else than the tensor."""
    if pure.name == "detach":
        return run.machine.requires(pure.tensor)
    if pure.result is pure.tensor:
        return False
    return None if isinstance(pure.result, Tensor) and pure.result.maybe_of is not None else True

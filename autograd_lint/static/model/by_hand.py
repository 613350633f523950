"""Steps written out by hand: a leaf that is set to what was computed from its own gradient.

What an optimizer's `step` does in one call is then a few operations, and nothing names them as a step. So the numbers
computed from a gradient are followed, from memory to memory, until they are written into the leaf it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from autograd_lint.events import Site
from autograd_lint.static.model.dtypes import INTEGERS
from autograd_lint.static.model.machine import GradientUse
from autograd_lint.static.model.values import Tensor

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run


def follow_gradients(
    run: Run, operands: Iterable[Tensor], outputs: Iterable[Tensor], written: Iterable[Tensor], site: Site
) -> None:
    """An operation at `site` computed `outputs`, and what it wrote into `written`, from `operands`."""
    uses = tuple(dict.fromkeys(use for tensor in operands for use in _uses(tensor)))
    if not uses:
        return
    for tensor in outputs:
        if tensor.dtype not in INTEGERS and not tensor.memory.gradients:
            tensor.memory.gradients = uses
    for tensor in written:
        if tensor.grad_owner is not None:
            tensor.grad_owner.grad_stepped = None  # somebody sees to what is left of it
        if not note_written(run, tensor, uses, site):
            tensor.memory.gradients = tuple(dict.fromkeys((*tensor.memory.gradients, *uses)))


def note_moved(run: Run, leaf: Tensor, source: Tensor, site: Site) -> None:
    """`leaf.data = source`."""
    note_written(run, leaf, _uses(source), site)


def note_written(run: Run, target: Tensor, uses: Iterable[GradientUse], site: Site) -> bool:
    """Numbers computed from gradients are written into `target`: says whether one is its own, and this is a step."""
    own = [use for use in uses if use.leaf is target or use.leaf.memory is target.memory]
    for use in own:
        leaf = use.leaf
        if use.clears == leaf.grad_clears and use.passes:
            if leaf.grad_sum is not None:
                run.machine.emit(leaf.grad_sum)
            leaf.grad_stepped, leaf.grad_used, leaf.grad_by_hand = site, use.passes, True
    return bool(own)


def _uses(tensor: Tensor) -> tuple[GradientUse, ...]:
    """The gradients that the numbers of `tensor` were computed from; of a `.grad`, itself."""
    leaf = tensor.grad_owner
    if leaf is not None and isinstance(leaf.grad, Tensor) and leaf.grad.memory is tensor.memory:
        return (GradientUse(leaf, leaf.grad_clears, len(leaf.grad_passes)),)
    return tensor.memory.gradients

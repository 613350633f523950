"""Arrays of tensors that require grad: torch refuses to make them while gradients are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograd_lint.events import Refusal, Site

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run
    from autograd_lint.static.model.values import Tensor


def refuse_array(run: Run, site: Site, tensor: Tensor) -> None:
    """`tensor` is made an array. Who calls a function that is run on its own may have switched gradients off, unless
    it ran a backward before."""
    recorded = not run.machine.alone or bool(run.gradients.passes)
    run.machine.refuse(site, Refusal.NUMPY, tensor, certain=recorded)

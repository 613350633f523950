"""AGL205: `backward(create_graph=True)` makes a reference cycle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Backward, Event
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class CreateGraphBackward(Rule):
    """`backward(create_graph=True)` makes a reference cycle.

    ## What it does

    Reports `backward` with `create_graph=True`. `torch.autograd.grad` with the same argument is left alone: it is what
    to use instead.

    ## Why is this bad

    The gradient that is put into `.grad` has a graph of its own, which refers to the parameter, which refers to the
    gradient. Nothing in that cycle is freed until all `.grad` are cleared: memory is lost in each round. And the second
    derivative's backward adds to the same `.grad` as the first.

    ## Example

    ```python
    import torch

    weight = torch.tensor(3.0, requires_grad=True)
    loss = weight**2
    loss.backward(create_graph=True)
    print(weight.grad.requires_grad)  # True
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.tensor(3.0, requires_grad=True)
    loss = weight**2
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    print(gradient.requires_grad, weight.grad)  # True None
    ```

    ## Confirmation

    Confirmed when the `.grad` it leaves have a graph. Refuted when they have none.

    ## References

    - [`torch.Tensor.backward`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html)
    - [`torch.autograd.grad`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html)
    """

    code = "AGL205"
    name = "create-graph-backward"
    severity = Severity.WARNING
    on = (Backward,)
    says = ("create_graph",)

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such pass that accumulates."""
        if isinstance(event, Backward) and event.create_graph and event.call == "backward" and event.failure is None:
            yield Report(
                event.site,
                "`create_graph=True` in backward makes a reference cycle of each parameter and its gradient",
                (),
                "use `torch.autograd.grad(…, create_graph=True)`, which returns the gradients",
            )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The gradients returned, where the function that runs the pass is the one that reads them."""
        from autograd_lint.fixing.secondorder import returned_gradients

        return returned_gradients(code, event) if isinstance(event, Backward) else None

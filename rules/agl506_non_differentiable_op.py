"""AGL506: backward runs through an operation that has no derivative."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Backward, Event, Failure
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class NonDifferentiableOp(Rule):
    """Backward runs through an operation that has no derivative.

    ## What it does

    Reports a backward that reaches an operation whose derivative torch has not implemented, such as `//` or
    `heaviside`. The finding is at the backward; the related place is the operation.

    ## Why is this bad

    The forward runs without complaint, and records a node that raises when a gradient arrives.

    A floor has a gradient of zero almost everywhere, so a derivative would not train anything either. Where only the
    value is wanted, compute it from a detached tensor.

    ## What torch says

    ```text
    RuntimeError: derivative for aten::floor_divide is not implemented
    ```

    ## Example

    ```python
    import torch

    x = torch.tensor([3.0, 5.0], requires_grad=True)
    halves = x // 2
    halves.sum().backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([3.0, 5.0], requires_grad=True)
    halves = x / 2
    halves.sum().backward()
    ```

    ## Confirmation

    Confirmed when backward raises "not implemented". Refuted when it ran.

    ## References

    - [Autograd mechanics: gradients for non-differentiable functions](https://docs.pytorch.org/docs/stable/notes/autograd.html#gradients-for-non-differentiable-functions)
    - [`torch.floor_divide`](https://docs.pytorch.org/docs/stable/generated/torch.floor_divide.html)
    """

    code = "AGL506"
    name = "non-differentiable-op"
    severity = Severity.ERROR
    on = (Backward,)
    says = ("is not implemented",)
    heard = True
    raises = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A pass that fails at an operation without a derivative."""
        if not isinstance(event, Backward) or event.failure is not Failure.NOT_IMPLEMENTED:
            return
        operation = quoted(event.shared_by, otherwise="an operation")
        name = quoted(event.root.name, otherwise="a tensor")
        reaches = "reaches" if event.certain else "may reach"
        yield Report(
            event.site,
            f"backward of {name} {reaches} {operation}, whose derivative is not implemented",
            () if event.shared is None else ((f"{operation} is recorded here", event.shared),),
            f"use a differentiable operation in place of {operation}, or `.detach()` its argument",
            None if event.certain else Severity.WARNING,
        )

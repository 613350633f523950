"""AGL604: a tensor hook writes to the gradient it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, GradientWritten
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class HookMutatesGradient(Rule):
    """A tensor hook writes to the gradient it is given.

    ## What it does

    Reports `register_hook` with a function that changes its argument in place: `grad.mul_(…)`, `grad[mask] = 0`,
    `grad *= …`.

    ## Why is this bad

    The gradient may be the very tensor that other parts of the graph get, as both operands of `+` do, and it is changed
    for them too. A hook that returns a new tensor changes the gradient of its own tensor only.

    ## Example

    ```python
    import torch

    a = torch.tensor([1.0, 1.0], requires_grad=True)
    b = torch.tensor([1.0, 1.0], requires_grad=True)
    left, right = a * 1, b * 1
    right.register_hook(lambda grad: grad.mul_(10))
    (left + right).backward(torch.ones(2))
    print(a.grad)  # 10, 10, not 1
    ```

    ## Use instead

    ```python
    import torch

    a = torch.tensor([1.0, 1.0], requires_grad=True)
    b = torch.tensor([1.0, 1.0], requires_grad=True)
    left, right = a * 1, b * 1
    right.register_hook(lambda grad: grad * 10)
    (left + right).backward(torch.ones(2))
    print(a.grad)  # 1, 1
    ```

    ## Confirmation

    Confirmed when the gradient of another consumer changes. Refuted when the hook leaves its argument as it was.

    ## References

    - [`torch.Tensor.register_hook`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html)
    - [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html)
    """

    code = "AGL604"
    name = "hook-mutates-gradient"
    severity = Severity.WARNING
    on = (GradientWritten,)

    def judge(self, event: Event) -> Iterator[Report]:
        """A hook that writes to its argument."""
        if not isinstance(event, GradientWritten) or not event.certain:
            return
        name = f" of `{event.name}`" if event.name else ""
        yield Report(
            event.site,
            f"`{event.op}` changes the gradient{name} in place, which other parts of the graph can share",
            () if event.registered.key == event.site.key else (("registered as a hook here", event.registered),),
            "make a new tensor in the hook, and return it",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The hook returns a new tensor."""
        from autograd_lint.fixing.gradienthooks import returned

        return returned(code, event) if isinstance(event, GradientWritten) else None

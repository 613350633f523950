"""AGL301: a gradient is set to zero by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, GradZero
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ManualGradZero(Rule):
    """A gradient is set to zero by hand.

    ## What it does

    Reports `x.grad.zero_()`, `x.grad.data.zero_()`, `x.grad.fill_(0)`, `x.grad *= 0` and the like.

    ## Why is this bad

    It is a code smell. It clears one tensor, and it is easy to forget another: of two gradients that accumulate, one
    stays. It fails when there is no gradient yet (`None` has no `zero_`). It writes in place to a tensor that may be
    needed elsewhere: whoever kept `x.grad` for later finds zeros. And a gradient of zero is not the same as none: an
    optimizer with momentum or weight decay still moves a parameter whose gradient is zero.

    `optimizer.zero_grad()` and `module.zero_grad()` clear every parameter they hold, and set the gradient to `None`.

    ## Example

    ```python
    import torch

    x = torch.tensor(2.0, requires_grad=True)
    (x**2).backward()
    x.grad.zero_()
    (x**3).backward()
    print(x.grad)  # 12
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor(2.0, requires_grad=True)
    (x**2).backward()
    x.grad = None
    (x**3).backward()
    print(x.grad)  # 12
    ```

    ## Confirmation

    Confirmed when the gradient went to zero there, and `zero_grad()` in its place leads to the same gradients. Refuted
    when what was cleared is no gradient.

    ## References

    - [`torch.optim.Optimizer.zero_grad`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html)
    - [`torch.nn.Module.zero_grad`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.zero_grad)
    """

    code = "AGL301"
    name = "manual-grad-zero"
    severity = Severity.WARNING
    on = (GradZero,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The gradient went to zero there."""
        if not isinstance(seen.event, GradZero):
            return ""
        name = seen.event.target.name.removesuffix(".grad")
        for before, after in seen.changes(name):
            old, new = before.gradient, after.gradient
            if old is not None and new is not None and not any(new.values):
                return f"`{name}.grad` went from {old.shown} to {new.shown}, as `zero_grad(set_to_none=False)` does it"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such clearing."""
        if not isinstance(event, GradZero) or not event.certain:
            return
        tensor = event.target.name.removesuffix(".grad")
        subject = f"the gradient of `{tensor}`" if tensor else "a gradient"
        yield Report(
            event.site,
            f"{subject} is set to zero by hand, with {quoted(event.op, otherwise='a write')}",
            help=_help(event, tensor),
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """`zero_grad()` of the owner in scope, else no gradient."""
        from autograd_lint.fixing.clearing import cleared

        return cleared(code, event) if isinstance(event, GradZero) else None


def _help(event: GradZero, tensor: str) -> str:
    if event.owner:
        return f"call `{event.owner}.zero_grad()`, which clears all that it holds"
    if tensor:
        return f"set `{tensor}.grad = None`, or call `zero_grad()` on the optimizer or module that holds it"
    return "set `.grad = None`, or call `zero_grad()` on the optimizer or module that holds it"

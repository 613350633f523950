"""AGL302: backward adds to gradients that were used already and never cleared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from autograd_lint.events import Accumulation, Event, Site
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import changed_leaf, gradient_added

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


_USED: Final = "used here"


class MissingZeroGrad(Rule):
    """Backward adds to gradients that were used already and never cleared.

    ## What it does

    Reports a loop that runs backward and an optimizer's `step()` where nothing clears the gradients in between:
    neither `zero_grad()` of the optimizer or of a module, nor `.grad = None`, nor a function called on the way; or
    only those of one of several optimizers are cleared. A step may be written out by hand, as `w -= lr * w.grad` is.

    Without an optimizer it is a code smell, and a warning: a gradient is read after one backward, and read again, as if
    it were another's alone, after a second. Gradient accumulation, several backwards to a step, is left alone.

    ## Why is this bad

    Backward does not set `.grad`, it adds to it. Without clearing, the second step follows the sum of two gradients,
    the tenth the sum of ten. Training still goes on, somewhat worse: it is a fault that no error message shows.

    ## Example

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.ones(4, 2)).sum()
        loss.backward()
        optimizer.step()
    print(model.bias.grad)  # 12, not 4
    ```

    ## Use instead

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.ones(4, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(model.bias.grad)  # 4
    ```

    ## Confirmation

    Confirmed when, after the later backward, `.grad` is the sum of what both passes computed. Refuted when it holds the
    later pass's alone.

    ## References

    - [`torch.optim.Optimizer.zero_grad`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html)
    - [`torch.Tensor.backward`: gradients accumulate in the leaves](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html)
    """

    code = "AGL302"
    name = "missing-zero-grad"
    severity = Severity.ERROR
    on = (Accumulation,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The gradient was there before, and has become the sum; a step has used it, of an optimizer or by hand."""
        if isinstance(seen.event, Accumulation):
            return gradient_added(seen, seen.event.leaf.name)
        return gradient_added(seen, seen.quoted_name(0)) if changed_leaf(seen, _USED) else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Gradients that a step has used, in a loop; without a step, only a sum that is surely not meant."""
        if not isinstance(event, Accumulation):
            return
        trains = event.stepped is not None and event.in_loop
        if not trains and (event.stepped is not None or not event.certain):
            return
        yield Report(
            event.site,
            _message(event, trains=trains),
            tuple(_places(event)),
            _help(event),
            None if trains and event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A `zero_grad()` before the backward."""
        from autograd_lint.fixing.optimizers import cleared_first

        return cleared_first(code, event) if isinstance(event, Accumulation) else None


def _message(event: Accumulation, *, trains: bool) -> str:
    name = quoted(event.leaf.name, otherwise="a parameter")
    if not trains:
        return f"backward adds to the gradient of {name}, which still holds that of an earlier backward"
    adds, step = "adds" if event.certain else "may add", "a step" if event.by_hand else "`step`"
    return f"backward {adds} to the gradient of {name}, which {step} has used already and nothing clears"


def _places(event: Accumulation) -> Iterator[tuple[str, Site]]:
    if event.first.key != event.site.key:
        yield "first backward here", event.first
    if event.stepped is not None:
        yield f"the old gradient is {_USED}", event.stepped


def _help(event: Accumulation) -> str:
    if event.partly_cleared:
        return "clear these gradients too: call `zero_grad()` on every optimizer that steps"
    if event.stepped is not None and not event.by_hand:
        return "call `optimizer.zero_grad()` before this backward"
    return "clear the gradients before this backward: `zero_grad()`, or `.grad = None`"

"""AGL304: a gradient is read as one backward's while it is the sum of several."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, GradRead
from autograd_lint.evidence import Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule


class AccumulatedGradRead(Rule):
    """A gradient is read as one backward's while it is the sum of several.

    ## What it does

    Reports a read of `.grad` after two or more backwards through one graph, without clearing in between, where an
    earlier read took it as the gradient of one backward alone. A program that subtracts the earlier value knows that
    gradients add up, and is left alone.

    ## Why is this bad

    Backward adds to `.grad`. Two reads of it, one after each backward, do not give two gradients: the second gives the
    sum of both. Moreover both may be the same tensor object, as backward adds in place: unless the first was cloned, it
    has changed too.

    ## Example

    ```python
    import torch

    x = torch.tensor([1.0, 3.0], requires_grad=True)
    squares = x**2
    mean, total = squares.mean(), squares.sum()
    mean.backward(retain_graph=True)
    print(x.grad)  # 1, 3
    total.backward()
    print(x.grad)  # 3, 9, not 2, 6
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([1.0, 3.0], requires_grad=True)
    (x**2).mean().backward()
    print(x.grad)  # 1, 3
    x.grad = None
    (x**2).sum().backward()
    print(x.grad)  # 2, 6
    ```

    ## Confirmation

    Confirmed when the value read is the sum of what the passes computed. Refuted when it is the last pass's alone.

    ## References

    - [`torch.Tensor.grad`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html)
    - [`torch.autograd.grad`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html), which returns
      gradients and accumulates nothing
    """

    code = "AGL304"
    name = "accumulated-grad-read"
    severity = Severity.WARNING
    on = (GradRead,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The value read, and what it was before the last backward added to it."""
        if not isinstance(seen.event, GradRead):
            return ""
        name = seen.event.target.name.removesuffix(".grad")
        now = next((each.before[name].gradient for each in seen.rounds if name in each.before), None)
        earlier = [
            facts.gradient for facts in seen.later(name) if facts.gradient is not None and any(facts.gradient.values)
        ]
        if now is None or not earlier or earlier[-1].digest == now.digest:
            return ""
        return f"`{name}.grad` is {now.shown} here; before the last of these backwards it was {earlier[-1].shown}"

    def judge(self, event: Event) -> Iterator[Report]:
        """A read of a sum, where an earlier read expected one backward's gradient."""
        if not isinstance(event, GradRead) or not event.certain or not event.expected_alone or len(event.backwards) < 2:
            return
        tensor = event.target.name.removesuffix(".grad")
        name = f"`{tensor}.grad`" if tensor else "a gradient"
        yield Report(
            event.site,
            f"{name} is the sum of {len(event.backwards)} backwards here, and was read as that of one before",
            tuple(("this backward adds to it", site) for site in event.backwards),
            "clear the gradient between the backwards, or use `torch.autograd.grad`, which accumulates nothing",
        )

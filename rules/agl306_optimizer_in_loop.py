"""AGL306: an optimizer is built in the loop that steps it: its state is lost each round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, OptimizerRebuilt
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class OptimizerInLoop(Rule):
    """An optimizer is built in the loop that steps it: its state is lost each round.

    ## What it does

    Reports an optimizer that keeps state and is built anew in each round of a loop, for the same parameters, and
    stepped there. Gradient descent without momentum has no state, and is left alone; so is an optimizer for parameters
    that are made in the same round.

    ## Why is this bad

    Momentum, and the averages that Adam and its kin divide by, live in the optimizer. A new one starts from zero, so
    that each step is a first step: Adam becomes the sign of the gradient.

    ## Example

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    for _ in range(3):
        optimizer = torch.optim.Adam([weight], lr=0.1)
        optimizer.zero_grad()
        (weight**2).backward()
        optimizer.step()
    print(optimizer.state[weight]["step"])  # 1
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (weight**2).backward()
        optimizer.step()
    print(optimizer.state[weight]["step"])  # 3
    ```

    ## Confirmation

    Confirmed when the optimizer's state is empty in each round. Refuted when it is not.

    ## References

    - [`torch.optim`: constructing it](https://docs.pytorch.org/docs/stable/optim.html#constructing-it)
    - [`torch.optim.Adam`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html)
    """

    code = "AGL306"
    name = "optimizer-in-loop"
    severity = Severity.WARNING
    on = (OptimizerRebuilt,)

    def confirmed(self, seen: Seen) -> str:
        """Each round has an optimizer without a state."""
        name = seen.event.optimizer if isinstance(seen.event, OptimizerRebuilt) else ""
        found = list(seen.results(name))
        if len(found) < 2 or any(facts.nodes for facts in found):
            return ""
        return f"`{name}` is a new {found[0].type} with an empty state in each of the first {len(found)} rounds"

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such optimizer."""
        if isinstance(event, OptimizerRebuilt):
            name = quoted(event.optimizer, otherwise="the optimizer")
            yield Report(
                event.site,
                f"{name} is built anew in each round that steps it: its state is lost",
                (("stepped here", event.step),),
                "build it once, before the loop",
            )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The optimizer built before the loop, where it needs nothing of the loop."""
        from autograd_lint.fixing.hoisting import built_before

        return built_before(code, event) if isinstance(event, OptimizerRebuilt) else None

"""AGL203: a tensor carried to the next iteration brings its graph along, and backward runs in the loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Backward, Event, Failure, Site
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class LoopCarriedGraph(Rule):
    """A tensor carried to the next iteration brings its graph along, and backward runs in the loop.

    ## What it does

    Reports a backward in a loop that reaches an operation of an earlier iteration, which that iteration's backward has
    freed. The hidden state of a recurrent network is the classic case. Where the network is not known, and is given
    back what it returned the round before, it is a warning: it may cut the history itself.

    ## Why is this bad

    From the second iteration on, backward walks into the graph of the first and raises. With `retain_graph=True` it
    would run, slower and with more memory every iteration, and in a training loop meet parameters that were stepped in
    between (AGL108).

    Carry the value, not the history: `state = state.detach()`. Zeroing the state in place, `state.zero_()`, does not
    cut the history.

    ## What torch says

    In the second iteration:

    ```text
    RuntimeError: Trying to backward through the graph a second time
    ```

    ## Example

    ```python
    import torch

    weight = torch.tensor(0.5, requires_grad=True)
    state = torch.tensor(1.0)
    for _ in range(3):
        state = torch.tanh(state * weight)
        loss = state**2
        weight.grad = None
        loss.backward()
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.tensor(0.5, requires_grad=True)
    state = torch.tensor(1.0)
    for _ in range(3):
        state = torch.tanh(state.detach() * weight)
        loss = state**2
        weight.grad = None
        loss.backward()
    ```

    ## Confirmation

    Confirmed when the second iteration's backward raises, or when the bytes of saved tensors grow with each iteration.
    Refuted when all iterations ran and nothing grew.

    ## References

    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    - [PyTorch FAQ: don't accumulate history across your training loop](https://docs.pytorch.org/docs/stable/notes/faq.html)
    """

    code = "AGL203"
    name = "loop-carried-graph"
    severity = Severity.ERROR
    on = (Backward,)
    says = ("second time", "modified by an inplace operation")

    def judge(self, event: Event) -> Iterator[Report]:
        """A pass that fails on a graph freed in an earlier round of its loop."""
        if not isinstance(event, Backward) or event.failure is not Failure.TWICE or not event.loop_carried:
            return
        reaches = "reaches" if event.certain else "may reach"
        root = quoted(event.root.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"backward of {root} {reaches} the graph of an earlier iteration, already freed",
            tuple(_places(event)),
            "cut the history where the value is carried to the next iteration: `state = state.detach()`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The carried values detached where a round of the loop begins; what is not known may be no tensor."""
        from autograd_lint.fixing.carrying import carried_without_graph

        return carried_without_graph(code, event) if isinstance(event, Backward) and event.certain else None


def _places(event: Backward) -> Iterator[tuple[str, Site]]:
    if event.shared is not None:
        operation = quoted(event.shared_by, otherwise="the operation")
        yield f"{operation} of the iteration before is made here", event.shared

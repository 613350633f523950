"""AGL202: a second backward runs through a graph that the first one freed."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Backward, Event, Failure, Site
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class BackwardTwice(Rule):
    """A second backward runs through a graph that the first one freed.

    ## What it does

    Reports a backward, or an `autograd.grad`, that reaches an operation which an earlier one has already run and
    freed. The roots need not be the same tensor: it is enough that both depend on one operation that saves something.
    The related places are the backward that freed the graph and the operation both need.

    A graph of nothing but `+`, `-`, `sum`, `mean`, views and the like saves nothing, and may be run again. A product
    with a Python number may not, although the number is all it keeps.

    ## Why is this bad

    Backward frees saved tensors as soon as it has used them, and raises when it finds them gone.

    ## What torch says

    ```text
    RuntimeError: Trying to backward through the graph a second time (or directly access saved tensors after they have
    already been freed).
    ```

    The message goes on to propose `retain_graph=True`, which is seldom the best answer (AGL201).

    ## Example

    ```python
    import torch

    p = torch.tensor(2.0, requires_grad=True)
    c = p * 2
    a = c**2
    b = c * 3
    a.backward()
    b.backward()  # shares `c = p * 2` with `a`
    ```

    ## Use instead

    ```python
    import torch

    p = torch.tensor(2.0, requires_grad=True)
    c = p * 2
    a = c**2
    b = c * 3
    (a + b).backward()
    ```

    ## Confirmation

    Confirmed when the second backward raises the error above. Refuted when it ran.

    ## References

    - [`torch.Tensor.backward`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html)
    - [Autograd mechanics: how autograd encodes the history](https://docs.pytorch.org/docs/stable/notes/autograd.html#how-autograd-encodes-the-history)
    """

    code = "AGL202"
    name = "backward-twice"
    severity = Severity.ERROR
    on = (Backward,)
    raises = True
    says = ("second time",)
    heard = True
    talk = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A pass that fails on a freed graph which no loop carried along; that one is AGL203."""
        if not isinstance(event, Backward) or event.failure is not Failure.TWICE or event.loop_carried:
            return
        needs = "needs" if event.certain else "may need"
        root = quoted(event.root.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"backward of {root} {needs} a graph that an earlier backward freed",
            tuple(_places(event)),
            _help(event),
            None if event.certain else Severity.WARNING,
        )


def _places(event: Backward) -> Iterator[tuple[str, Site]]:
    if event.shared is not None:
        yield f"both passes need {quoted(event.shared_by, otherwise='the operation')} here", event.shared
    if event.freed is not None:
        repeated = event.freed.key == event.site.key
        yield ("freed here, the time before" if repeated else "freed by backward here"), event.freed


def _help(event: Backward) -> str:
    if event.freed is not None and event.freed.key == event.site.key:
        return "compute what is shared anew each time, or `.detach()` it where no gradient is wanted"
    return "sum the roots and run one backward, compute what is shared anew, or `.detach()` it"

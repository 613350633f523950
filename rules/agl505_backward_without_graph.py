"""AGL505: backward is called on a tensor that has no graph."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Backward, Event, Failure
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class BackwardWithoutGraph(Rule):
    """Backward is called on a tensor that has no graph.

    ## What it does

    Reports a backward, or an `autograd.grad`, of a tensor that was computed under `torch.no_grad()` or
    `torch.inference_mode()`, from a detached tensor, or from nothing that requires grad; and of a gradient that was
    computed without `create_graph=True`.

    ## Why is this bad

    There is nothing to walk back through, and torch raises.

    Setting `loss.requires_grad = True` makes the error go away and the fault stay: the loss becomes a leaf, and no
    parameter receives a gradient.

    ## What torch says

    ```text
    RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn
    ```

    ## Example

    ```python
    import torch

    w = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        loss = (w * 2).sum()
    loss.backward()
    ```

    ## Use instead

    ```python
    import torch

    w = torch.ones(3, requires_grad=True)
    loss = (w * 2).sum()
    loss.backward()
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it ran.

    ## References

    - [Autograd mechanics: locally disabling gradient computation](https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation)
    - [`torch.autograd.backward`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html)
    """

    code = "AGL505"
    name = "backward-without-graph"
    severity = Severity.ERROR
    on = (Backward,)
    raises = True
    says = ("does not require grad",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A pass that fails because its root does not require grad."""
        if not isinstance(event, Backward) or event.failure is not Failure.NO_GRAPH:
            return
        name = quoted(event.root.name, otherwise="a tensor")
        made = event.shared or event.root.made
        has = "has" if event.certain else "may have"
        yield Report(
            event.site,
            f"backward of {name}, which {has} no graph" + (f": {event.explanation}" if event.explanation else ""),
            () if made is None else (("computed here without a graph", made),),
            "compute it with gradients enabled, from a tensor that requires grad and is not detached on the way",
            None if event.certain else Severity.WARNING,
        )

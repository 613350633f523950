"""AGL407: `copy.deepcopy` of a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, Refusal, Refused
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class DeepcopyOfNonLeaf(Rule):
    """`copy.deepcopy` is given a tensor that is no leaf, or something that holds one.

    ## What it does

    Reports `copy.deepcopy` of the result of an operation that is recorded in the graph, also inside a module, a list
    or a dict: a module that keeps its last output as an attribute cannot be copied any more.

    ## Why is this bad

    A copy would need a graph of its own, which torch does not make: it raises.

    ## What torch says

    ```text
    RuntimeError: Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol
    at the moment.
    ```

    ## Example

    ```python
    import torch
    import copy

    weight = torch.ones(3, requires_grad=True)
    scaled = weight * 2
    best = copy.deepcopy(scaled)
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.ones(3, requires_grad=True)
    scaled = weight * 2
    best = scaled.detach().clone()
    print(best.requires_grad)  # False
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it returned a copy.

    ## References

    - [`torch.Tensor.is_leaf`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html)
    - [`copy.deepcopy`](https://docs.python.org/3/library/copy.html#copy.deepcopy)
    """

    code = "AGL407"
    name = "deepcopy-of-non-leaf"
    severity = Severity.ERROR
    on = (Refused,)
    raises = True
    says = ("deepcopy", "Only Tensors created explicitly")
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A copy that torch refuses to make."""
        if not isinstance(event, Refused) or event.reason is not Refusal.DEEPCOPY:
            return
        made = event.target.made
        name = quoted(event.target.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"`deepcopy` {'meets' if event.certain else 'may meet'} {name}, the result of an operation and no leaf",
            () if made is None else (("computed here", made),),
            "use `.detach().clone()`, which copies the values without the graph",
            None if event.certain else Severity.WARNING,
        )

"""AGL406: an optimizer is given a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, Refusal, Refused
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class OptimizerNonLeaf(Rule):
    """An optimizer is given a tensor that is no leaf.

    ## What it does

    Reports an optimizer whose parameters include the result of an operation that is recorded in the graph.

    ## Why is this bad

    Backward puts gradients into leaves only, so there would be nothing to step with; and a step would write in place to
    a tensor of the graph. Torch raises when the optimizer is built.

    ## What torch says

    ```text
    ValueError: can't optimize a non-leaf Tensor
    ```

    ## Example

    ```python
    import torch

    scale = torch.ones(3, requires_grad=True)
    weight = scale * 0.1
    optimizer = torch.optim.SGD([weight], lr=0.1)
    ```

    ## Use instead

    ```python
    import torch

    scale = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([scale], lr=0.1)
    weight = scale * 0.1  # computed anew in each forward
    weight.sum().backward()
    optimizer.step()
    ```

    ## Confirmation

    Confirmed when building the optimizer raises the error above. Refuted when it was built.

    ## References

    - [`torch.optim`: constructing it](https://docs.pytorch.org/docs/stable/optim.html#constructing-it)
    - [`torch.Tensor.is_leaf`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html)
    """

    code = "AGL406"
    name = "optimizer-non-leaf"
    severity = Severity.ERROR
    on = (Refused,)
    raises = True
    says = ("non-leaf",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """An optimizer that torch refuses to build."""
        if not isinstance(event, Refused) or event.reason is not Refusal.NON_LEAF_OPTIMIZER:
            return
        made = event.origin or event.target.made
        name = quoted(event.target.name, otherwise="a tensor")
        operation = f"the result of `{event.target.made_by}`" if event.target.made_by else "the result of an operation"
        yield Report(
            event.site,
            f"the optimizer {'is' if event.certain else 'may be'} given {name}, {operation} and no leaf",
            () if made is None else (("computed here", made),),
            "give the optimizer the leaf, or detach: `.detach().requires_grad_()`",
            None if event.certain else Severity.WARNING,
        )

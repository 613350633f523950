"""AGL113: an operation of the graph would save a tensor that was made in inference mode."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, Refusal, Refused
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class InferenceTensorInGraph(Rule):
    """An operation of the graph would save a tensor that was made in inference mode.

    ## What it does

    Reports an operation outside `inference_mode` that needs for its derivative a tensor made inside.

    ## Why is this bad

    Tensors made in inference mode have no version counter, so that torch could not tell whether they were changed; it
    refuses to save them. Operations that save nothing, such as `+`, still take them: it is a matter of which operation
    comes first.

    ## What torch says

    ```text
    RuntimeError: Inference tensors cannot be saved for backward.
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        scale = torch.rand(3)
    loss = (x * scale).sum()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        scale = torch.rand(3)
    loss = (x * scale).sum()
    loss.backward()
    ```

    ## Confirmation

    Confirmed when the operation raises the error above. Refuted when it ran.

    ## References

    - [`torch.inference_mode`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html)
    - [Autograd mechanics: inference mode](https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode)
    """

    code = "AGL113"
    name = "inference-tensor-in-graph"
    severity = Severity.ERROR
    on = (Refused,)
    raises = True
    says = ("nference tensor",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """An operation that torch refuses for what it would have to save."""
        if not isinstance(event, Refused) or event.reason is not Refusal.INFERENCE_SAVED:
            return
        made = event.target.made
        name = quoted(event.target.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"this {'needs' if event.certain else 'may need'} {name} for backward, which was made in inference mode",
            () if made is None else (("made in inference mode here", made),),
            "make it under `no_grad`, or give this operation a copy: `.clone()`",
            None if event.certain else Severity.WARNING,
        )

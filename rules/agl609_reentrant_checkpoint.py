"""AGL609: `checkpoint` does not say which kind it is, or the reentrant kind loses the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Checkpointed, Event
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ReentrantCheckpoint(Rule):
    """`checkpoint` does not say which kind it is, or the reentrant kind loses the gradient.

    ## What it does

    Reports `torch.utils.checkpoint.checkpoint(…)` without `use_reentrant=`, and with `use_reentrant=True` where no
    input requires grad though the function has something to train.

    ## Why is this bad

    The reentrant kind runs the function under `no_grad` and hangs a node behind its inputs. Where none of them requires
    grad, as at the first layer of a network, there is no node: the parameters inside get no gradient. Unasked one gets
    that kind, and a warning.

    ## What torch says

    ```text
    UserWarning: torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly.
    ```

    ## Example

    ```python
    import torch
    from torch.utils.checkpoint import checkpoint

    layer, head = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    hidden = checkpoint(layer, torch.ones(2, 1))
    head(hidden).sum().backward()
    print(layer.weight.grad)  # None
    ```

    ## Use instead

    ```python
    import torch
    from torch.utils.checkpoint import checkpoint

    layer, head = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    hidden = checkpoint(layer, torch.ones(2, 1), use_reentrant=False)
    head(hidden).sum().backward()
    print(layer.weight.grad is None)  # False
    ```

    ## Confirmation

    Confirmed when torch warns, or the gradient inside is None. Refuted when torch is silent and there is a gradient.

    ## References

    - [`torch.utils.checkpoint`](https://docs.pytorch.org/docs/stable/checkpoint.html)
    - [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html)
    """

    code = "AGL609"
    name = "reentrant-checkpoint"
    severity = Severity.WARNING
    on = (Checkpointed,)
    says = ("use_reentrant", "None of the inputs have requires_grad")
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A kind that nobody chose, or that loses the gradient."""
        if not isinstance(event, Checkpointed) or not event.certain:
            return
        said = "without `use_reentrant`" if event.reentrant is None else "with `use_reentrant=True`"
        lost = ": no input requires grad, so nothing inside it gets a gradient" if event.lost else ""
        yield Report(event.site, f"`{event.function}` {said}{lost}", (), "pass `use_reentrant=False`")

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The kind that needs no input that requires grad."""
        import libcst as cst

        from autograd_lint.fixing.calls import with_keyword

        call = code.find(event.site, cst.Call)
        if call is None:
            return None
        return code.unsafe("pass `use_reentrant=False`", with_keyword(code, call, "use_reentrant", "False"))

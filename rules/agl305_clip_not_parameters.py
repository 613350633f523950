"""AGL305: gradients are clipped of what is no parameter: nothing is clipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import ClippedNothing, Event
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ClipNotParameters(Rule):
    """Gradients are clipped of what is no parameter: nothing is clipped.

    ## What it does

    Reports `clip_grad_norm_` and `clip_grad_value_` that are given a loss, an output or another non-leaf that does not
    retain its gradient, or gradients in place of the parameters they belong to.

    ## Why is this bad

    These functions look at the `.grad` of what they are given. That of a non-leaf is None, and so is that of a
    gradient: nothing is clipped, and nothing raises.

    ## What torch says

    ```text
    UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed.
    ```

    ## Example

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    loss = model(torch.full((4, 2), 100.0)).square().sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(loss, 1.0)
    print(model.weight.grad.norm() > 1)  # True
    ```

    ## Use instead

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    loss = model(torch.full((4, 2), 100.0)).square().sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    print(model.weight.grad.norm() > 1)  # False
    ```

    ## Confirmation

    Confirmed when the `.grad` of everything given is None. Refuted when something has a gradient.

    ## References

    - [`torch.nn.utils.clip_grad_norm_`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html)
    - [`torch.Tensor.is_leaf`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html)
    """

    code = "AGL305"
    name = "clip-not-parameters"
    severity = Severity.ERROR
    on = (ClippedNothing,)
    says = ("not a leaf Tensor",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """Where everything given is so, an error; where part of it, a warning."""
        if not isinstance(event, ClippedNothing):
            return
        name = quoted(event.target.name, otherwise="a tensor")
        what = "a gradient and no parameter" if event.gradient else "no leaf and has no gradient"
        clips = "clips nothing" if event.certain else "may clip nothing"
        told = f"`{event.op}` {clips}: {name} is {what}"
        if event.partly:
            told = f"`{event.op}` {'leaves' if event.certain else 'may leave'} out {name}, which is {what}"
        made = () if event.target.made is None else (("computed here", event.target.made),)
        sure = event.certain and not event.partly
        yield Report(
            event.site, told, made, "give it the parameters: `model.parameters()`", None if sure else Severity.WARNING
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The parameters in place of what has no gradient, where only one module has any here."""
        import libcst as cst

        from autograd_lint.fixing.clips import parameters_for

        call = code.find(event.site, cst.Call)
        if call is None or not call.args or call.args[0].star:
            return None
        parameters = parameters_for(code, call)
        if not parameters:
            return None
        return code.unsafe(f"clip the gradients of `{parameters}`", code.replace(call.args[0].value, parameters))

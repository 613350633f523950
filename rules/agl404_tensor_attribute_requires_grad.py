"""AGL404: a Module's attribute is a plain tensor that requires grad, not a Parameter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Holder, Unregistered
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule
from autograd_lint.showing import never_registered, not_registered, of_quoted, registered

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class TensorAttributeRequiresGrad(Rule):
    """A Module's attribute is a plain tensor that requires grad, not a Parameter.

    ## What it does

    Reports a tensor that a Module's constructor makes with `requires_grad=True` and keeps in an attribute, alone or in
    a list or dict. A tensor that is handed to an optimizer, or whose memory a registered Parameter shares, is left
    alone.

    ## Why is this bad

    Backward fills its `.grad`, but it is no Parameter: it is missing from `parameters()`, so that an optimizer built
    from them never updates it and `zero_grad()` never clears it; and neither `to(device)` nor `state_dict()` know of
    it.

    ## Example

    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weight = torch.rand(n, requires_grad=True)

        def forward(self, x):
            return x * self.weight


    print(len(list(Scale(3).parameters())))  # 0
    ```

    ## Use instead

    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(n))

        def forward(self, x):
            return x * self.weight


    print(len(list(Scale(3).parameters())))  # 1
    ```

    ## Confirmation

    Confirmed when the tensor is missing from `parameters()`. Refuted when it is there.

    ## References

    - [`torch.nn.parameter.Parameter`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html)
    - [`torch.nn.Module.parameters`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.parameters)
    """

    code = "AGL404"
    name = "tensor-attribute-requires-grad"
    severity = Severity.WARNING
    on = (Unregistered,)

    def confirmed(self, seen: Seen) -> str:
        """The tensor is missing from the parameters."""
        observed = isinstance(seen.event, Unregistered) and not_registered(seen, f"self.{seen.event.attribute}")
        return observed or never_registered(seen, seen.quoted_name(0))

    def refuted(self, seen: Seen) -> str:
        """The tensor is registered."""
        return of_quoted(seen, registered)

    def judge(self, event: Event) -> Iterator[Report]:
        """Plain tensors that require grad."""
        if not isinstance(event, Unregistered) or event.parameter:
            return
        made = () if event.made is None or event.made.key == event.site.key else (("made here", event.made),)
        alone = event.holder is Holder.ATTRIBUTE
        what = "is a plain tensor" if alone else f"keeps a plain tensor in a {event.holder.value}"
        yield Report(
            event.site,
            f"`{event.attribute}` {what} that requires grad, and no Parameter of `{event.owner}`",
            made,
            "make it a Parameter: `nn.Parameter(…)`" if alone else "use `nn.ParameterList` of Parameters",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A Parameter of the same value, or a `ParameterList` in place of the list."""
        from autograd_lint.fixing.parameters import registered

        return registered(code, event) if isinstance(event, Unregistered) else None

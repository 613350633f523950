"""AGL401: a module's constructor computes on a Parameter and keeps the result, which is no Parameter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import AttributeBound, Event
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule
from autograd_lint.showing import not_registered, of_quoted, registered

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ParameterComputedAtConstruction(Rule):
    """A module's constructor computes on a Parameter and keeps the result, which is no Parameter.

    ## What it does

    Reports an attribute that a Module's constructor binds to the result of an operation on a Parameter that has no
    other name, as in `self.weights = nn.Parameter(torch.rand(n)) ** 2`.

    A move, `nn.Parameter(…).to(device)` or `.float()`, does nothing where device and dtype already fit, so it is a
    warning.

    ## Why is this bad

    The result of an operation on a Parameter is a plain tensor with a `grad_fn`. Three things follow. The module
    registers nothing, so the optimizer, `state_dict()` and `.to()` pass it by. Its `.grad` stays `None`. And the
    operation ran once, at construction: all forwards share its node, which the first backward frees, so the second
    backward raises (AGL202).

    ## Example

    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weights = nn.Parameter(torch.rand(n)) ** 2

        def forward(self, x):
            return x * self.weights


    scale = Scale(3)
    scale(torch.ones(3)).sum().backward()
    print(len(list(scale.parameters())))  # 0
    ```

    ## Use instead

    ```python
    import torch
    from torch import nn


    class Scale(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weights = nn.Parameter(torch.rand(n) ** 2)

        def forward(self, x):
            return x * self.weights


    scale = Scale(3)
    scale(torch.ones(3)).sum().backward()
    print(len(list(scale.parameters())))  # 1
    ```

    Or, where the parameter itself is to be learned, keep it plain and compute `self.weights**2` in `forward`.

    ## Confirmation

    Confirmed when the attribute is missing from `named_parameters()`; a second backward that raises adds to it. Refuted
    when it is registered.

    ## References

    - [`torch.nn.parameter.Parameter`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html)
    - [`torch.nn.Module.named_parameters`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.named_parameters)
    """

    code = "AGL401"
    name = "parameter-computed-at-construction"
    severity = Severity.ERROR
    on = (AttributeBound,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The attribute is missing from the parameters."""
        name = seen.event.value.name or seen.event.attribute if isinstance(seen.event, AttributeBound) else ""
        return not_registered(seen, name)

    def refuted(self, seen: Seen) -> str:
        """The attribute is registered."""
        return of_quoted(seen, registered)

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such binding; a move that may do nothing is a warning."""
        if not isinstance(event, AttributeBound):
            return
        sure = event.certain and not event.move
        parameter = () if event.parameter is None else (("the Parameter is made here", event.parameter),)
        attribute = event.value.name or event.attribute
        yield Report(
            event.site,
            f"`{attribute}` {'is' if sure else 'may be'} the result of `{event.op}`, not a Parameter",
            parameter,
            _help(event),
            None if sure else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The Parameter around the whole value."""
        import libcst as cst

        from autograd_lint.fixing.calls import argument
        from autograd_lint.fixing.ownership import is_new
        from autograd_lint.fixing.values import bracketed, with_part

        if not isinstance(event, AttributeBound):
            return None
        value, made = code.expression(event.site), code.find(event.parameter, cst.Call)
        data = None if made is None else argument(made, "data", 0)
        if value is None or made is None or data is None or len(made.args) != 1:
            return None
        if value is made or value not in code.around(made):
            return None
        inner = with_part(code, value, made, bracketed(code, data.value))
        fix = code.safe if is_new(code, data.value) and not event.move else code.unsafe
        return fix("compute inside the Parameter", code.replace(value, f"{code.text(made.func)}({inner})"))


def _help(event: AttributeBound) -> str:
    if event.move:
        return "make the move inside: `nn.Parameter(tensor.to(…))`, or pass `device=` and `dtype=`"
    return "compute inside, `nn.Parameter(…)` around the whole value, or compute on the plain Parameter in `forward`"

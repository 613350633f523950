"""AGL111: `out=` is used where an argument requires grad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Refusal, Refused, Write
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted, ways_in

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class OutArgumentInGraph(Rule):
    """`out=` is used where an argument requires grad.

    ## What it does

    Reports a call with `out=` where any of the tensors given, the one given as `out` included, requires grad and
    gradients are recorded.

    ## Why is this bad

    Functions with `out=` have no derivative: the memory they write to belongs to someone else. Torch raises at the
    call. Under `torch.no_grad()` the same call is fine.

    ## What torch says

    ```text
    RuntimeError: mul(): functions with out=... arguments don't support automatic differentiation, but one of the
    arguments requires grad.
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    buffer = torch.empty(3)
    torch.mul(x, 2.0, out=buffer)
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    result = torch.mul(x, 2.0)
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it ran.

    ## References

    - [`torch.no_grad`](https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html)
    - [`torch.mul`, and its `out` argument](https://docs.pytorch.org/docs/stable/generated/torch.mul.html)
    """

    code = "AGL111"
    name = "out-argument-in-graph"
    severity = Severity.ERROR
    on = (Write, Refused)
    raises = True
    says = ("arguments don't support automatic differentiation",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A call with `out=` that torch refuses, told as a write or as a refused call."""
        if isinstance(event, Write) and event.refusal is Refusal.OUT:
            places = ways_in(event)
        elif isinstance(event, Refused) and event.reason is Refusal.OUT:
            places = ()
        else:
            return
        requires = "requires grad" if event.certain else "may require grad"
        name = quoted(event.target.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"`out=` writes to {name} in a call where an argument {requires}",
            places,
            "assign the result to a name, or wrap the call in `with torch.no_grad():`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The result assigned, in place of `out=`."""
        import libcst as cst

        from autograd_lint.fixing.calls import argument, without_argument

        call = code.find(event.site, cst.Call)
        given = None if call is None else argument(call, "out")
        if call is None or given is None or not isinstance(code.parent(call), cst.Expr):
            return None
        if not isinstance(given.value, cst.Name | cst.Attribute | cst.Subscript):
            return None
        name = code.text(given.value)
        assigned = code.insert(code.place(call).start, f"{name} = ")
        return code.unsafe("assign the result", assigned, without_argument(code, call, given))

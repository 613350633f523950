"""AGL507: an integer tensor is asked to require grad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Refusal, Refused
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class IntegerRequiresGrad(Rule):
    """An integer tensor is asked to require grad.

    ## What it does

    Reports `requires_grad=True`, `requires_grad_()` and `nn.Parameter(…)` for a tensor of an integer or Boolean dtype.
    `torch.tensor(5)` and `torch.tensor([1, 2])` are int64; with one decimal point among the numbers the tensor is
    float32.

    ## Why is this bad

    A derivative needs numbers that can change by a little. Torch raises.

    ## What torch says

    ```text
    RuntimeError: Only Tensors of floating point and complex dtype can require gradients
    ```

    ## Example

    ```python
    import torch

    x = torch.tensor(5, requires_grad=True)
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor(5.0, requires_grad=True)
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it ran.

    ## References

    - [`torch.tensor`](https://docs.pytorch.org/docs/stable/generated/torch.tensor.html)
    - [`torch.Tensor.requires_grad_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad_.html)
    """

    code = "AGL507"
    name = "integer-requires-grad"
    severity = Severity.ERROR
    on = (Refused,)
    raises = True
    says = ("floating point",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A flag that torch refuses because of the dtype."""
        if not isinstance(event, Refused) or event.reason is not Refusal.INTEGER_GRAD:
            return
        name = quoted(event.target.name, otherwise="a tensor")
        made = event.origin
        yield Report(
            event.site,
            f"{name} is to require grad, and its dtype {'is' if event.certain else 'may be'} no floating-point one",
            () if made is None else (("the tensor is made here", made),),
            "write a decimal point, `5.0`, or pass a floating-point `dtype=`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """Numbers with decimal points."""
        import libcst as cst

        from autograd_lint.fixing.calls import argument, without_argument
        from autograd_lint.fixing.walk import descendants

        if not isinstance(event, Refused):
            return None
        call = code.find(event.site, cst.Call)
        if call is None or argument(call, "requires_grad") is None:
            call = code.find(event.origin, cst.Call) or code.find(event.target.made, cst.Call)
        whole = None if call is None else argument(call, "dtype")
        if call is not None and whole is not None:
            return code.unsafe("leave the dtype to torch", without_argument(code, call, whole))
        data = None if call is None else argument(call, "data", 0) or argument(call, "end", 0)
        if call is None or data is None:
            return None
        numbers = [found for found in (data.value, *descendants(data.value)) if isinstance(found, cst.Integer)]
        if not isinstance(data.value, cst.Integer | cst.List | cst.Tuple) or not all(
            n.value.isdecimal() for n in numbers
        ):
            return None
        return code.unsafe("write decimal points", *(code.insert(code.place(n).end, ".0") for n in numbers))

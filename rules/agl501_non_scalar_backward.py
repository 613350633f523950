"""AGL501: backward is called without `gradient` on a tensor that is no scalar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Backward, Event, Failure
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class NonScalarBackward(Rule):
    """Backward is called without `gradient` on a tensor that is no scalar.

    ## What it does

    Reports `y.backward()` and `torch.autograd.grad(y, x)` where `y` is known to have more or less than one element and
    no `gradient` (`grad_outputs`) is given; as a warning, where `y` is a loss that was told `reduction="none"` and that
    nothing has reduced since, of a batch whose size is not known.

    ## Why is this bad

    Backward computes a vector-Jacobian product: each element of `y` needs a weight. Only for a tensor of one element
    does torch supply it, 1. For any other it raises.

    Most often a reduction was forgotten: `.sum()` or `.mean()`.

    ## What torch says

    ```text
    RuntimeError: grad can be implicitly created only for scalar outputs
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.backward(gradient=torch.ones_like(y))  # the same as y.sum().backward()
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it ran.

    ## References

    - [`torch.Tensor.backward`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html)
    - [`torch.autograd.grad`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html)
    """

    code = "AGL501"
    name = "non-scalar-backward"
    severity = Severity.ERROR
    on = (Backward,)
    raises = True
    says = ("implicitly created only for scalar",)
    heard = True
    talk = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A pass that fails because its root needs a weight for each element."""
        if not isinstance(event, Backward) or event.failure is not Failure.NON_SCALAR:
            return
        name = quoted(event.root.name, otherwise="a tensor")
        argument = "grad_outputs" if event.call.endswith("grad") else "gradient"
        yield Report(
            event.site,
            f"backward without `{argument}` of {name}, which {_shape(event)}",
            () if event.root.made is None else (("computed here", event.root.made),),
            f"reduce it first, with `.sum()` or `.mean()`, or pass `{argument}=torch.ones_like(…)`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The sum of the elements as the root."""
        import libcst as cst

        from autograd_lint.fixing.calls import argument, call_method

        call = code.find(event.site, cst.Call)
        if call is None or not isinstance(event, Backward) or not isinstance(call.func, cst.Attribute):
            return None
        if event.call == "backward" and not call.args:
            return code.unsafe("sum the elements", *call_method(code, call.func.value, ".sum()"))
        root = argument(call, "outputs", 0) or argument(call, "tensors", 0)
        if event.call == "backward" or root is None or isinstance(root.value, cst.List | cst.Tuple):
            return None
        return code.unsafe("sum the elements", *call_method(code, root.value, ".sum()"))


def _shape(event: Backward) -> str:
    verb = "is" if event.certain else "may be"
    if event.shape is None:
        return f"{verb} no scalar"
    sizes = ", ".join("?" if size is None else str(size) for size in event.shape)
    return f"{verb} no scalar but of shape ({sizes}{',' if len(event.shape) == 1 else ''})"

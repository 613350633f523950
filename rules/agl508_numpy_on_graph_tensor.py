"""AGL508: a tensor that requires grad is converted to a NumPy array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Refusal, Refused
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class NumpyOnGraphTensor(Rule):
    """A tensor that requires grad is converted to a NumPy array.

    ## What it does

    Reports `t.numpy()` and `np.asarray(t)`, and NumPy functions that convert their arguments, for a tensor that
    requires grad, outside `torch.no_grad()`.

    ## Why is this bad

    NumPy records no graph, so whatever it computes would be lost to backward. Torch does not let that happen unseen,
    and raises.

    `.detach().numpy()` says that it is meant. The array then shares the tensor's memory: writing to it changes the
    tensor without its version counter noticing (AGL107).

    ## What torch says

    ```text
    RuntimeError: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    print(y.numpy())
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    print(y.detach().numpy())
    ```

    ## Confirmation

    Confirmed when the call raises the error above. Refuted when it ran.

    ## References

    - [`torch.Tensor.numpy`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html)
    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    """

    code = "AGL508"
    name = "numpy-on-graph-tensor"
    severity = Severity.ERROR
    on = (Refused,)
    raises = True
    says = ("numpy()",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A conversion that torch refuses."""
        if not isinstance(event, Refused) or event.reason is not Refusal.NUMPY:
            return
        name = quoted(event.target.name, otherwise="a tensor")
        requires = "requires grad" if event.certain else "may require grad"
        yield Report(
            event.site,
            f"{name} {requires} and is converted to a NumPy array",
            help="call `.detach()` first, which cuts the graph, or compute with torch to keep it",
            severity=None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A `detach()` before the conversion."""
        import libcst as cst

        from autograd_lint.fixing.calls import call_method

        call = code.find(event.site, cst.Call)
        if call is None:
            return None
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "numpy" and not call.args:
            return code.unsafe("detach first", *call_method(code, call.func.value, ".detach()"))
        name = event.target.name if isinstance(event, Refused) else ""
        given = next((arg.value for arg in call.args if name and code.text(arg.value) == name), None)
        return None if given is None else code.unsafe("detach first", *call_method(code, given, ".detach()"))

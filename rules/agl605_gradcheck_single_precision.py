"""AGL605: `gradcheck` is given tensors of single precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, GradientChecked
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class GradcheckSinglePrecision(Rule):
    """`gradcheck` is given tensors of single precision.

    ## What it does

    Reports `gradcheck` and `gradgradcheck` on inputs known to be float32 or shorter, unless `eps` and `atol` were
    chosen by hand. `torch.rand(…)` gives float32, where NumPy would give float64.

    ## Why is this bad

    The check compares the gradient with differences of the function a millionth apart, which single precision cannot
    resolve. It fails for functions that are right.

    ## What torch says

    ```text
    UserWarning: Input #0 requires gradient and is not a double precision floating point or complex. This check will
    likely fail if all the inputs are not of double precision floating point or complex.
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    torch.autograd.gradcheck(torch.neg, (x,), raise_exception=False)
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, dtype=torch.double, requires_grad=True)
    torch.autograd.gradcheck(torch.neg, (x,))
    ```

    ## Confirmation

    Confirmed when torch warns, or the check fails in single precision only. Refuted when torch does not warn.

    ## References

    - [`torch.autograd.gradcheck`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html)
    - [Gradcheck mechanics](https://docs.pytorch.org/docs/stable/notes/gradcheck.html)
    """

    code = "AGL605"
    name = "gradcheck-single-precision"
    severity = Severity.WARNING
    on = (GradientChecked,)
    says = ("double precision",)
    heard = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A check in a precision that is too low."""
        if not isinstance(event, GradientChecked) or not event.certain:
            return
        name = quoted(event.target.name, otherwise="an input")
        yield Report(
            event.site,
            f"`{event.check}` of {name} in {event.dtype} cannot tell a wrong gradient from rounding",
            () if event.target.made is None else (("made here", event.target.made),),
            "make the inputs with `dtype=torch.double`",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The inputs made in double precision."""
        import libcst as cst

        from autograd_lint.fixing.precision import in_double

        made = code.find(event.target.made, cst.Call) if isinstance(event, GradientChecked) else None
        return None if made is None else in_double(code, made)

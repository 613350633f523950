"""AGL603: `Function.backward` returns another number of gradients than `forward` has inputs."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, FunctionReturned
from autograd_lint.evidence import Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule


class BackwardArity(Rule):
    """`Function.backward` returns another number of gradients than `forward` has inputs.

    ## What it does

    Reports a `return` in the `backward` of a custom `Function` that gives fewer gradients than `forward` takes inputs
    besides `ctx`, or more of them that are not None. Further ones that are None are legal.

    ## Why is this bad

    Torch wants one gradient for each input of `apply`, None for what is no tensor or needs none, and raises when the
    function is run backward.

    ## What torch says

    ```text
    RuntimeError: function ScaleBackward returned an incorrect number of gradients (expected 2, got 1)
    ```

    ## Example

    ```python
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor


    w = torch.ones(3, requires_grad=True)
    Scale.apply(w, 2.0).sum().backward()
    ```

    ## Use instead

    ```python
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor, None


    w = torch.ones(3, requires_grad=True)
    Scale.apply(w, 2.0).sum().backward()
    ```

    ## Confirmation

    Confirmed when backward raises the error above. Refuted when it ran.

    ## References

    - [Extending PyTorch: extending torch.autograd](https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-autograd)
    - [`torch.autograd.Function.backward`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.Function.backward.html)
    """

    code = "AGL603"
    name = "backward-arity"
    severity = Severity.ERROR
    on = (FunctionReturned,)
    raises = True
    says = ("number of gradients",)

    def confirmed(self, seen: Seen) -> str:
        """Torch raised at the backward that ran the flagged `return`."""
        function = seen.quoted()[0].partition(".")[0]
        if not seen.rounds or not seen.text.lstrip().startswith("return"):
            return ""
        said = (said for said in seen.run.said if f"function {function}Backward returned" in said.text)
        return next((each.quote() for each in said if any(word in each.text for word in self.says)), "")

    def judge(self, event: Event) -> Iterator[Report]:
        """A number of gradients that does not fit the inputs."""
        if not isinstance(event, FunctionReturned):
            return
        given = max(event.gradients - event.nones, min(event.gradients, event.required))
        if given < event.required:
            wanted = event.required
        elif event.accepted is not None and given > event.accepted:
            wanted = event.accepted
        else:
            return
        returns = "returns" if event.certain else "may return"
        inputs = "1 input" if wanted == 1 else f"{wanted} inputs"
        yield Report(
            event.site,
            f"`{event.function}.backward` {returns} {_count(given)} for {inputs}",
            (("the inputs are those of this `forward`", event.forward),),
            "give one gradient for each input of `forward` besides `ctx`, None where there is none",
            None if event.certain else Severity.WARNING,
        )


def _count(number: int) -> str:
    return f"{number} gradient" if number == 1 else f"{number} gradients"

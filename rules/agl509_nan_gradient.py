"""AGL509: a gradient becomes NaN where a derivative is infinite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, InfiniteDerivative, Singularity
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing_cuts import leaves_of

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class NanGradient(Rule):
    """A gradient becomes NaN where a derivative is infinite.

    ## What it does

    Reports a `torch.where` one branch of which has an infinite derivative at a value that its condition keeps out,
    such as `torch.where(x > 0, x.sqrt(), 0.0)`; and a root of a sum of squares, or of a value clamped at zero, that is
    written by hand.

    `norm`, `vector_norm`, `std` and `cdist` give a gradient of zero there and are left alone.

    ## Why is this bad

    `where` chooses values, and passes a gradient of zero to the branch it does not choose. Zero times the infinite
    derivative of that branch is NaN, and one NaN spoils every parameter it reaches. The root of `(x**2).sum()` is the
    same product: at zero, the infinite derivative of the root meets the zero derivative of the square. Adding a small
    number to the root's result does not help; added to its argument it does.

    ## Example

    ```python
    import torch

    x = torch.tensor([4.0, 0.0], requires_grad=True)
    root = torch.where(x > 0, x.sqrt(), torch.zeros(2))
    root.sum().backward()
    print(x.grad.isnan().any().item())  # True
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([4.0, 0.0], requires_grad=True)
    safe = torch.where(x > 0, x, torch.ones(2))
    root = torch.where(x > 0, safe.sqrt(), torch.zeros(2))
    root.sum().backward()
    print(x.grad.isnan().any().item())  # False
    ```

    ## Confirmation

    Confirmed when a finite leaf that the operation is computed from is left with a gradient that is NaN or infinite,
    and it was this place that made it so of a finite one; where the program's own tensors are not at the edge, its
    functions are given zeros. Never refuted, as another input may reach the edge: then the evidence says what the
    gradients were.

    ## References

    - [`torch.where`](https://docs.pytorch.org/docs/stable/generated/torch.where.html)
    - [`torch.linalg.vector_norm`](https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html)
    """

    code = "AGL509"
    name = "nan-gradient"
    severity = Severity.WARNING
    on = (InfiniteDerivative,)
    edges = True

    def confirmed(self, seen: Seen) -> str:
        """A leaf that the flagged place reaches, itself finite, is left with a gradient that is not."""
        operation = next(iter(re.findall(r"`([^`]*)`", seen.finding.message)), "")
        if _written(operation) not in seen.text and not seen.finding.related:
            return ""
        finite = {leaf.identity for leaf in _leaves(seen) if leaf.finite}
        node = seen.spoilt()
        for leaf in seen.ends if node else ():
            if leaf.gradient is not None and not leaf.gradient.finite and leaf.identity in finite:
                what = f"of a leaf that `{operation}` is computed from, whose values are {leaf.shown}"
                return f"the gradient {what}, is {leaf.gradient.shown} at the end of the run: `{node}` made it so"
        return ""

    def undecided(self, seen: Seen) -> str:
        """Only an input at the edge shows it."""
        found = [leaf.gradient for leaf in seen.ends if leaf.gradient is not None]
        if not found:
            return "no leaf that it is computed from has a gradient at the end of the run"
        if not all(gradient.finite for gradient in found):
            return "there were gradients that are not finite, but another operation than this made them so"
        return f"the gradients were finite, as {found[0].shown}: it takes an input at the edge, which this run has not"

    def judge(self, event: Event) -> Iterator[Report]:
        """A derivative that is infinite for a value that can occur."""
        if not isinstance(event, InfiniteDerivative) or not event.certain:
            return
        name = quoted(event.name, otherwise="a value")
        places = () if event.inner is None else ((_INNER[event.kind], event.inner),)
        if event.kind is Singularity.WHERE:
            message = f"the branch with `{event.op}` gives {name} a gradient of NaN where it is not taken"
        elif event.kind is Singularity.NORM:
            message = f"the gradient of `{event.op}` of a sum of squares is NaN where the sum is zero"
        else:
            message = f"the gradient of `{event.op}` of what is clamped at zero is infinite or NaN there"
        yield Report(event.site, message, places, _HELP[event.kind])

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The argument kept away from the edge."""
        from autograd_lint.fixing.roots import away_from_the_edge

        return away_from_the_edge(code, event) if isinstance(event, InfiniteDerivative) else None


def _leaves(seen: Seen) -> Iterator[Facts]:
    """The leaves of all that was seen at the flagged place, before it ran."""
    for each in seen.rounds:
        for facts in each.before.values():
            yield from leaves_of(facts)


def _written(operation: str) -> str:
    """How an operation reads in the source: its sign, or its name."""
    return operation.split()[0].removeprefix("torch.")


_INNER = {
    Singularity.WHERE: "its derivative is infinite at the edge",
    Singularity.NORM: "the squares are summed here",
    Singularity.CLAMP: "clamped here",
}
_HELP = {
    Singularity.WHERE: "make the argument safe with a `torch.where` of its own before the operation",
    Singularity.NORM: "use `torch.linalg.vector_norm`, or add a small number inside the root",
    Singularity.CLAMP: "clamp at a small positive number before the root",
}

"""AGL504: a value is cut from the graph on its way to what backward is called on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import ConstantTerm, Cut, Event
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, missing_gradient, quoted
from autograd_lint.showing_cuts import gradient_found, gradient_missing

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class GraphCut(Rule):
    """A value is cut from the graph on its way to what backward is called on.

    ## What it does

    Reports `.item()`, `float(…)`, `.tolist()`, `.detach()`, `.data`, `.numpy()` of a tensor of the graph, and a
    `torch.no_grad()` block around something trainable, where the numbers flow into a backward, and what lies before
    the cut gets no gradient from anything else: an optimizer steps over it, or its `.grad` is read, and there is none.

    Where it does get one from other terms of the loss, a number that was taken out of the graph and then added to
    the loss is a warning: that term moves no gradient. So is a penalty on gradients that `autograd.grad` computed
    without `create_graph`.

    Left alone is a cut that something else bridges, and one nobody misses: detached targets, teachers and target
    networks, straight-through estimators, numbers for logging.

    ## Why is this bad

    Backward runs without a complaint, as the rest of the graph is there. What lies before the cut is never trained.

    ## Example

    ```python
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    scale = torch.tensor(3.0, requires_grad=True)
    loss = scale * (w**2).item()
    loss.backward()
    print(w.grad)  # None
    ```

    ## Use instead

    ```python
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    scale = torch.tensor(3.0, requires_grad=True)
    loss = scale * w**2
    loss.backward()
    print(w.grad)  # 12
    ```

    ## Confirmation

    Confirmed when the gradient before the cut is None after the backward; of a term of the loss, when its numbers were
    taken out of a graph and a backward ran after they had been added. Refuted when the leaf before the cut has a
    gradient.

    ## References

    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    - [`torch.Tensor.item`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.item.html)
    - [Autograd mechanics: locally disabling gradient computation](https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation)
    """

    code = "AGL504"
    name = "graph-cut"
    severity = Severity.ERROR
    on = (Cut, ConstantTerm)

    def confirmed(self, seen: Seen) -> str:
        """The leaf before the cut has no gradient, or the numbers taken out went into the loss."""
        return gradient_missing(seen) or _taken_out(seen)

    def refuted(self, seen: Seen) -> str:
        """The leaf has one."""
        return gradient_found(seen) if seen.finding.severity is self.severity else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A cut that leaves something trainable without a gradient, or a term of the loss."""
        if isinstance(event, ConstantTerm) and event.certain:
            yield _constant(event)
        elif isinstance(event, Cut) and not event.rewrapped:
            message, places = missing_gradient(event)
            yield Report(event.site, message, places, _help(event.how), None if event.certain else Severity.WARNING)

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The value with its graph."""
        from autograd_lint.fixing.cuts import uncut

        return uncut(code, event) if isinstance(event, Cut | ConstantTerm) else None


def _taken_out(seen: Seen) -> str:
    """The flagged place took numbers out of a graph, the sum was computed, and backward ran through the rest."""
    left, added, ran = (
        next(seen.left(), None),
        seen.rounds_at("added to the loss here"),
        seen.rounds_at("backward runs here"),
    )
    if left is None or not added or not any(each.after is not None for each in ran):
        return ""
    number = len(left.leaves)
    ends = "1 leaf" if number == 1 else f"{number} leaves"
    return f"`{left.how}` took a number out of a graph that ends at {ends}, and the backward ran without that graph"


def _constant(event: ConstantTerm) -> Report:
    name = quoted(event.target.name, otherwise="a value")
    makes = "makes" if event.known else "may make"
    what = f"`{event.how}` {makes} a constant of {name}, and the constant is a term of the loss"
    if event.how == "autograd.grad":
        what = f"`{event.how}` without `create_graph` makes constants, and what they lead to a term of the loss"
    return Report(
        event.site,
        f"{what}: it moves no gradient",
        (("added to the loss here", event.added), ("backward runs here", event.needed)),
        f"{_drop(event.how)}, or drop the term" if event.how == "autograd.grad" else f"{_drop(event.how)}, or the term",
        Severity.WARNING,
    )


def _help(how: str) -> str:
    if how == "no_grad":
        return "compute it with gradients enabled, or give the optimizer only what is to be trained"
    return f"{_drop(how)}, or give the optimizer only what is to be trained"


def _drop(how: str) -> str:
    return "pass `create_graph=True`" if how == "autograd.grad" else f"drop `{how}`"

"""AGL511: a computed value is told to require grad, which brings no graph back."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import DeadEnd, Event, Refusal, Refused
from autograd_lint.evidence import Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class RequiresGradRevived(Rule):
    """A computed value is told to require grad, which brings no graph back.

    ## What it does

    Reports `loss.requires_grad = True` and `loss.requires_grad_()` on a computed value that is then what backward is
    called on. Reported is also an assignment to `requires_grad` of a tensor that is in the graph: torch raises.

    A computed tensor whose own gradient is then read or used, as an adversarial example's, is left alone.

    ## Why is this bad

    It makes the error "does not require grad and does not have a grad_fn" go away, and leaves its cause. The value
    becomes a leaf: backward computes its derivative with respect to itself, 1, and no parameter gets a gradient.

    ## Example

    ```python
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        loss = (w + 1) ** 2
    loss.requires_grad = True
    loss.backward()
    print(w.grad)  # None
    ```

    ## Use instead

    ```python
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    loss = (w + 1) ** 2
    loss.backward()
    print(w.grad)  # 6
    ```

    ## Confirmation

    Confirmed when no parameter has a gradient after the backward, or when torch raises. Refuted when they have.

    ## References

    - [`torch.Tensor.requires_grad_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad_.html)
    - [Autograd mechanics: setting requires_grad](https://docs.pytorch.org/docs/stable/notes/autograd.html#setting-requires-grad)
    """

    code = "AGL511"
    name = "requires-grad-revived"
    severity = Severity.ERROR
    on = (DeadEnd, Refused)
    says = ("you can only change requires_grad flags",)
    heard = True

    def confirmed(self, seen: Seen) -> str:
        """The flagged tensor is a leaf at the backward, so nothing behind it gets a gradient; or torch has refused."""
        name = seen.quoted_name(-1)
        flagged = any(after.requires_grad and not before.requires_grad for before, after in seen.changes(name))
        for facts in seen.at_related(-1, name) if flagged else ():
            if facts.leaf and facts.requires_grad:
                return f"`{name}` has no grad_fn at the backward: it is a leaf, and backward ends there"
        return super().confirmed(seen)

    def judge(self, event: Event) -> Iterator[Report]:
        """A flag that hides a missing graph, or that torch refuses to change."""
        severity = None if event.certain else Severity.WARNING
        if isinstance(event, Refused) and event.reason is Refusal.NON_LEAF_FLAG:
            yield _refused(event, severity)
        elif isinstance(event, DeadEnd) and event.flagged:
            name = quoted(event.target.name, otherwise="a computed value")
            hides = "gives" if event.certain else "may give"
            told = f"`{event.how}` {hides} {name} no graph"
            message = f"{told}: torch raises, or backward reaches nothing else" if event.raises else told
            ends = ("backward runs here, and reaches nothing else", event.needed)
            places = (ends,) if event.cut is None else (("cut from the graph here", event.cut), ends)
            yield Report(event.site, message, places, "drop it, and mend what cut the value from the graph", severity)


def _refused(event: Refused, severity: Severity | None) -> Report:
    name = quoted(event.target.name, otherwise="a tensor")
    changes = "is" if event.certain else "may be"
    return Report(
        event.site,
        f"the flag of {name}, which {changes} in the graph, cannot be changed: torch raises",
        () if event.target.made is None else (("computed here, so no leaf", event.target.made),),
        "set `requires_grad` of leaves only; use `.detach()` for a value without a graph",
        severity,
    )

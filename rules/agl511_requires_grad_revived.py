"""AGL511: a computed value is told to require grad, which brings no graph back."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import DeadEnd, Event, Refusal, Refused
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import of_quoted


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

    Confirmed when the value is a leaf without a graph when backward runs, or when torch raises. Refuted when it has a
    graph there.

    ## References

    - [`torch.Tensor.requires_grad_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad_.html)
    - [Autograd mechanics: setting requires_grad](https://docs.pytorch.org/docs/stable/notes/autograd.html#setting-requires-grad)
    """

    code = "AGL511"
    name = "requires-grad-revived"
    severity = Severity.ERROR
    on = (DeadEnd, Refused)

    says = ("requires_grad flags of leaf",)
    heard = True

    def confirmed(self, seen: Seen) -> str:
        """Torch raised, or the flag made a leaf of the value, and backward started from that."""
        return super().confirmed(seen) or of_quoted(seen, _made_a_leaf)

    def refuted(self, seen: Seen) -> str:
        """The value has a graph when backward runs."""
        return of_quoted(seen, _has_graph) if seen.finding.severity is self.severity else ""

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


def _made_a_leaf(seen: Seen, name: str) -> str:
    for before, after in seen.changes(name):
        if before.requires_grad is False and after.requires_grad and not after.grad_fn:
            for facts in _at_backward(seen, name):
                if facts.leaf and not facts.grad_fn:
                    return f"`{name}` has no grad_fn and is a leaf when backward runs, so that it reaches nothing else"
    return ""


def _has_graph(seen: Seen, name: str) -> str:
    found = list(_at_backward(seen, name))
    if found and all(facts.grad_fn for facts in found):
        return f"`{name}` has the grad_fn {found[0].grad_fn} when backward runs"
    return ""


def _at_backward(seen: Seen, name: str) -> Iterator[Facts]:
    return (each.before[name] for each in seen.rounds_at("backward runs here") if name in each.before)


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

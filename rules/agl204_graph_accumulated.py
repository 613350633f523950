"""AGL204: losses or outputs are collected with their graph, round after round, for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, GraphKept, Site
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import growth

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class GraphAccumulated(Rule):
    """Losses or outputs are collected with their graph, round after round, for nothing.

    ## What it does

    Reports a loop in which a loss, or something else that a backward has already been through, is added to a sum or
    put into a container that outlives the round: `total += loss`, `losses.append(loss)`, a slot of a dict, a meter's
    attribute. So is what a method that runs the backward itself adds to the sums and lists of its object, call after
    call. Losses that are summed first and given to backward then are left alone.

    ## Why is this bad

    Backward has freed the saved tensors, but not the graph: its nodes stay as long as anything refers to them. They
    grow with each round, and for a sum into a chain as long as the epoch. Without a backward in the loop the saved
    tensors stay too, until memory is full. The number is all a log needs.

    ## Example

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    total = 0.0
    for step in range(100):
        loss = (weight * step) ** 2
        weight.grad = None
        loss.backward()
        total += loss
    print(total.requires_grad)  # True
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    total = 0.0
    for step in range(100):
        loss = (weight * step) ** 2
        weight.grad = None
        loss.backward()
        total += loss.item()
    print(isinstance(total, float))  # True
    ```

    ## Confirmation

    Confirmed when the number of live graph nodes, or of saved bytes, grows with each iteration. Refuted when neither
    does.

    ## References

    - [PyTorch FAQ: don't accumulate history across your training loop](https://docs.pytorch.org/docs/stable/notes/faq.html)
    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    """

    code = "AGL204"
    name = "graph-accumulated"
    severity = Severity.WARNING
    on = (GraphKept,)

    def confirmed(self, seen: Seen) -> str:
        """The graph behind the sum or the container grows with each round."""
        holders = [seen.event.holder] if isinstance(seen.event, GraphKept) else _holders(seen)
        for holder in holders:
            nodes = growth(facts.nodes for facts in seen.results(holder))
            if nodes:
                return f"the graph nodes behind `{holder}` after the first rounds: {nodes}"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such sum and container."""
        if not isinstance(event, GraphKept):
            return
        value = quoted(event.value.name, otherwise="a value")
        holder = quoted(event.holder, otherwise="a sum" if event.added else "a container")
        verb = "adds" if event.added else "puts"
        to = "to" if event.added else "into"
        time = "call" if event.called else "round"
        yield Report(
            event.site,
            f"each {time} {verb} {value} with its graph {to} {holder}, and no backward will use it",
            tuple(_places(event)),
            "cut the graph: `.item()` for a number, `.detach()` for a tensor",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The value detached before it is kept."""
        from autograd_lint.fixing.keeping import kept_without_graph

        return kept_without_graph(code, event) if isinstance(event, GraphKept) else None


def _places(event: GraphKept) -> Iterator[tuple[str, Site]]:
    if event.backward is not None:
        yield "backward has been through it here", event.backward
    if event.site.calls:
        yield "called from here", event.site.calls[-1]


_SLOT = re.compile(r"`([\w.]+)\[…\]`")
"""What is filled at an index, as messages show it."""


def _holders(seen: Seen) -> list[str]:
    """The names that the finding speaks of, whose graph this statement itself makes larger each time."""
    return [
        name
        for name in (*seen.quoted(), *_SLOT.findall(seen.finding.message))
        if name in seen.text and all(before.nodes < after.nodes for before, after in seen.changes(name))
    ]

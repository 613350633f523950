"""AGL201: `retain_graph=True` keeps a graph alive where there is a better way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Backward, Event, Site
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class RetainGraph(Rule):
    """`retain_graph=True` keeps a graph alive where there is a better way.

    ## What it does

    Reports every backward that is given `retain_graph=True`, and says which alternative fits:

    - nothing uses the graph again, or `create_graph=True` keeps it already: drop the argument;
    - other scalars are differentiated through the same graph: sum them and run one backward;
    - the later root is no scalar: one backward with `gradient=`;
    - an optimizer steps in between: then the argument only trades AGL202 for AGL108.

    A condition in place of `True` is left alone, and so is what a function hands on from its caller, unless the graph
    is seen to be used again.

    ## Why is this bad

    Backward frees what the graph saved as it goes; with `retain_graph=True` all of it stays in memory. Each further
    backward also walks the shared part of the graph again, while the gradient of a sum costs one walk. And the argument
    is what torch's own error message proposes for a second backward, so it is often a patch over another fault: a graph
    carried from one iteration to the next (AGL203), or a forward hoisted out of the loop.

    Where the graph really is needed again, for rows of a Jacobian say, suppress the finding with the reason.

    ## Example

    ```python
    import torch

    x = torch.arange(4.0, requires_grad=True)
    squares = x**2
    mean, total = squares.mean(), squares.sum()
    mean.backward(retain_graph=True)
    total.backward()
    print(x.grad)  # 0, 2.5, 5, 7.5
    ```

    ## Use instead

    ```python
    import torch

    x = torch.arange(4.0, requires_grad=True)
    squares = x**2
    mean, total = squares.mean(), squares.sum()
    (mean + total).backward()
    print(x.grad)  # 0, 2.5, 5, 7.5
    ```

    ## Confirmation

    Confirmed when the call ran with the argument; the evidence says whether a later backward used the graph, how many
    bytes of saved tensors were held for it, and whether the alternative gives equal gradients.

    ## References

    - [`torch.autograd.backward`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html)
    - [`torch.Tensor.backward`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html)
    """

    code = "AGL201"
    name = "retain-graph"
    severity = Severity.WARNING
    on = (Backward,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The graph holds what backward would have freed."""
        root = seen.event.root.name if isinstance(seen.event, Backward) else ""
        for facts in seen.results(root):
            if facts.nodes:
                held = f"{facts.nodes} nodes and {facts.saved} bytes of saved tensors"
                return f"after this backward the graph of `{root}` still holds {held}"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A call with the argument."""
        if not isinstance(event, Backward) or not event.retain_graph:
            return
        if event.handed_on and not event.reused and (event.root.in_graph is None or event.create_graph):
            return  # the choice of whoever calls this, which may have its reasons
        yield Report(event.site, _message(event), tuple(_places(event)), _help(event))

    def fix(self, event: Event, code: Code) -> Fix | None:
        """Without the argument, or one backward of the sum."""
        from autograd_lint.fixing.backwards import only_once

        return only_once(code, event) if isinstance(event, Backward) else None


def _message(event: Backward) -> str:
    root = quoted(event.root.name, otherwise="a tensor")
    if event.create_graph:
        return f"`retain_graph=True` beside `create_graph=True`, which keeps the graph of {root} by itself"
    if not event.reused and event.root.in_graph is None:
        return f"`retain_graph=True` keeps the graph of {root} for a backward that may follow"
    if not event.reused:
        return f"`retain_graph=True` keeps the graph of {root}, and no later backward uses it"
    if event.stepped is not None:
        return f"`retain_graph=True` keeps the graph of {root} across an optimizer step, which changes what it saved"
    return f"`retain_graph=True` keeps the graph of {root} for another backward"


def _places(event: Backward) -> Iterator[tuple[str, Site]]:
    if event.stepped is not None:
        yield "the parameters are changed here", event.stepped
    for site in event.reused:
        yield "the graph is used again here", site


def _help(event: Backward) -> str:
    if event.create_graph:
        return "drop the argument"
    if not event.reused and event.root.in_graph is None:
        return "drop the argument if no later backward needs this graph; else sum the losses, and run one backward"
    if not event.reused:
        return "drop the argument"
    if event.stepped is not None:
        return "run every backward before the step, or the forward again after it: else AGL202 only turns into AGL108"
    if event.scalar is False or False in event.reused_scalars:
        return "pass `gradient=` to one backward, or reduce each root to a scalar and sum them: the gradients add up"
    if len(event.reused_roots) == 1 and event.root.name and event.reused_roots[0] not in ("", event.root.name):
        return f"sum the losses, `({event.root.name} + {event.reused_roots[0]}).backward()`: the gradients add up"
    return "sum the losses, each with its factor, and run one backward: the gradients add up"

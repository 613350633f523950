"""AGL207: a validation loop runs forward with gradients switched on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import EvalForward, Event
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import names_in

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class EvalBuildsGraph(Rule):
    """A validation loop runs forward with gradients switched on.

    ## What it does

    Reports a forward in a loop, of a module that `eval()` has put into evaluation mode, that builds a graph which no
    backward uses before training goes on: once a loop for each module. Where a method of the module calls its parts,
    it is reported where that method is called. A frozen module, and one that is called inside another one's `forward`,
    are left alone.

    ## Why is this bad

    `eval()` changes what dropout and batch normalisation do; it does not switch gradients off. Each forward saves its
    intermediate results for a backward that never comes: memory and time for nothing, and an out-of-memory error where
    outputs are kept.

    ## Example

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    model.eval()
    for batch in torch.ones(3, 4, 2):
        output = model(batch)
    print(output.requires_grad)  # True
    ```

    ## Use instead

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    model.eval()
    with torch.no_grad():
        for batch in torch.ones(3, 4, 2):
            output = model(batch)
    print(output.requires_grad)  # False
    ```

    ## Confirmation

    Confirmed when the outputs have a `grad_fn` and no backward runs through it. Refuted when they have none.

    ## References

    - [Autograd mechanics: evaluation mode](https://docs.pytorch.org/docs/stable/notes/autograd.html#evaluation-mode-nn-module-eval)
    - [`torch.no_grad`](https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html)
    """

    code = "AGL207"
    name = "eval-builds-graph"
    severity = Severity.WARNING
    on = (EvalForward,)

    def confirmed(self, seen: Seen) -> str:
        """What the forward returned has a graph."""
        module = seen.quoted_name(0)
        evaluates = module in seen.text and any(facts.training is False for facts in seen.results(module))
        for name in names_in(seen) if evaluates else ():
            for facts in seen.made(name):
                if facts.grad_fn:
                    held = f"its graph holds {facts.nodes} nodes and {facts.saved} bytes of saved tensors"
                    return f"`{name}` has the grad_fn {facts.grad_fn}; {held}"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Such a forward, with the others of its loop."""
        if not isinstance(event, EvalForward):
            return
        module = quoted(event.module, otherwise="a module")
        builds = "builds" if event.certain else "may build"
        yield Report(
            event.site,
            f"the forward of {module} in evaluation mode {builds} a graph that no backward uses",
            (("evaluation mode since here", event.mode), *(("and here", site) for site in event.also)),
            "wrap the loop in `torch.no_grad()` or `torch.inference_mode()`, or decorate the function",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The function decorated, or the loop around the forward wrapped."""
        from autograd_lint.fixing.evaluating import without_gradients

        return without_gradients(code, event) if isinstance(event, EvalForward) else None

"""AGL503: a tensor of the graph is put into a new tensor, which knows nothing of the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Cut, DeadEnd, Event
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, missing_gradient, quoted
from autograd_lint.showing_cuts import dead_end, gradient_found, gradient_missing

if TYPE_CHECKING:
    import libcst as cst

    from autograd_lint.fixing.code import Code


class RewrappedTensor(Rule):
    """A tensor of the graph is put into a new tensor, which knows nothing of the graph.

    ## What it does

    Reports `torch.tensor(t)`, `torch.as_tensor([t, …])`, `torch.FloatTensor([t, …])`, `nn.Parameter(t)` and
    `Variable(t)` of a tensor of the graph where the result flows into a backward, and what lies before it gets no
    gradient from anything else: an optimizer steps over it, or its `.grad` is read, and there is none. Reported is
    also a backward that ends at such a new tensor with `requires_grad=True` and nowhere else.

    Left alone is a target, a weight or a value for logging: nothing waits for its gradient.

    ## Why is this bad

    The new tensor is a leaf: it has the numbers, and none of the operations that led to them. Backward stops there
    without a word, and the parameters before it are never trained. With `requires_grad=True` the gradient of the loss
    with respect to itself is computed, and nothing else.

    ## Example

    ```python
    import torch

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    losses = [w[0] ** 2, w[1] ** 3]
    loss = torch.tensor(losses, requires_grad=True).sum()
    loss.backward()
    print(w.grad)  # None
    ```

    ## Use instead

    ```python
    import torch

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    losses = [w[0] ** 2, w[1] ** 3]
    loss = torch.stack(losses).sum()
    loss.backward()
    print(w.grad)  # 2, 12
    ```

    ## Confirmation

    Confirmed when the gradient before the new tensor is None after the backward, or when what backward starts from ends
    at a leaf that none of those before it is. Refuted when the leaf before the new tensor has a gradient.

    ## References

    - [`torch.tensor`](https://docs.pytorch.org/docs/stable/generated/torch.tensor.html)
    - [`torch.stack`](https://docs.pytorch.org/docs/stable/generated/torch.stack.html)
    """

    code = "AGL503"
    name = "rewrapped-tensor"
    severity = Severity.ERROR
    on = (Cut, DeadEnd)

    def confirmed(self, seen: Seen) -> str:
        """The leaf before the new tensor has no gradient, or backward ends at the new tensor."""
        return gradient_missing(seen) or dead_end(seen)

    def refuted(self, seen: Seen) -> str:
        """The leaf has one."""
        return gradient_found(seen) if seen.finding.severity is self.severity else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A new tensor on the way from what is trained to what backward is called on."""
        severity = None if event.certain else Severity.WARNING
        if isinstance(event, Cut) and event.rewrapped:
            message, places = missing_gradient(event)
            yield Report(event.site, message, places, _help(event.how), severity)
        elif isinstance(event, DeadEnd) and not event.flagged:
            told = quoted(event.target.name, otherwise="computed numbers")
            may = "ends" if event.certain else "may end"
            ends = ("backward runs here", event.needed)
            places = (ends,) if event.cut is None else (("cut from the graph here", event.cut), ends)
            yield Report(
                event.site,
                f"backward {may} at the new tensor that `{event.how}` makes of {told}",
                places,
                _help(event.how),
                severity,
            )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The tensor itself, or the tensors stacked."""
        import libcst as cst

        from autograd_lint.fixing.calls import argument
        from autograd_lint.fixing.names import name_for
        from autograd_lint.fixing.values import bracketed, instead

        call = code.find(event.site, cst.Call)
        data = None if call is None else argument(call, "data", 0)
        if call is None or data is None:
            return None
        if not _is_collection(code, data.value):
            return code.unsafe("use the tensor itself", instead(code, call, bracketed(code, data.value)))
        stack = name_for(code, "torch.stack", call)
        if stack is None:
            return None
        return code.unsafe(
            "stack the tensors", *stack.imports, code.replace(call, f"{stack.text}({code.text(data.value)})")
        )


def _help(how: str) -> str:
    if how == "nn.Parameter":
        return "use the tensor itself; make Parameters once, when the module is built"
    return "use the tensor itself, or `torch.stack` for several"


def _is_collection(code: Code, value: cst.BaseExpression) -> bool:
    """Whether an expression is a list or tuple, or a name that is bound to one."""
    import libcst as cst

    from autograd_lint.fixing.walk import descendants, target_names

    displays = (cst.List, cst.Tuple, cst.ListComp)
    if isinstance(value, displays):
        return True
    return isinstance(value, cst.Name) and any(
        isinstance(found.value, displays) and any(value.value in target_names(to.target) for to in found.targets)
        for found in descendants(code.scope(value))
        if isinstance(found, cst.Assign)
    )

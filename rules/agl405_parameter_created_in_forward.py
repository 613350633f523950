"""AGL405: `forward` makes a new Parameter, or a new Module with parameters, on each call."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, MadeInForward
from autograd_lint.evidence import Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule


class ParameterCreatedInForward(Rule):
    """`forward` makes a new Parameter, or a new Module with parameters, on each call.

    ## What it does

    Reports a Parameter, or a Module that has parameters, that is made while a Module's `forward` runs, in `forward`
    itself or in what it calls. One that is made once and kept behind a condition, one whose values are set by hand or
    that does not require grad, and one that is given to an optimizer are left alone.

    ## Why is this bad

    The next call makes another one, with new random values. No optimizer can know it, so that whatever gradient it
    gets is lost, and the model computes something else each time.

    ## Example

    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def forward(self, x):
            return nn.Linear(4, 4)(x)


    net = Net()
    x = torch.ones(1, 4)
    print(len(list(net.parameters())), torch.equal(net(x), net(x)))  # 0 False
    ```

    ## Use instead

    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(x)


    net = Net()
    x = torch.ones(1, 4)
    print(len(list(net.parameters())), torch.equal(net(x), net(x)))  # 2 True
    ```

    ## Confirmation

    Confirmed when two calls of `forward` make two objects, and the first call's is not among the module's parameters
    after the second; or when the only call makes one, which is gone at the end. Never refuted: where a call finds what
    another one made, the evidence says that nothing was shown.

    ## References

    - [`torch.nn.Module`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html)
    - [`torch.nn.parameter.Parameter`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html)
    """

    code = "AGL405"
    name = "parameter-created-in-forward"
    severity = Severity.ERROR
    on = (MadeInForward,)

    def confirmed(self, seen: Seen) -> str:
        """The observer saw calls make them, and the module has none, or the second in place of the first."""
        if not isinstance(seen.event, MadeInForward):
            return ""
        event = seen.event
        if not event.certain:
            gone = "and it is gone when all is over"
            return f"the one call of `forward` made an object of `{event.made}` in this row, {gone}"
        has = "the module has the later one only" if event.kept else f"`{event.owner}` has no parameter of theirs"
        return f"two calls of `forward` made two objects of `{event.made}` in this row, and after the second {has}"

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such object."""
        if not isinstance(event, MadeInForward):
            return
        makes = "makes" if event.certain else "may make"
        kept = ", in place of the one before" if event.kept else ""
        calls = (("called from here", event.site.calls[-1]),) if event.site.calls else ()
        yield Report(
            event.site,
            f"`forward` of `{event.owner}` {makes} a new `{event.made}` on each call{kept}: no optimizer updates it",
            calls,
            "make it in `__init__` and keep it in an attribute",
            None if event.certain else Severity.WARNING,
        )

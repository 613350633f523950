"""AGL403: Parameters or Modules are kept in a plain list, tuple or dict, where their Module does not see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Holder, Unregistered
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule
from autograd_lint.showing import never_registered

_CONTAINERS = {
    Holder.LIST: ("`nn.ModuleList`", "`nn.ParameterList`"),
    Holder.TUPLE: ("`nn.ModuleList`", "`nn.ParameterList`"),
    Holder.SET: ("`nn.ModuleList`", "`nn.ParameterList`"),
    Holder.DICT: ("`nn.ModuleDict`", "`nn.ParameterDict`"),
    Holder.ATTRIBUTE: ("`register_module`", "`register_parameter`"),
}

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class UnregisteredParameter(Rule):
    """Parameters or Modules are kept in a plain list, tuple or dict, where their Module does not see them.

    ## What it does

    Reports an attribute of a Module that, when the constructor is done, holds Parameters or Modules in a plain Python
    container, while nothing has registered them: no `ModuleList` or `Sequential` around the same objects, no
    `add_module`, no `setattr`. Modules without parameters, frozen ones, what the constructor was given from outside,
    and what an optimizer is given directly are left alone.

    ## Why is this bad

    A Module registers what is assigned to it directly. It does not look into lists and dicts, so what is in them is
    missing from `parameters()`: the optimizer never updates it, `to(device)` leaves it behind, `state_dict()` does not
    save it. Training still goes on, with layers that keep their random values.

    ## Example

    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(4, 4) for _ in range(3)]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return x


    print(len(list(Net().parameters())))  # 0
    ```

    ## Use instead

    ```python
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return x


    print(len(list(Net().parameters())))  # 6
    ```

    ## Confirmation

    Confirmed when the parameters are missing from `parameters()`. Refuted when they are there.

    ## References

    - [`torch.nn.ModuleList`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
    - [`torch.nn.ParameterList`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterList.html)
    - [`torch.nn.Module`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html)
    """

    code = "AGL403"
    name = "unregistered-parameter"
    severity = Severity.ERROR
    on = (Unregistered,)

    def confirmed(self, seen: Seen) -> str:
        """The module's parameters lack what the attribute holds."""
        return never_registered(seen, seen.quoted_name(0))

    def refuted(self, seen: Seen) -> str:
        """The module has parameters under the attribute's name."""
        name = seen.quoted()[0]
        for module in seen.results("self"):
            found = [each for each in module.parameters or () if each.split(".")[0] == name]
            if found and not seen.run.ended:
                return f"named_parameters() of `{module.type}` has `{found[0]}`"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Parameters, and Modules that have some."""
        if not isinstance(event, Unregistered) or not event.parameter:
            return
        made = () if event.made is None or event.made.key == event.site.key else (("made here", event.made),)
        modules, parameters = _CONTAINERS[event.holder]
        instead = parameters if event.member == "Parameter" else modules
        missing = "is missing" if event.certain else "may be missing"
        yield Report(
            event.site,
            f"`{event.attribute}` keeps a `{event.member}` in a plain {event.holder.value}: "
            f"it {missing} from the parameters of `{event.owner}`",
            made,
            f"use {instead} in place of the plain {event.holder.value}",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The container of `torch.nn` around the plain one."""
        from autograd_lint.fixing.parameters import contained

        return contained(code, event) if isinstance(event, Unregistered) else None

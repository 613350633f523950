"""AGL110: a function writes in place to a tensor that its caller still holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, How, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, writer
from autograd_lint.showing import value_changed

_OWN = (How.OPTIMIZER, How.STATE, How.OUT)

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ArgumentMutated(Rule):
    """A function writes in place to a tensor that its caller still holds.

    ## What it does

    Reports an in-place operation, an index assignment, or a module with `inplace=True`, that a function or a `forward`
    applies to one of its own arguments. A function whose name ends in an underscore says that it does so, and is left
    alone.

    It is off by default: select it where functions are meant to leave their arguments alone.

    ## Why is this bad

    The caller's tensor changes behind its back: its next use sees other values, and where the graph needs the old ones
    backward raises (AGL101).

    ## Example

    ```python
    import torch


    def doubled(x):
        return x.mul_(2)


    ones = torch.ones(2)
    doubled(ones)
    print(ones)  # 2 2
    ```

    ## Use instead

    ```python
    import torch


    def doubled(x):
        return x.mul(2)


    ones = torch.ones(2)
    doubled(ones)
    print(ones)  # 1 1
    ```

    ## Confirmation

    Confirmed when a tensor the caller holds changed in the call. Refuted when it has the same values.

    ## References

    - [Autograd mechanics: in-place operations](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd)
    """

    code = "AGL110"
    name = "argument-mutated"
    severity = Severity.INFO
    on = (Write,)
    callers = True
    default = False

    def confirmed(self, seen: Seen) -> str:
        """The argument has another value after the write."""
        name = seen.quoted_name(-1)
        return value_changed(seen, name) if name in seen.text else ""

    def undecided(self, seen: Seen) -> str:
        """Nobody holds it."""
        return "no caller was seen that still holds the argument in a variable"

    def judge(self, event: Event) -> Iterator[Report]:
        """A write to an argument that torch does not refuse."""
        if not isinstance(event, Write) or not event.argument or event.how in _OWN or event.refusal is not None:
            return
        changes = "changes" if event.certain else "may change"
        calls = (("called from here", event.site.calls[-1]),) if event.site.calls else ()
        yield Report(
            event.site,
            f"{writer(event)} {changes} the argument `{event.argument}`, which the caller still holds",
            calls,
            "use the out-of-place form, or clone the argument first",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The out-of-place form."""
        from autograd_lint.fixing.outofplace import out_of_place

        return out_of_place(code, event) if isinstance(event, Write) else None

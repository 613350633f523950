"""AGL510: the result of an out-of-place operation is thrown away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Discarded, Event
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import of_quoted, value_changed, value_kept

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class DiscardedResult(Rule):
    """The result of an out-of-place operation is thrown away.

    ## What it does

    Reports `x.detach()`, `x.masked_fill(mask, 0)`, `x.to(device)` and their kin alone on a line: methods that return
    a new tensor, where nobody takes it. `.to(…)` and `.float()` may return `x` itself, so those are a warning unless
    it is known that they do not. A Module's `.to(device)` does change the module and is left alone.

    ## Why is this bad

    The statement does nothing: `x` is what it was before. The graph that was to be cut goes on, what was to be masked
    is not, and the loss is computed from the wrong values.

    ## Example

    ```python
    import torch

    scores = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    hidden = torch.tensor([False, False, True])
    shown = scores * 2
    shown.masked_fill(hidden, 0.0)
    print(shown.sum().item())  # 12
    ```

    ## Use instead

    ```python
    import torch

    scores = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    hidden = torch.tensor([False, False, True])
    shown = scores * 2
    shown = shown.masked_fill(hidden, 0.0)
    print(shown.sum().item())  # 6
    ```

    ## Confirmation

    Confirmed when the tensor is the same before and after the statement and its result is another one. Refuted when
    the tensor changed.

    ## References

    - [`torch.Tensor.masked_fill`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html)
    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    """

    code = "AGL510"
    name = "discarded-result"
    severity = Severity.ERROR
    on = (Discarded,)

    def confirmed(self, seen: Seen) -> str:
        """The tensor is the same after the statement, which is nothing but the call."""
        operation, *names = seen.quoted()
        if not re.fullmatch(rf"\s*[^=]*\.{re.escape(operation)}\(.*\)\s*", seen.text, re.DOTALL) or not names:
            return ""
        if seen.finding.severity is not self.severity and not _makes_another(operation, seen, names[0]):
            return ""
        return value_kept(seen, names[0])

    def refuted(self, seen: Seen) -> str:
        """The tensor changed."""
        return of_quoted(seen, value_changed)

    def undecided(self, seen: Seen) -> str:
        """An operation that may return the tensor itself."""
        certain = seen.finding.severity is self.severity
        return "" if certain else "nothing shows whether the result is the tensor itself or a copy"

    def judge(self, event: Event) -> Iterator[Report]:
        """A result that nobody takes."""
        if not isinstance(event, Discarded):
            return
        name = quoted(event.target.name, otherwise="the tensor")
        goes = "is thrown away" if event.certain else "may be thrown away"
        variable = event.target.name or "x"
        yield Report(
            event.site,
            f"the result of `{event.op}` {goes}: {name} stays as it was",
            (),
            f"assign it: `{variable} = {variable}.{event.op}(…)`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The result assigned to what it was computed of."""
        import libcst as cst

        call = code.find(event.site, cst.Call)
        if call is None or not isinstance(call.func, cst.Attribute) or not isinstance(code.parent(call), cst.Expr):
            return None
        if call.func.attr.value == "detach":
            return None  # assigned, it would cut what follows from the graph
        kept = call.func.value
        if not isinstance(kept, cst.Name | cst.Attribute | cst.Subscript):
            return None
        return code.unsafe("assign the result", code.insert(code.place(call).start, f"{code.text(kept)} = "))


_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64"}


def _makes_another(operation: str, seen: Seen, name: str) -> bool:
    """Whether a conversion that may do nothing does something: the tensor has another dtype."""
    dtype = _DTYPES.get(operation)
    found = [before.dtype for before, _ in seen.changes(name) if before.is_tensor]
    return dtype is not None and bool(found) and dtype not in found

"""AGL112: what is written in place is a copy that indexing has made: the write is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, LostWrite
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import of_quoted, value_changed, value_kept

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class WriteToCopy(Rule):
    """What is written in place is a copy that indexing has made: the write is lost.

    ## What it does

    Reports an in-place operation, or an assignment to an element, on `x[mask]` or `x[indices]`, whose result nobody
    takes: `x[mask].mul_(2)`, `x[[0, 2]].zero_()`, `x[mask][0] = 1`. Indexing by numbers and slices makes a view, and is
    left alone; so are `x[mask] = …` and `x[mask] *= 2`, which write to `x`.

    ## Why is this bad

    Indexing by a tensor or a list makes a copy. The operation changes the copy, which is thrown away, and `x` stays as
    it was.

    ## Example

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0])
    x[x > 2].mul_(10)
    print(x)  # 1 2 3
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0])
    x[x > 2] *= 10
    print(x)  # 1 2 30
    ```

    ## Confirmation

    Confirmed when the indexed tensor has the same values after the write as before. Refuted when they changed.

    ## References

    - [Tensor views: indexing](https://docs.pytorch.org/docs/stable/tensor_view.html)
    - [`torch.Tensor.index_put_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html)
    """

    code = "AGL112"
    name = "write-to-copy"
    severity = Severity.ERROR
    on = (LostWrite,)

    def confirmed(self, seen: Seen) -> str:
        """The indexed tensor is the same after the write."""
        return value_kept(seen, seen.event.target.name) if isinstance(seen.event, LostWrite) else ""

    def refuted(self, seen: Seen) -> str:
        """The indexed tensor changed."""
        return of_quoted(seen, value_changed)

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such write."""
        if not isinstance(event, LostWrite):
            return
        name = quoted(event.target.name, otherwise="the indexed tensor")
        writer = "an index assignment" if event.op == "[]=" else f"`{event.op}`"
        changes = "changes" if event.certain else "may change"
        copied = () if event.copied is None else (("the copy is made here", event.copied),)
        yield Report(
            event.site,
            f"{writer} {changes} a copy that indexing has made: {name} stays as it is",
            copied,
            "assign to the indexed tensor: `x[mask] = …`, `x[mask] *= …`",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """An index assignment in place of the write to a copy."""
        from autograd_lint.fixing.copies import assigned, put_back

        return (assigned(code, event) or put_back(code, event)) if isinstance(event, LostWrite) else None

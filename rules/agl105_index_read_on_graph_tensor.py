"""AGL105: indexing a graph tensor gives a view, which shares its memory and version counter."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, IndexRead
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted


class IndexReadOnGraphTensor(Rule):
    """Indexing a graph tensor gives a view, which shares its memory and version counter.

    ## What it does

    Notes every `x[i]`, `x[a:b]`, `x[:, j]` that reads a view of a tensor with a `grad_fn`. Indexing by a tensor or a
    list makes a copy and is not noted.

    Off unless selected: reading a view is ordinary. Select it when searching for the tensor that an in-place write
    elsewhere has changed.

    ## Why is this bad

    It is not, by itself. But an operation that saves the view saves the memory and the version counter of the whole
    tensor: from then on a write to *any* element makes backward raise (AGL101), and the error names a tensor the
    program never gave a name.

    ## Example

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    first = y[0]
    print(first._is_view())  # True
    first.backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    first = x[0] * 2  # indexed before the computation: the result has memory of its own
    print(first._is_view())  # False
    first.backward()
    ```

    ## Confirmation

    Confirmed when the result is a view and has the same version as the tensor before and after a write. Refuted when
    the result has memory of its own.

    ## References

    - [Tensor views](https://docs.pytorch.org/docs/stable/tensor_view.html)
    - [Autograd mechanics: in-place correctness checks](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks)
    """

    code = "AGL105"
    name = "index-read-on-graph-tensor"
    severity = Severity.INFO
    on = (IndexRead,)
    default = False
    talk = True

    def judge(self, event: Event) -> Iterator[Report]:
        """Every such read."""
        if not isinstance(event, IndexRead) or not event.certain:
            return
        name = quoted(event.target.name, otherwise="a tensor of the graph")
        yield Report(
            event.site,
            f"indexing gives a view of {name}: it shares the memory and the version counter",
            help="clone the view if the tensor is written later",
        )

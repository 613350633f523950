"""AGL104: elements of a tensor are overwritten by index where it, or the value, is in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, How, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted, ways_in, writer
from autograd_lint.showing import never_in_graph, rewritten, version_moved

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class IndexWriteOnGraphTensor(Rule):
    """Elements of a tensor are overwritten by index where it, or the value, is in the graph.

    ## What it does

    Reports `x[i] = …`, `x[i] += …` and in-place methods on a view, `x[i].mul_(…)`, where `x` or the value has a
    `grad_fn` and no operation is known to have saved `x`. Where one has, it is AGL101.

    A write by a mask or by tensors of indices, `out[mask] = …`, into a tensor made for it, or into what a layer gave,
    is left alone outside loops, while one name at most holds that tensor: no join of parts says the same.

    ## Why is this bad

    An index write is an in-place write to the *whole* tensor, as far as autograd is concerned: all views share one
    version counter, so reading `x[0]` in a product and then writing `x[1]` makes backward raise. Filling a tensor step
    by step from its own earlier elements therefore works for some formulas (`x[i-1] + b`) and not for others
    (`x[i-1] * b`). Each write also adds a `CopySlices` node over the full tensor, so a loop costs the square of its
    length in backward.

    Collecting the parts in a list and joining them once has neither problem.

    ## Example

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = torch.zeros(4)
    out[:3] = x * 2
    out.sum().backward()
    print(out._version)  # 1: changed once
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = torch.cat([x * 2, torch.zeros(1)])
    out.sum().backward()
    print(out._version)  # 0
    ```

    ## Confirmation

    Confirmed when the written tensor has a `grad_fn` after the write and its version moved. Refuted when the write was
    reached and neither the tensor nor the value was in the graph.

    ## References

    - [Autograd mechanics: in-place operations](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd)
    - [Tensor views](https://docs.pytorch.org/docs/stable/tensor_view.html)
    - [`torch.cat`](https://docs.pytorch.org/docs/stable/generated/torch.cat.html)
    - [`torch.stack`](https://docs.pytorch.org/docs/stable/generated/torch.stack.html)
    - [`torch.where`](https://docs.pytorch.org/docs/stable/generated/torch.where.html)
    """

    code = "AGL104"
    name = "index-write-on-graph-tensor"
    severity = Severity.WARNING
    on = (Write,)
    supersedes = ("AGL103",)
    talk = True
    akin = ("AGL103",)

    def confirmed(self, seen: Seen) -> str:
        """The tensor is in the graph after the write, and its version moved."""
        return version_moved(seen, seen.event.target.name) if isinstance(seen.event, Write) else rewritten(seen)

    def refuted(self, seen: Seen) -> str:
        """The tensor was not in the graph, and is not after the write."""
        return never_in_graph(seen, *seen.quoted())

    def judge(self, event: Event) -> Iterator[Report]:
        """A recorded index write that did no harm so far; one that is not certain would be noise."""
        if not isinstance(event, Write) or not event.certain or not event.grad_enabled:
            return
        if event.how not in (How.INDEX, How.INDEX_AUGMENTED) or not (event.target.in_graph or event.value_in_graph):
            return
        if event.stale or event.refusal or event.alias_read or event.scattered:
            return
        yield Report(event.site, _message(event), ways_in(event), _help(event))

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The rows in a list that is stacked, or the index write as an operation that gives a new tensor."""
        from autograd_lint.fixing.filling import stacked
        from autograd_lint.fixing.scattering import scattered

        return (stacked(code, event) or scattered(code, event)) if isinstance(event, Write) else None


def _message(event: Write) -> str:
    name = quoted(event.target.name, otherwise="a tensor")
    if event.target.in_graph:
        return f"{writer(event)} changes part of {name}, which is in the graph"
    return f"{writer(event)} puts a value of the graph into {name}"


def _help(event: Write) -> str:
    if event.op != "[]=":
        return "compute the new part out of place and join it with `torch.cat`, `torch.stack` or `torch.where`"
    return "collect the parts and join them once, with `torch.cat`, `torch.stack` or `torch.where`"

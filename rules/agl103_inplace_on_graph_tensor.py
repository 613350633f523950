"""AGL103: a tensor of the graph is changed in place, though nothing known has saved it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, How, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, out_of_place_form, quoted, ways_in, writer
from autograd_lint.showing import made_changed, never_in_graph, of_quoted, rewritten, version_moved

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class InplaceOnGraphTensor(Rule):
    """A tensor of the graph is changed in place, though nothing known has saved it.

    ## What it does

    Reports in-place methods, augmented assignments and modules with `inplace=True` whose target has a `grad_fn`, where
    no operation is known to have saved that tensor. Where one has, it is AGL101.

    Writes under `torch.no_grad()`, and writes to tensors outside the graph, are left alone. So is a write to what a
    layer, a Module, a matrix product, a sum, a loss or `cat` has given, while one name at most holds it:
    `out += identity` after a convolution, `ReLU(inplace=True)` after a normalisation, `loss += penalty`. None of these
    saves its result.

    ## Why is this bad

    It runs, today. Whether it does depends on which of the operations on that tensor, and on any view of it, saves
    its operand: one more `*`, or an `exp` in place of a `neg`, and backward raises in another place of the program.
    Every other name of the tensor changes too. And the saving is small: the graph often keeps the memory alive anyway.

    Overwriting is best done explicitly, by binding the name to a new tensor.

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    h = x * 2
    h.add_(1)
    h.sum().backward()
    print(h._version)  # 1: changed once
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    h = x * 2
    h = h + 1
    h.sum().backward()
    print(h._version)  # 0
    ```

    ## Confirmation

    Confirmed when the written tensor had a `grad_fn` and its version moved at the write. Refuted when the write was
    reached and the tensor had no `grad_fn`.

    ## References

    - [Autograd mechanics: in-place operations](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd)
    """

    code = "AGL103"
    name = "inplace-on-graph-tensor"
    severity = Severity.WARNING
    on = (Write,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The tensor is in the graph, and its version moved."""
        if isinstance(seen.event, Write):
            return version_moved(seen, seen.event.target.name)
        return rewritten(seen) or of_quoted(seen, made_changed)

    def refuted(self, seen: Seen) -> str:
        """The tensor was not in the graph."""
        return never_in_graph(seen, *seen.quoted())

    def judge(self, event: Event) -> Iterator[Report]:
        """A recorded write to a graph tensor that did no harm so far; one that is not certain would be noise."""
        if not isinstance(event, Write) or not event.certain or not event.target.in_graph or not event.grad_enabled:
            return
        if event.stale or event.refusal or event.alias_read or event.spare or event.how in _JUDGED_ELSEWHERE:
            return
        if event.op == "detach_":
            return  # it leaves the values as they are, and no version moves
        name = quoted(event.target.name, otherwise="a tensor")
        yield Report(event.site, f"{writer(event)} changes {name}, which is in the graph", ways_in(event), _help(event))

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The out-of-place form."""
        from autograd_lint.fixing.outofplace import out_of_place

        return out_of_place(code, event) if isinstance(event, Write) else None


_JUDGED_ELSEWHERE = (How.INDEX, How.INDEX_AUGMENTED, How.OPTIMIZER, How.STATE, How.DATA_ASSIGN)


def _help(event: Write) -> str:
    if event.how is How.MODULE:
        return "build the module with `inplace=False`"
    if event.how is How.AUGMENTED or (event.how is How.METHOD and event.op.endswith("_")):
        return out_of_place_form(event)
    return "use the out-of-place form, and bind its result to a name"

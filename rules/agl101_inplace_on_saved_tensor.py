"""AGL101: a tensor saved for backward is changed in place before the backward that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, How, Stale, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, out_of_place_form, quoted, saved_and_needed, ways_in, writer
from autograd_lint.showing import raised_where_needed

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class InplaceOnSavedTensor(Rule):
    """A tensor that an operation saved for backward is changed in place before the backward that needs it.

    ## What it does

    Follows each tensor that an operation saves for its derivative, and reports the in-place write that changes it
    before backward needs the saved value. The finding is at the write; the related places are where the tensor was
    saved and where backward needs it.

    The written tensor need not require grad itself: a constant, a mask or an index that some operation saved counts
    just as much. Nor need it be the saved tensor: a view, the base of a view, and the result of `detach()` all share
    one version counter, and torch does not look at which elements changed. `x.mul_(1.0)` counts as a change too.

    What is saved differs by operation. `a * b` saves each operand that the gradient of the other one needs; `exp`,
    `sqrt`, `tanh`, `sigmoid`, `relu` and `softmax` save their *result*; `+`, `-`, `sum`, `mean` and `cat` save nothing.

    ## Why is this bad

    The chain rule needs the old value, and it is gone. Torch notices, because every tensor counts its in-place
    changes, and backward raises, often far from the write and naming neither place.

    ## What torch says

    ```text
    RuntimeError: one of the variables needed for gradient computation has been modified by an inplace operation:
    [torch.FloatTensor [3]], which is output 0 of Exp, is at version 1; expected version 0 instead.
    ```

    ## Example

    ```python
    import torch

    x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    e = x.exp()  # the derivative of exp is its result, so `e` is saved
    e /= 3.0
    e.sum().backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    e = x.exp()
    e = e / 3.0  # a new tensor: the saved one stays as it was
    e.sum().backward()
    ```

    ## Confirmation

    Confirmed when backward raises the error above and the saved tensor, the write and the backward are the places
    named. Refuted when that backward ran after the write without raising.

    ## References

    - [Autograd mechanics: in-place operations](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd)
    - [Autograd mechanics: saved tensors](https://docs.pytorch.org/docs/stable/notes/autograd.html#saved-tensors)
    - [`torch.autograd.graph.saved_tensors_hooks`](https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.saved_tensors_hooks)
    """

    code = "AGL101"
    name = "inplace-on-saved-tensor"
    severity = Severity.ERROR
    on = (Write,)
    raises = True
    says = ("modified by an inplace operation",)
    talk = True
    supersedes = ("AGL103", "AGL104")
    akin = ("AGL107",)

    def confirmed(self, seen: Seen) -> str:
        """Torch names the version at the backward; where another write had its share, this one moved it too."""
        return super().confirmed(seen) or raised_where_needed(seen, *self.says)

    def judge(self, event: Event) -> Iterator[Report]:
        """A write through the tensor or a view of it, noticed by the version counter."""
        if not isinstance(event, Write) or event.stale is None:
            return
        if event.through or event.stale.silent or event.how in (How.OPTIMIZER, How.STATE):
            return
        yield Report(
            event.site,
            _message(event, event.stale),
            (*saved_and_needed(event.stale), *ways_in(event)),
            _help(event, event.stale),
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The out-of-place form; rows written one by one are put into a list that is stacked; else a clone."""
        from autograd_lint.fixing.filling import stacked
        from autograd_lint.fixing.outofplace import out_of_place
        from autograd_lint.fixing.values import saved_copy

        if not isinstance(event, Write):
            return None
        return out_of_place(code, event) or stacked(code, event) or saved_copy(code, event)


def _message(event: Write, stale: Stale) -> str:
    changes = "changes" if event.certain else "may change"
    if stale.saved_name and event.target.name and stale.saved_name != event.target.name:
        shared = f"which shares memory with `{stale.saved_name}`, saved for backward by `{stale.saved_by}`"
        return f"{writer(event)} {changes} `{event.target.name}`, {shared}"
    name = quoted(event.target.name or stale.saved_name, otherwise="a tensor")
    return f"{writer(event)} {changes} {name}, which `{stale.saved_by}` saved for backward"


def _help(event: Write, stale: Stale) -> str:
    name = event.target.name or "x"
    keep = f"clone it before the write: `{name} = {name}.clone()`"
    if not stale.saved_result and stale.saved_name:
        keep = f"let `{stale.saved_by}` save a copy: `{stale.saved_name}.clone()`"
    match event.how:
        case How.INDEX | How.INDEX_AUGMENTED:
            return f"build the result without index writes (`torch.cat`, `torch.stack`, `torch.where`), or {keep}"
        case How.MODULE:
            return f"build the module with `inplace=False`, or {keep}"
        case How.OUT:
            return f"assign the result to a new name in place of `out=`, or {keep}"
        case _ if event.how is How.AUGMENTED or (event.how is How.METHOD and event.op.endswith("_")):
            return f"{out_of_place_form(event)}, or {keep}"
        case _:
            return f"use the out-of-place form, or {keep}"

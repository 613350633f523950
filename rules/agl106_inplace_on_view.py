"""AGL106: a view that torch does not allow to be written is written in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from autograd_lint.events import Event, How, Refusal, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, ways_in, writer
from autograd_lint.showing import rewritten

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class InplaceOnView(Rule):
    """A view that torch does not allow to be written is written in place.

    ## What it does

    Reports in-place writes to:

    - an output of a function that returns several views: `unbind`, `split`, `chunk`, and iterating over a tensor,
      which is `unbind` (not `tensor_split`, `narrow` or plain indexing);
    - a view made under `torch.no_grad()` of a tensor that requires grad, once gradients are recorded again;
    - a tensor whose elements share memory, such as the result of `expand`, and a write that reads an overlapping part
      of the same tensor, `x[1:] = x[:-1]`;
    - an inference tensor, outside `torch.inference_mode()`;
    - an input that a custom `Function` returned as it came.

    ## Why is this bad

    For these views the gradient of the write cannot be told, or the result would depend on the order in which elements
    are written; torch raises at the write, or, for a view whose base was written, at its next use.

    ## What torch says

    ```text
    RuntimeError: Output 0 of Unbind is a view and is being modified inplace. This view is the output of a function
    that returns multiple views. Such functions do not allow the output views to be modified inplace.
    RuntimeError: A view was created in no_grad mode and is being modified inplace with grad mode enabled.
    RuntimeError: unsupported operation: more than one element of the written-to tensor refers to a single memory
    location.
    RuntimeError: Inplace update to inference tensor outside InferenceMode is not allowed.
    ```

    ## Example

    ```python
    import torch

    x = torch.ones(2, 3, requires_grad=True)
    h = x * 2
    top, bottom = h.unbind()
    top.add_(1)
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(2, 3, requires_grad=True)
    h = x * 2
    top, bottom = h.unbind()
    top = top + 1
    ```

    ## Confirmation

    Confirmed when the write, the next use of the view, or the backward through it raises one of the errors above.
    Refuted when all of them ran.

    ## References

    - [Tensor views](https://docs.pytorch.org/docs/stable/tensor_view.html)
    - [`torch.Tensor.expand`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html)
    - [Autograd mechanics: inference mode](https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode)
    """

    code = "AGL106"
    name = "inplace-on-view"
    severity = Severity.ERROR
    on = (Write,)
    raises = True
    says = ("is a view", "A view was", "single memory location", "overlap", "inference tensor", "multiple views")
    heard = True
    supersedes = ("AGL103", "AGL104")

    def confirmed(self, seen: Seen) -> str:
        """The error at the write; or where a view is used next whose base the flagged statement has written."""
        later = next((said for said in seen.run.said if _LATER in said.text), None)
        if later is None or seen.event is not None:
            return super().confirmed(seen)
        moved = rewritten(seen)
        return f"{later.quote()}; {moved}" if moved else seen.quote_here(*_AT_THE_WRITE)

    def judge(self, event: Event) -> Iterator[Report]:
        """A write that torch refuses because of how the view was made."""
        if not isinstance(event, Write) or event.refusal not in _TOLD:
            return
        what, advice = _TOLD[event.refusal]
        writes = "writes" if event.certain else "may write"
        name = f"`{event.target.name}`, " if event.target.name else ""
        origin = () if event.origin is None else (("the view is made here", event.origin),)
        yield Report(
            event.site,
            f"{writer(event)} {writes} to {name}{what}",
            (*origin, *ways_in(event)),
            "build the module with `inplace=False`" if event.how is How.MODULE else advice,
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The out-of-place form, or a clone of the view."""
        from autograd_lint.fixing.outofplace import out_of_place
        from autograd_lint.fixing.values import cloned_first

        return (out_of_place(code, event) or cloned_first(code, event)) if isinstance(event, Write) else None


_LATER: Final = "its base or another view of its base has been modified"
"""What torch says at the next use of such a view: that is no place of the fault."""
_AT_THE_WRITE: Final = ("is being modified", "single memory location", "overlap", "inference tensor")
_TOLD: Final = {
    Refusal.MULTI_VIEW: (
        "an output of a function that returns several views",
        "use the out-of-place form, or write to the tensor itself by index",
    ),
    Refusal.NO_GRAD_VIEW: (
        "a view made under `no_grad` of a tensor that requires grad",
        "make the view and write to it in the same grad mode",
    ),
    Refusal.OVERLAP: (
        "memory that overlaps itself or what is read",
        "call `.clone()` first, so that every element has memory of its own",
    ),
    Refusal.INFERENCE: (
        "an inference tensor outside `inference_mode`",
        "call `.clone()` first, or use `torch.no_grad()` where the tensor is made",
    ),
    Refusal.CUSTOM_VIEW: (
        "an input that a custom `Function` returned as it came",
        "return a copy from the `Function`, or call `.clone()` before the write",
    ),
}

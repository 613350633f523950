"""AGL102: a leaf that requires grad, or a view of one, is written in place while gradients are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, How, Refusal, Site, Write
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted, ways_in, writer

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class InplaceOnLeaf(Rule):
    """A leaf that requires grad, or a view of one, is written in place while gradients are recorded.

    ## What it does

    Reports in-place methods, augmented assignments, index writes and modules with `inplace=True` whose target is a
    leaf that requires grad (a `Parameter`, or what was created with `requires_grad=True`), or a view of such a leaf,
    outside `torch.no_grad()`.

    ## Why is this bad

    A leaf is where gradients end up. Were the write recorded, the leaf would become the result of an operation, and
    no leaf any more; so torch raises at the write.

    Two things are usually meant. To initialise or update a parameter by hand, the write must not be recorded:
    `torch.no_grad()`. To compute with it, the result needs a name of its own: use the out-of-place form.

    ## What torch says

    ```text
    RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.
    RuntimeError: a view of a leaf Variable that requires grad is being used in an in-place operation.
    ```

    ## Example

    ```python
    import torch

    weight = torch.ones(3, requires_grad=True)
    (weight * weight).sum().backward()
    weight -= 0.1 * weight.grad
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.ones(3, requires_grad=True)
    (weight * weight).sum().backward()
    with torch.no_grad():
        weight -= 0.1 * weight.grad
    ```

    ## Confirmation

    Confirmed when the write raises one of the errors above. Refuted when the write ran.

    ## References

    - [Autograd mechanics: locally disabling gradient computation](https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation)
    - [`torch.no_grad`](https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html)
    - [`torch.Tensor.is_leaf`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html)
    """

    code = "AGL102"
    name = "inplace-on-leaf"
    severity = Severity.ERROR
    on = (Write,)
    raises = True
    says = ("leaf Variable that requires grad", "view of a leaf")
    heard = True
    supersedes = ("AGL103", "AGL104")

    def judge(self, event: Event) -> Iterator[Report]:
        """A write that torch refuses because of the leaf."""
        if not isinstance(event, Write) or event.refusal not in (Refusal.LEAF, Refusal.VIEW_OF_LEAF):
            return
        yield Report(
            event.site,
            _message(event),
            (*_places(event), *ways_in(event)),
            _help(event),
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The write under `no_grad`, with those next to it: it updates the leaf itself."""
        from autograd_lint.fixing.leafwrites import under_no_grad

        return under_no_grad(code, event) if isinstance(event, Write) else None


def _message(event: Write) -> str:
    writes = "writes" if event.certain else "may write"
    name = f"`{event.target.name}`, " if event.target.name else ""
    what = "a parameter" if event.target.parameter else "a leaf that requires grad"
    if event.refusal is Refusal.VIEW_OF_LEAF:
        what = "a view of a leaf that requires grad"
    return f"{writer(event)} {writes} to {name}{what}"


def _places(event: Write) -> Iterator[tuple[str, Site]]:
    if event.refusal is Refusal.VIEW_OF_LEAF:
        if event.origin is not None:
            yield "the view is made here", event.origin
    elif event.target.made is not None:
        yield "the leaf is made here", event.target.made


def _help(event: Write) -> str:
    if event.how is How.MODULE:
        return "build the module with `inplace=False`"
    name = quoted(event.target.name, otherwise="the leaf")
    return f"wrap the write in `with torch.no_grad():` to update {name} itself, or use the out-of-place form"

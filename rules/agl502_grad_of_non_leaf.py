"""AGL502: `.grad` of a tensor that is no leaf is read, and was not retained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, GradRead
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class GradOfNonLeaf(Rule):
    """`.grad` of a tensor that is no leaf is read, and was not retained.

    ## What it does

    Reports a read of `.grad` of a tensor that an operation made, where `retain_grad()` was not called on it before.

    ## Why is this bad

    Backward passes gradients through inner tensors and keeps them only at the leaves. `.grad` of an inner tensor is
    `None`, whatever flowed through it, and torch warns at each access.

    ## What torch says

    ```text
    UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't
    be populated during autograd.backward().
    ```

    ## Example

    ```python
    import torch

    x = torch.tensor(3.0, requires_grad=True)
    y = x * 2
    (y**2).backward()
    print(y.grad)  # None
    ```

    ## Use instead

    ```python
    import torch

    x = torch.tensor(3.0, requires_grad=True)
    y = x * 2
    y.retain_grad()
    (y**2).backward()
    print(y.grad)  # 12
    ```

    ## Confirmation

    Confirmed when the read gives `None` and torch warns. Refuted when it gives a gradient.

    ## References

    - [`torch.Tensor.retain_grad`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.retain_grad.html)
    - [`torch.Tensor.grad`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad.html)
    """

    code = "AGL502"
    name = "grad-of-non-leaf"
    severity = Severity.WARNING
    on = (GradRead,)
    says = ("not a leaf Tensor",)
    heard = True
    talk = True

    def judge(self, event: Event) -> Iterator[Report]:
        """A read that surely gives None; one that may is no matter for a warning."""
        if not isinstance(event, GradRead) or not event.certain or event.target.leaf is not False or event.retained:
            return
        tensor = event.target.name.removesuffix(".grad")
        name = f"`{tensor}.grad`" if tensor else "`.grad`"
        yield Report(
            event.site,
            f"{name} is None: {f'`{tensor}`' if tensor else 'the tensor'} is no leaf, and its gradient is not retained",
            () if event.target.made is None else (("computed here, so no leaf", event.target.made),),
            f"call `{tensor or 'x'}.retain_grad()` before backward, or use `torch.autograd.grad`",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A `retain_grad()` where the tensor is made."""

        if not isinstance(event, GradRead):
            return None
        read, made = code.node(event.site), code.node(event.target.made)
        name = event.target.name.removesuffix(".grad")
        line = None if made is None else code.line(made)
        if read is None or line is None:
            return None
        kept = f"self.{name.rpartition('.')[2]}"
        if "." in name and kept in (code.text(target.target) for target in getattr(line.body[0], "targets", ())):
            name = kept  # in the method of the object that keeps it
        elif code.scope(line) is not code.scope(read):
            return None
        if name not in (code.text(target.target) for target in getattr(line.body[0], "targets", ())):
            return None
        return code.unsafe(f"retain the gradient of `{name}`", code.line_after(line, f"{name}.retain_grad()"))

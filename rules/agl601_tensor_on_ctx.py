"""AGL601: a tensor is kept as an attribute of `ctx`, and not by `save_for_backward`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import ContextKept, Event
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class TensorOnCtx(Rule):
    """A tensor is kept as an attribute of `ctx`, and not by `save_for_backward`.

    ## What it does

    Reports `ctx.x = x` in the `forward` of a custom `Function`, where `x` is one of its inputs or outputs. Numbers,
    shapes, callables and tensors made inside `forward` may be kept that way.

    ## Why is this bad

    `save_for_backward` remembers the version of a tensor, so that torch raises when something writes to it before the
    backward; an attribute does not, and the gradient is silently wrong. An output kept as an attribute also holds the
    graph that holds it: a cycle, whose memory is freed late.

    ## Example

    ```python
    import torch


    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * ctx.x * grad


    w = torch.tensor(3.0, requires_grad=True)
    h = w * 1
    y = Square.apply(h)
    with torch.no_grad():
        h.fill_(5)
    y.backward()
    print(w.grad)  # 10, not 6
    ```

    ## Use instead

    ```python
    import torch


    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad


    w = torch.tensor(3.0, requires_grad=True)
    y = Square.apply(w * 1)
    y.backward()
    print(w.grad)  # 6
    ```

    ## Confirmation

    Confirmed when the statement binds an attribute of the context to a tensor that `save_for_backward` was not given;
    the evidence says whether its version moved afterwards, which no backward checks. Never refuted: what the statement
    binds is a tensor or the evidence says that it was not seen.

    ## References

    - [Extending PyTorch: extending torch.autograd](https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-autograd)
    - [`torch.autograd.function.FunctionCtx.save_for_backward`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.save_for_backward.html)
    """

    code = "AGL601"
    name = "tensor-on-ctx"
    severity = Severity.WARNING
    on = (ContextKept,)

    def confirmed(self, seen: Seen) -> str:
        """The attribute is bound there, to a tensor that the context does not save."""
        attribute = seen.quoted()[0].partition(".")[2]
        for each in seen.rounds:
            for name, kept in (each.after or {}).items():
                owner, _, last = name.rpartition(".")
                if last == attribute and name not in each.before and kept.is_tensor:
                    text = _unsaved(name, kept, (each.after or {}).get(owner))
                    if text:
                        return text + _later(seen, kept)
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """An input or output among the attributes of the context."""
        if not isinstance(event, ContextKept) or not event.certain:
            return
        name = quoted(event.target.name, otherwise="a tensor")
        yield Report(
            event.site,
            f"`ctx.{event.attribute}` keeps {name}, an {event.role} of the function, without its version",
            (),
            f"call `ctx.save_for_backward({event.target.name or '…'})`, and read `ctx.saved_tensors` in `backward`",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """`save_for_backward`, and the saved tensor where the attribute was read."""
        from autograd_lint.fixing.contexts import saved

        return saved(code, event) if isinstance(event, ContextKept) else None


def _unsaved(name: str, kept: Facts, context: Facts | None) -> str:
    """The context keeps a tensor that it does not save."""
    if context is None or context.is_tensor or any(saved.identity == kept.identity for saved in context.leaves):
        return ""
    return f"`{name}` is a {kept.type} at version {kept.version}, which `{context.type}` does not save"


def _later(seen: Seen, kept: Facts) -> str:
    """Whether its version has moved by the end of the run."""
    for found in seen.ends:
        if found.identity == kept.identity and found.version != kept.version:
            return f"; later it is at version {found.version}, and no backward compares"
    return ""

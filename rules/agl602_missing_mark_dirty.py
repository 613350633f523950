"""AGL602: a custom `Function` writes to an input and does not say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, InputWritten
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import names_in, of_quoted, value_kept, version_moved

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class MissingMarkDirty(Rule):
    """A custom `Function` writes to an input and does not say so.

    ## What it does

    Reports a write to an input in the `forward` of a custom `Function` without `ctx.mark_dirty`. It is an error where
    the input is used after the function and a backward runs through that use, otherwise a warning.

    ## Why is this bad

    Torch takes the input for what it was before: what uses it afterwards computes with the new values, and its gradient
    flows past the function's `backward`, as if nothing had been written.

    ## Example

    ```python
    import torch


    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad


    w = torch.tensor(1.0, requires_grad=True)
    h = w * 1
    y = Double.apply(h)
    (y + h).backward()
    print(w.grad)  # 3, not 4
    ```

    ## Use instead

    ```python
    import torch


    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad


    w = torch.tensor(1.0, requires_grad=True)
    h = w * 1
    y = Double.apply(h)
    (y + y).backward()
    print(w.grad)  # 4
    ```

    ## Confirmation

    Confirmed when the version of the input moved and it has the `grad_fn` of before where it is used afterwards, so
    that its gradient goes past the function's `backward`. Refuted when it has the same values and version after the
    flagged statement.

    ## References

    - [Extending PyTorch: extending torch.autograd](https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-autograd)
    - [`torch.autograd.function.FunctionCtx.mark_dirty`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.mark_dirty.html)
    """

    code = "AGL602"
    name = "missing-mark-dirty"
    severity = Severity.ERROR
    on = (InputWritten,)

    def confirmed(self, seen: Seen) -> str:
        """The input was written, and where it is used its graph is that of before."""
        names = [name for name in seen.quoted()[1:] if "." not in name] or [""]
        if seen.finding.severity is not self.severity:
            return version_moved(seen, names[0])
        for name in dict.fromkeys([names[0], *names_in(seen)]):
            for before, after in seen.changes(name):
                if before.version != after.version and before.grad_fn:
                    used = _used(seen, after, names[-1])
                    if used:
                        return (
                            f"`{name}` went from version {before.version} to {after.version} at the write, and {used}"
                        )
        return ""

    def refuted(self, seen: Seen) -> str:
        """It was not written."""
        return of_quoted(seen, value_kept) if seen.finding.severity is self.severity else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A write to an input that is not marked."""
        if not isinstance(event, InputWritten):
            return
        name = quoted(event.target.name, otherwise="an input")
        harm = "" if event.certain else ", which may make gradients wrong where it is used afterwards"
        yield Report(
            event.site,
            f"`{event.op}` writes to {name}, an input of `{event.function}`, without `ctx.mark_dirty`{harm}",
            () if event.used is None else (("the written input is used here, as if it were unchanged", event.used),),
            f"call `ctx.mark_dirty({event.target.name or '…'})` and return it, or write to a clone",
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The input marked where it is returned, else a clone that is written."""
        from autograd_lint.fixing.contexts import marked

        return marked(code, event) if isinstance(event, InputWritten) else None


def _used(seen: Seen, written: Facts, function: str) -> str:
    """The written tensor where it is used: its graph knows nothing of the function."""
    for each in seen.rounds_at("used here"):
        for name, facts in (each.after or each.before).items():
            if facts.identity == written.identity and facts.grad_fn and function not in facts.grad_fn:
                return (
                    f"`{name}`, the same tensor, has the grad_fn {facts.grad_fn} where it is used, and not {function}'s"
                )
    return ""

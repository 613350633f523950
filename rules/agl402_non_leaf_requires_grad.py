"""AGL402: what requires grad is computed on before it gets a name, so the variable is no leaf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, LeafLost
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class NonLeafRequiresGrad(Rule):
    """What requires grad is computed on before it gets a name, so the variable is no leaf.

    ## What it does

    Reports a variable bound to the result of an operation on a tensor with `requires_grad=True` that has no other name,
    as in `torch.rand(n, requires_grad=True) ** 2`, or whose only name is bound anew, as in
    `w = torch.rand(n, requires_grad=True); w = w * 0.1`.

    It is an error where a backward reaches the leaf, whose gradient is then lost, and else a warning: some programs
    only want a tensor that requires grad and is no leaf.
    A move, `.cuda()`, `.to(…)` or `.float()`, does nothing where device and dtype already fit, so it is a warning.

    ## Why is this bad

    Gradients end up in leaves. The leaf here has no name any more: its gradient is computed and lost, while `.grad` of
    the variable stays `None`. An optimizer refuses the variable, and a program that updates it by hand meets `None`.

    ## Example

    ```python
    import torch

    weight = torch.rand(3, requires_grad=True) * 0.1
    weight.sum().backward()
    print(weight.is_leaf)  # False
    ```

    ## Use instead

    ```python
    import torch

    weight = (torch.rand(3) * 0.1).requires_grad_()
    weight.sum().backward()
    print(weight.is_leaf)  # True
    ```

    ## Confirmation

    Confirmed when `is_leaf` is False and `.grad` is `None` after a backward that reaches the variable. A device move is
    shown with a change of dtype or the `meta` device. Refuted when the variable is a leaf.

    ## References

    - [`torch.Tensor.is_leaf`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_leaf.html)
    - [`torch.Tensor.requires_grad_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad_.html)
    """

    code = "AGL402"
    name = "non-leaf-requires-grad"
    severity = Severity.ERROR
    on = (LeafLost,)

    def confirmed(self, seen: Seen) -> str:
        """What has the name is no leaf."""
        name = seen.event.name if isinstance(seen.event, LeafLost) else ""
        for facts in seen.results(name):
            if facts.leaf is False:
                return (
                    f"`{name}.is_leaf` is False: it has the grad_fn {facts.grad_fn}, and backward leaves its .grad None"
                )
        return ""

    def refuted(self, seen: Seen) -> str:
        """What has the name is a leaf, and no move could have made it one."""
        if seen.finding.severity is not self.severity:
            return ""
        for name in seen.quoted():
            found = list(seen.results(name))
            if found and all(facts.leaf and facts.requires_grad for facts in found):
                return f"`{name}.is_leaf` is True, and it requires grad"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Every lost leaf; a move that may do nothing is a warning."""
        if not isinstance(event, LeafLost):
            return
        sure = event.certain and not event.move
        yield Report(
            event.site,
            _message(event),
            (("the leaf is made here", event.leaf),),
            _help(event),
            None if sure else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The leaf made last, of the computed value."""
        import libcst as cst

        from autograd_lint.fixing.values import with_part, without_flag

        if not isinstance(event, LeafLost):
            return None
        value, leaf = code.expression(event.site), code.find(event.leaf, cst.Call)
        plain = None if leaf is None else without_flag(code, leaf)
        if value is None or leaf is None or plain is None or value is leaf or value not in code.around(leaf):
            return None
        inner = with_part(code, value, leaf, plain)
        inner = inner if isinstance(value, cst.Call | cst.Subscript) or value.lpar else f"({inner})"
        return code.unsafe("compute first", code.replace(value, f"{inner}.requires_grad_()"))


def _message(event: LeafLost) -> str:
    name = quoted(event.name, otherwise="the value")
    if event.move:
        return f"{name} may be the result of `{event.op}`, not the leaf that requires grad"
    if not event.certain:
        return f"{name} is the result of `{event.op}`: the gradient of the leaf that requires grad may be lost"
    return f"{name} is the result of `{event.op}`, not the leaf that requires grad"


def _help(event: LeafLost) -> str:
    if event.move:
        return "pass `device=` and `dtype=` where the tensor is made, or call `requires_grad_()` after the move"
    return "compute first and call `requires_grad_()` last, or keep the leaf under a name of its own"

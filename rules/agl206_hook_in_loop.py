"""AGL206: a hook is registered again and again on something that outlives the loop, and never removed."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, HookRegistered
from autograd_lint.evidence import Seen
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import growth


class HookInLoop(Rule):
    """A hook is registered again and again on something that outlives the loop, and never removed.

    ## What it does

    Reports `register_hook`, `register_forward_hook` and their kin where they run once an iteration, or once a forward,
    on a leaf, a Parameter or a Module made before, and the handle they return is never used to remove the hook.

    A hook on a tensor made in the same iteration goes away with it and is left alone.

    ## Why is this bad

    All registered hooks run each time. In iteration *n* the hook runs *n* times: a hook that prints floods the output,
    one that scales the gradient scales it *n* times over, and whatever it closes over is never freed.

    ## Example

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    for _ in range(3):
        weight.register_hook(lambda grad: grad * 0.5)
        weight.grad = None
        (weight * 3).backward()
    print(weight.grad)  # 0.375, not 1.5
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.tensor(1.0, requires_grad=True)
    weight.register_hook(lambda grad: grad * 0.5)
    for _ in range(3):
        weight.grad = None
        (weight * 3).backward()
    print(weight.grad)  # 1.5
    ```

    ## Confirmation

    Confirmed when the number of hooks grows with each iteration. Refuted when it stays the same.

    ## References

    - [Autograd mechanics: backward hooks execution](https://docs.pytorch.org/docs/stable/notes/autograd.html#backward-hooks-execution)
    - [`torch.Tensor.register_hook`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html)
    """

    code = "AGL206"
    name = "hook-in-loop"
    severity = Severity.WARNING
    on = (HookRegistered,)
    talk = True

    def confirmed(self, seen: Seen) -> str:
        """The number of hooks grows with each round."""
        if not isinstance(seen.event, HookRegistered):
            return ""
        name = seen.event.target.name
        hooks = growth(facts.hooks for facts in seen.results(name))
        return f"the hooks on `{name}` after the first rounds: {hooks}" if hooks else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A registration that repeats on the same object."""
        if not isinstance(event, HookRegistered) or not event.repeated or event.removed:
            return
        name = quoted(event.target.name, otherwise="what outlives it")
        yield Report(
            event.site,
            f"`{event.method}` adds one more hook to {name} each time it runs, and none is removed",
            help="register the hook once, before the loop, or call `remove()` on the handle it returns",
        )

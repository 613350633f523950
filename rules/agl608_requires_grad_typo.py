"""AGL608: an attribute that torch does not know is set where `requires_grad` was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import AttributeSet, Event
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class RequiresGradTypo(Rule):
    """An attribute that torch does not know is set where `requires_grad` was meant.

    ## What it does

    Reports `x.require_grad = …`, `x.requires_grads = …` and other misspellings of `requires_grad` on a tensor, and
    `module.requires_grad = …` on a module, which has no such attribute.

    ## Why is this bad

    Python lets one set any attribute on a tensor or a module. The flag stays as it was: what was to be frozen is
    trained on, what was to be trained gets no gradient, and nothing says so.

    ## Example

    ```python
    import torch

    weight = torch.nn.Parameter(torch.ones(2))
    weight.require_grad = False
    print(weight.requires_grad)  # True
    ```

    ## Use instead

    ```python
    import torch

    weight = torch.nn.Parameter(torch.ones(2))
    weight.requires_grad = False
    print(weight.requires_grad)  # False
    ```

    ## Confirmation

    Confirmed when the object has a new attribute after the statement, and what requires grad is the same before and
    after. Refuted when that changed.

    ## References

    - [`torch.Tensor.requires_grad`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad.html)
    - [`torch.nn.Module.requires_grad_`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.requires_grad_)
    """

    code = "AGL608"
    name = "requires-grad-typo"
    severity = Severity.ERROR
    on = (AttributeSet,)

    def confirmed(self, seen: Seen) -> str:
        """The flag is the same after the statement."""
        attribute, *names = seen.quoted()
        for name in names:
            for before, after in seen.changes(name):
                if attribute in before.attributes or attribute not in after.attributes:
                    continue
                if before.is_tensor and before.requires_grad == after.requires_grad:
                    has = f"`{name}` has a new attribute `{attribute}`"
                    return f"{has}, and `{name}.requires_grad` is {after.requires_grad} before and after it"
                if before.leaves and _flags(before) == _flags(after):
                    has = f"`{name}` has a new attribute `{attribute}`"
                    return f"{has}, and what its first parameters require is {_shown(after)} before and after it"
        return ""

    def refuted(self, seen: Seen) -> str:
        """The flag is another one after the statement."""
        for name in seen.quoted()[1:]:
            found = [pair for pair in seen.changes(name) if pair[0].is_tensor]
            if found and all(before.requires_grad != after.requires_grad for before, after in found):
                return f"`{name}.requires_grad` is {found[0][1].requires_grad} after it"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A new attribute in place of the flag."""
        if not isinstance(event, AttributeSet):
            return
        what = "a module" if event.module else "a tensor"
        name = quoted(event.target.name, otherwise=what)
        variable = event.target.name or "x"
        sets = "sets" if event.certain else "may set"
        advice = f"call `{variable}.requires_grad_(…)`" if event.module else f"set `{variable}.requires_grad`"
        yield Report(
            event.site,
            f"`{event.attribute}` {sets} a new attribute of {name}, and what requires grad stays as it was",
            (),
            advice,
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The flag itself."""
        import libcst as cst

        node = code.node(event.site)
        assign = None if node is None else code.nearest(node, cst.Assign)
        if assign is None or not isinstance(event, AttributeSet) or len(assign.targets) != 1:
            return None
        target = assign.targets[0].target
        if not isinstance(target, cst.Attribute):
            return None
        if event.module:
            called = f"{code.text(target.value)}.requires_grad_({code.text(assign.value)})"
            return code.unsafe("call `requires_grad_`", code.replace(assign, called))
        return code.unsafe("set `requires_grad`", code.replace(target.attr, "requires_grad"))


def _flags(module: Facts) -> tuple[bool | None, ...]:
    return tuple(leaf.requires_grad for leaf in module.leaves)


def _shown(module: Facts) -> str:
    return ", ".join(map(str, _flags(module)[:3]))

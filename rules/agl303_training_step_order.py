"""AGL303: the parts of a training step stand in an order in which one of them does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Disorder, Event, Misordered, Site
from autograd_lint.evidence import Facts, Round, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted
from autograd_lint.showing import no_gradients

_SAYS = {
    Disorder.CLEARED_BEFORE_STEP: "`step` of {name} {finds} no gradient: it is cleared after backward",
    Disorder.STEP_BEFORE_BACKWARD: "`step` of {name} {finds} no gradient: backward comes after it",
    Disorder.CLIP_BEFORE_BACKWARD: "clipping {finds} no gradient: backward comes after it",
    Disorder.CLIP_AFTER_STEP: "clipping {finds} gradients that `step` has used already",
}
_HELP = {
    Disorder.CLEARED_BEFORE_STEP: "clear the gradients after `step`, or before backward",
    Disorder.STEP_BEFORE_BACKWARD: "run backward before `step`",
    Disorder.CLIP_BEFORE_BACKWARD: "run backward, then clip, then `step`",
    Disorder.CLIP_AFTER_STEP: "run backward, then clip, then `step`",
}

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class TrainingStepOrder(Rule):
    """The parts of a training step stand in an order in which one of them does nothing.

    ## What it does

    Reports a `step()` that finds no gradient because they are cleared between backward and `step`, or because it comes
    before the backward whose gradients the next round clears; and gradients that are clipped before backward fills
    them, or after `step` has used them.

    Only straight lines are judged: where a condition or a function that is not known stands between, nothing is said.

    ## Why is this bad

    Nothing raises. A step without gradients changes nothing, so that the model never learns; a clipping without
    gradients does not keep them small. The order that works is: clear, forward, backward, clip, step.

    ## Example

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.bias.item()
    for _ in range(3):
        loss = model(torch.ones(4, 2)).sum()
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
    print(model.bias.item() == before)  # True
    ```

    ## Use instead

    ```python
    import torch

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.bias.item()
    for _ in range(3):
        loss = model(torch.ones(4, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(model.bias.item() == before)  # False
    ```

    ## Confirmation

    Confirmed when, at the `step` or the clipping, every gradient it works on is None or zero, or has been used by a
    step before. Refuted when it finds a fresh one.

    ## References

    - [`torch.optim`: taking an optimization step](https://docs.pytorch.org/docs/stable/optim.html#taking-an-optimization-step)
    - [`torch.nn.utils.clip_grad_norm_`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html)
    """

    code = "AGL303"
    name = "training-step-order"
    severity = Severity.ERROR
    on = (Misordered,)

    def confirmed(self, seen: Seen) -> str:
        """The step found no gradient, or only zeros; or the clipping did, or found those that the step has used."""
        if not isinstance(seen.event, Misordered):
            return _clipped_early(seen) or _clipped_late(seen)
        name = seen.event.optimizer
        for each in seen.rounds:
            if name in each.before and no_gradients(each.before[name].leaves):
                first = each.before[name].leaves[0].gradient
                return f"the first gradient that `{name}` finds is {first.shown if first is not None else 'None'}"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Every disorder; what is known of an optimizer only by what it is called is a warning."""
        if not isinstance(event, Misordered):
            return
        finds = "finds" if event.certain else "may find"
        message = _SAYS[event.disorder].format(name=quoted(event.optimizer, otherwise="the optimizer"), finds=finds)
        yield Report(
            event.site,
            message,
            tuple(_places(event)),
            _HELP[event.disorder],
            None if event.certain else Severity.WARNING,
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """The statement that stands in the wrong place moved."""

        from autograd_lint.fixing.lines import are_neighbours, moved_after, moved_before

        if not isinstance(event, Misordered):
            return None
        site, backward, cleared, step = (
            code.node(place) for place in (event.site, event.backward, event.cleared, event.step)
        )
        match event.disorder:
            case Disorder.CLEARED_BEFORE_STEP:
                moved, target, move = cleared, site, moved_after
            case Disorder.CLIP_AFTER_STEP:
                moved, target, move = site, step, moved_before
            case _:
                moved, target, move = site, backward, moved_after
        if moved is None or target is None or not are_neighbours(code, moved, target):
            return None
        return code.unsafe("put the statements in order", *move(code, moved, target))


def _clipped_early(seen: Seen) -> str:
    """There was nothing to clip yet."""
    name = _clipped(seen)
    for each in seen.rounds if "backward comes after" in seen.finding.message else ():
        if name in each.before and no_gradients(each.before[name].leaves):
            first = each.before[name].leaves[0].gradient
            return f"the first gradient of `{name}` that is clipped is {first.shown if first is not None else 'None'}"
    return ""


def _clipped_late(seen: Seen) -> str:
    """The parameters are as a step left them, and their gradients those that it went by."""
    name = _clipped(seen)
    if "used already" not in seen.finding.message:
        return ""
    clipped = [leaf for each in seen.rounds if name in each.before for leaf in each.before[name].leaves]
    steps = seen.rounds_at("the step is here")
    for before, after in (pair for each in steps for pair in _stepped(each)):
        for leaf in clipped:
            same = leaf.gradient is not None and before.gradient is not None
            if same and leaf.identity == after.identity and leaf.digest == after.digest != before.digest:
                assert leaf.gradient is not None
                assert before.gradient is not None
                if leaf.gradient.digest == before.gradient.digest:
                    return f"the gradient {leaf.gradient.shown} that is clipped is the one that the step has used"
    return ""


def _stepped(step: Round) -> Iterator[tuple[Facts, Facts]]:
    """The parameters of an optimizer before and after a step."""
    for name, facts in step.before.items():
        later = (step.after or {}).get(name)
        if later is not None and not facts.is_tensor:
            yield from zip(facts.leaves, later.leaves, strict=False)


def _clipped(seen: Seen) -> str:
    """Whose parameters the statement clips."""
    found = _CLIPS.search(seen.text)
    return found[1] if found is not None else ""


_CLIPS = re.compile(r"clip_grad_\w+\(\s*([\w.]+)\.parameters\(\)")


def _places(event: Misordered) -> Iterator[tuple[str, Site]]:
    if event.backward is not None:
        yield "the gradients are computed here", event.backward
    if event.cleared is not None:
        yield "and cleared here", event.cleared
    if event.step is not None:
        yield "the step is here", event.step

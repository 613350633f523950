"""AGL109: a state dict is kept while training goes on: it changes with the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, Site, StateKept
from autograd_lint.evidence import Facts, Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class StateDictAlias(Rule):
    """A state dict is kept while training goes on: it changes with the weights.

    ## What it does

    Reports `best = model.state_dict()` that is kept in a variable, while optimizer steps change the model, and is read
    afterwards. One that is copied, saved or loaded at once is left alone.

    ## Why is this bad

    A state dict holds no copies. Its tensors share memory with the parameters, so that the next step changes them too:
    the best weights are lost, and what is loaded in the end are the last ones.

    ## Example

    ```python
    import torch

    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best = model.state_dict()
    kept = best["bias"].clone()
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    print(torch.equal(best["bias"], kept))  # False
    ```

    ## Use instead

    ```python
    import torch
    from copy import deepcopy

    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best = deepcopy(model.state_dict())
    kept = best["bias"].clone()
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    print(torch.equal(best["bias"], kept))  # True
    ```

    ## Confirmation

    Confirmed when the values in the kept state dict changed. Refuted when they are the same.

    ## References

    - [`torch.nn.Module.state_dict`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict)
    - [Saving and loading models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    code = "AGL109"
    name = "state-dict-alias"
    severity = Severity.WARNING
    on = (StateKept,)

    def confirmed(self, seen: Seen) -> str:
        """What is kept has other values when it is read, or after a step."""
        if seen.event is not None or "state_dict(" not in seen.text:
            return ""
        for name, kept in _kept(seen):
            for later in (*seen.later(name), *_after_step(seen, name)):
                if (later.identity, later.count) == (kept.identity, kept.count) and later.digest != kept.digest:
                    first = f"from {_first(kept)} to {_first(later)}" if kept.values != later.values else "since"
                    return f"the values in `{name}` have changed {first}, without any write to it"
        return ""

    def judge(self, event: Event) -> Iterator[Report]:
        """Every state dict that is read after a step."""
        if not isinstance(event, StateKept):
            return
        name = quoted(event.name, otherwise="the state dict")
        yield Report(
            event.site,
            f"{name} holds the live weights: the steps that follow change it too",
            tuple(_places(event)),
            "clone the values: `copy.deepcopy(model.state_dict())`",
        )

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A deep copy of the weights."""
        import libcst as cst

        from autograd_lint.fixing.values import wrapped

        call = code.find(event.site, cst.Call)
        edits = None if call is None else wrapped(code, call, "copy.deepcopy")
        return None if edits is None else code.unsafe("copy the weights", *edits)


def _kept(seen: Seen) -> Iterator[tuple[str, Facts]]:
    """The containers of tensors that the flagged statement fills."""
    for each in seen.rounds:
        for name, facts in (each.after or {}).items():
            if not facts.is_tensor and facts.digest is not None and facts.count:
                yield name, facts


def _after_step(seen: Seen, name: str) -> Iterator[Facts]:
    return (each.after[name] for each in seen.rounds_at("changed here") if each.after and name in each.after)


def _first(facts: Facts) -> str:
    return f"{facts.values[0]:.4g}" if facts.values else "others"


def _places(event: StateKept) -> Iterator[tuple[str, Site]]:
    if event.stepped is not None:
        yield "changed here", event.stepped
    if event.read is not None:
        yield "read here", event.read

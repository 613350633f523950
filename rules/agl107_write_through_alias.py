"""AGL107: memory shared through `.detach()`, `.data` or `.numpy()` is written while its old value is still needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import AliasRead, Event, How, Site, Stale, Write
from autograd_lint.evidence import Seen
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule, quoted, saved_and_needed, ways_in, writer
from autograd_lint.showing import value_changed

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class WriteThroughAlias(Rule):
    """Memory shared through `.detach()`, `.data` or `.numpy()` is written while its old value is still needed.

    ## What it does

    `x.detach()`, `x.data` and `x.numpy()` are no copies: they give other names to the memory of `x`; and what
    `module.state_dict()` holds are the weights themselves, detached. Reported is

    - a write through such an alias, where an operation has saved `x` for a backward that comes later;
    - a write that moves no version counter, `x.data = …` included, to what an operation has saved;
    - a write to a tensor of the graph, where an alias of it, made before, is read afterwards.

    ## Why is this bad

    The write reaches further than the name suggests. Through `detach()` torch notices, as the version counter is
    shared, and backward raises. Through `.data` and NumPy it does not: backward uses the new values, and the gradient
    is wrong without an error. In the other direction the alias silently follows the tensor: a "copy" kept for later
    holds what the tensor became.

    ## What torch says

    For `detach()`, "one of the variables needed for gradient computation has been modified by an inplace operation".
    For `.data`, `.numpy()` and an alias that is read, nothing.

    ## Example

    ```python
    import torch

    p = torch.tensor(2.0, requires_grad=True)
    c = p * 2
    before = c.detach()
    c.mul_(2)
    print(before)  # 8, not 4
    ```

    ## Use instead

    ```python
    import torch

    p = torch.tensor(2.0, requires_grad=True)
    c = p * 2
    before = c.detach().clone()
    d = c * 2
    print(before)  # 4
    ```

    ## Confirmation

    Confirmed when the alias's value changed at the write, when the gradient differs from the one computed with a
    clone, or when backward raises. Refuted when the alias kept its value and the gradient is the same.

    ## References

    - [`torch.Tensor.detach`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html)
    - [`torch.Tensor.numpy`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html)
    - [Autograd mechanics: in-place correctness checks](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks)
    """

    code = "AGL107"
    name = "write-through-alias"
    severity = Severity.ERROR
    on = (Write,)
    talk = True
    supersedes = ("AGL103", "AGL104")

    def confirmed(self, seen: Seen) -> str:
        """Backward raises, or the alias shows the write, or what was saved has another value."""
        event = seen.event
        if not isinstance(event, Write):
            return ""
        error = seen.quote("modified by an inplace operation")
        if event.alias_read is not None:
            return value_changed(seen, event.alias_read.name) or value_changed(seen, event.target.name) or error
        saved = event.stale.saved_name if event.stale is not None else ""
        return error or value_changed(seen, saved) or value_changed(seen, event.target.name)

    def judge(self, event: Event) -> Iterator[Report]:
        """A write whose harm goes through an alias; what optimizers and modules write is judged by AGL108."""
        if not isinstance(event, Write) or event.how in (How.OPTIMIZER, How.STATE):
            return
        severity = None if event.certain else Severity.WARNING
        stale, alias = event.stale, event.alias_read
        if stale is not None and (event.through or stale.silent):
            places = (*saved_and_needed(stale), *ways_in(event))
            yield Report(event.site, _stale_message(event, stale), places, _stale_help(event), severity)
        elif alias is not None:
            places = (*_alias_places(alias), *ways_in(event))
            yield Report(event.site, _alias_message(event, alias), places, _alias_help(alias), severity)

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A copy in place of the alias."""
        from autograd_lint.fixing.values import copied

        if not isinstance(event, Write):
            return None
        return copied(code, event.target.made if event.alias_read is None else event.alias_read.made)


def _stale_message(event: Write, stale: Stale) -> str:
    changes = "changes" if event.certain else "may change"
    saved = quoted(stale.saved_name, otherwise="a tensor")
    through = f" through `{event.through}`" if event.through else ""
    told = f"{writer(event)} {changes} {saved}{through}, which `{stale.saved_by}` saved for backward"
    return f"{told}; no version counter moves, so the gradient is wrong without an error" if stale.silent else told


def _stale_help(event: Write) -> str:
    if event.how is How.DATA_ASSIGN:
        return "assign `.data` before the forward or after the backward, not between them"
    if event.through == "state_dict":
        return "write the weights before the forward or after the backward, not between them"
    unnamed = event.target.name.rpartition(".")[2] in ("", event.through)
    if event.through and event.stale is not None and unnamed:
        return f"compute the new value out of place, so that `{event.stale.saved_by}` keeps the old one"
    if event.through:
        return "write to a copy: `.detach().clone()`"
    return "use the out-of-place form"


def _alias_message(event: Write, alias: AliasRead) -> str:
    changes = "changes" if event.certain else "may change"
    target = quoted(event.target.name, otherwise="a tensor")
    other = quoted(alias.name, otherwise="its alias")
    return f"{writer(event)} {changes} {target} and with it {other}, which `{alias.how}` made from the same memory"


def _alias_places(alias: AliasRead) -> Iterator[tuple[str, Site]]:
    other = quoted(alias.name, otherwise="the alias")
    yield f"{other} made here by `{alias.how}`: no copy", alias.made
    yield f"{other} read here: it has the new value", alias.read


def _alias_help(alias: AliasRead) -> str:
    if alias.how == "numpy":
        return "make a copy: `.detach().clone().numpy()`"
    return "make a copy: `.detach().clone()`"

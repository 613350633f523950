"""AGL607: `forward` of a module is called by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autograd_lint.events import Event, ForwardCalled
from autograd_lint.evidence import Seen, rows_of
from autograd_lint.finding import Fix, Severity
from autograd_lint.rule import Report, Rule

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


class ForwardCalledDirectly(Rule):
    """`forward` of a module is called by name.

    ## What it does

    Reports `module.forward(x)` on a module other than the one whose method this is. `super().forward(x)` and
    `self.forward(x)` are left alone. Where nobody can have hung a hook on the module, because the function that calls
    it made it and gave it to no one, and in a test, it is a note; in a test that made the module it is left alone.

    ## Why is this bad

    `module(x)` runs the hooks of the module before and after `forward`; `module.forward(x)` does not. Feature
    extractors, pruning, weight norm, profilers and the wrappers for parallel training work by hooks.

    ## Example

    ```python
    import torch

    layer = torch.nn.Linear(1, 1)
    calls = []
    layer.register_forward_hook(lambda module, args, output: calls.append(1))
    layer.forward(torch.ones(1))
    print(len(calls))  # 0
    ```

    ## Use instead

    ```python
    import torch

    layer = torch.nn.Linear(1, 1)
    calls = []
    layer.register_forward_hook(lambda module, args, output: calls.append(1))
    layer(torch.ones(1))
    print(len(calls))  # 1
    ```

    ## Confirmation

    Confirmed when a hook of the module did not run where its `forward` was called: its own, or one that is hung on it
    for the time of the call and only counts. Never refuted: where it ran, since the module is called in the same row
    too, the evidence says so.

    ## References

    - [`torch.nn.Module.forward`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.forward)
    - [`torch.nn.Module.register_forward_hook`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook)
    """

    code = "AGL607"
    name = "forward-called-directly"
    severity = Severity.WARNING
    on = (ForwardCalled,)
    probes = True

    def confirmed(self, seen: Seen) -> str:
        """The module has hooks, and was not called in the row."""
        name = _module(seen)
        if f"{name}.forward(" not in seen.text:
            return ""
        rows = rows_of(seen.finding.range)
        for before, after in seen.changes(name):
            called = any(
                call.identity == after.identity and call.filename == seen.finding.filename and call.row in rows
                for call in seen.run.called
            )
            if before.hooks and not called:
                hooks = f"{before.hooks} hook" + ("s" if before.hooks > 1 else "")
                return (
                    f"`{name}` has {hooks} registered, and `{name}.forward(…)` ran without `{name}(…)`, which runs them"
                )
            if after.probed == 0:
                return f"a forward hook hung on `{name}` for this row did not run, though `{name}.forward(…)` did"
        return ""

    def undecided(self, seen: Seen) -> str:
        """The module was called, too."""
        name = _module(seen)
        ran = any(after.probed for _, after in seen.changes(name))
        return f"a forward hook hung on `{name}` for this row ran: `{name}(…)` was called there too" if ran else ""

    def judge(self, event: Event) -> Iterator[Report]:
        """A call that leaves hooks out."""
        if not isinstance(event, ForwardCalled) or not event.certain:
            return
        name = event.name or "module"
        skipped = f"hooks that `{name}(…)` runs are left out"
        if event.hooks:
            skipped = "the hooks registered on it do not run"
        elif event.own:
            skipped = f"hooks that `{name}(…)` runs would be left out; it has none here"
        severity = Severity.INFO if (event.own or event.tested) and not event.hooks else None
        said = f"`{name}.forward(…)` is called by name: {skipped}"
        yield Report(event.site, said, (), f"call `{name}(…)`", severity)

    def fix(self, event: Event, code: Code) -> Fix | None:
        """A call of the module itself."""
        import libcst as cst

        call = code.find(event.site, cst.Call)
        if call is None or not isinstance(call.func, cst.Attribute) or call.func.attr.value != "forward":
            return None
        return code.unsafe("call the module", code.replace(call.func, code.text(call.func.value)))


def _module(seen: Seen) -> str:
    """What the message calls by name."""
    return seen.finding.message.split("`")[1].removesuffix(".forward(…)")

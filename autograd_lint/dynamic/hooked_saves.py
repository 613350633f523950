"""The check of saved tensors for the observer by hooks, which find what changed if told which backward runs."""

from __future__ import annotations

from autograd_lint.dynamic.graph import Graph
from autograd_lint.dynamic.hooks import SaveHooks
from autograd_lint.dynamic.records import Spot, StaleSave
from autograd_lint.dynamic.saves import SaveCheck
from autograd_lint.dynamic.watch import Watch


class HookedSaves(SaveCheck):
    """Tells the hooks which backward is running."""

    def __init__(self, watch: Watch, hooks: SaveHooks) -> None:
        super().__init__(watch)
        self._hooks = hooks

    def pass_begins(self, spot: Spot | None) -> None:
        """A backward begins at `spot`, or with None has ended."""
        self._hooks.needed_at(spot)

    def find_silent(self, graph: Graph, needed: Spot) -> None:
        """The hooks will note it when they are asked for what they keep."""

    def explain(self, error: RuntimeError, graph: Graph, needed: Spot, *, whole: bool = False) -> StaleSave | None:
        """The hooks have noted it when they raised the error."""
        noted = [stale for stale in self._watch.records.stale if stale.needed == needed]
        return noted[-1] if noted else super().explain(error, graph, needed, whole=whole)

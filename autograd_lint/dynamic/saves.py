"""Finds saved tensors that changed: the ones torch refuses, once it has, and the ones it does not notice."""

from __future__ import annotations

import threading

import torch

from autograd_lint.dynamic.graph import Graph, Saved, find_changed, is_changed, refusal_of, saved_tensors
from autograd_lint.dynamic.records import Moment, Spot, StaleSave, Via, WriteFacts
from autograd_lint.dynamic.refusals import versions_in
from autograd_lint.dynamic.watch import Watch, address_of


class SaveCheck:
    """Looks through a graph for what changed since it was saved, and for the write that did it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def pass_begins(self, spot: Spot | None) -> None:
        """A backward begins at `spot`, or with None has ended."""

    def explain(self, error: RuntimeError, graph: Graph, needed: Spot, *, whole: bool = False) -> StaleSave | None:
        """Backward has refused a saved tensor: find it, and the write that changed it.

        With `whole` backward was to go through all of `graph`, and those that it would have refused next are found too.
        """
        told, found = versions_in(error), None
        for saved in find_changed(graph.nodes):
            stale = self._stale(saved, needed)
            if stale is None:
                continue
            is_it = found is None and told in ((None, None), (stale.version_saved, stale.version_found))
            if is_it or whole:
                self._note(stale)
            found = stale if is_it else found
            if found is not None and not whole:
                break
        return found

    def _stale(self, saved: Saved, needed: Spot) -> StaleSave | None:
        """What torch would refuse, with the write behind it; None if that is not known."""
        error = refusal_of(saved)
        if error is None:
            return None
        before, after = versions_in(error)
        write = next(self._watch.log.all_after(address_of(saved.tensor), self._moment(saved), before), None)
        if write is None:
            return None
        node = self._watch.node(saved.node)
        return StaleSave(node, saved.attribute, needed, write, version_saved=before, version_found=after)

    def find_silent(self, graph: Graph, needed: Spot) -> None:
        """Before backward: note what was written without its counter noticing."""
        exposed = self._watch.log.exposed
        for node in graph.nodes:
            for saved in saved_tensors(node):
                if address_of(saved.tensor) in exposed and not is_changed(saved):
                    write = silent_write(self._watch, saved.tensor, saved.tensor, self._moment(saved))
                    if write is not None:
                        self._note(StaleSave(self._watch.node(node), saved.attribute, needed, write, silent=True))

    def _note(self, stale: StaleSave) -> StaleSave:
        self._watch.records.stale[stale] = None
        return stale

    def _moment(self, saved: Saved) -> Moment:
        return self._watch.tracer.moment_of(saved.node._sequence_nr(), threading.get_ident())


def silent_write(watch: Watch, memory: torch.Tensor, tensor: object, moment: Moment) -> WriteFacts | None:
    """The first write to `memory` since `moment` through another counter than that of `tensor`, which was saved."""
    alias = watch.aliases.find(tensor)
    behind = alias is not None and alias.how == "data"
    for write in watch.log.all_after(address_of(memory), moment, changed=True):
        if write.via is Via.DATA:
            if watch.log.was_assigned(tensor, write):
                return write
        elif write.silent or (write.through == "data") != behind:
            return write
    return None

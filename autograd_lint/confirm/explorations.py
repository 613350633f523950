"""Files executed abstractly once more for the replays of their findings; one file serves all findings seen from it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from autograd_lint.confirm.replay import NO_TRACE, NoReplay, Replay, Runner, replay_of
from autograd_lint.confirm.sources import Sources
from autograd_lint.confirm.traced import Explored
from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding
from autograd_lint.source import SourceFile

_FEW: Final = 4
"""So many files are kept while nobody will ask for them again: findings of one file may be seen from another."""


class Explorations:
    """The files explored so far; `keep`: all of them, since another will ask for them too."""

    def __init__(self, sources: Sources, *, keep: bool) -> None:
        self._sources = sources
        self._keep = keep
        self._known: OrderedDict[str, Explored | None] = OrderedDict()

    def replay(self, finding: Finding, run: Runner | None = None) -> Replay | NoReplay:
        """The program that reproduces `finding`: from its own file, else from another that it has a place in."""
        own = self._sources.get(finding.filename)
        reason = NO_TRACE
        for source in [*([] if own is None else [own]), *self._sources.beside(finding)]:
            explored = self._of(source)
            found = NoReplay(NO_TRACE) if explored is None else replay_of(explored, finding, run)
            if isinstance(found, Replay):
                return found
            reason = reason if found.reason == NO_TRACE else found.reason
        return NoReplay(reason)

    def _of(self, source: SourceFile) -> Explored | None:
        """`source`, executed; None where it cannot be parsed."""
        if source.path in self._known:
            self._known.move_to_end(source.path)
            return self._known[source.path]
        try:
            found = Explored(source)
        except SourceError:
            found = None  # told by AGL000 already
        self._known[source.path] = found
        while not self._keep and len(self._known) > _FEW:
            self._known.popitem(last=False)
        return found

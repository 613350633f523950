"""What a run says beside its findings: graphs kept, bytes retained, parameters that training leaves alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autograd_lint.finding import Finding
from autograd_lint.report._text import count
from autograd_lint.run_findings import REMARK, point, run_finding

if TYPE_CHECKING:
    from autograd_lint.dynamic.records import IdleParameter, Place, Records

_NAMES: Final = 4
"""So many parameters are named in a line."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark; `place` is None where it is about the program as a whole."""

    name: str
    message: str
    place: Place | None = None

    def line(self) -> str:
        """As a line of text."""
        where = "" if self.place is None else f"{self.place.shown}: "
        return f"note: {where}{self.message} [{self.name}]"

    def finding(self, program: str) -> Finding:
        """As a finding; `program` is the file that was run."""
        if self.place is None:
            return run_finding(REMARK, program, self.message, at=point(1, 1))
        return run_finding(REMARK, self.place.filename, self.message, at=self.place.range)


def remarks_of(records: Records) -> Iterator[Remark]:
    """All remarks on a run."""
    for stopped in records.stopped:
        saved = "" if stopped.saved is None else f" at {stopped.saved.shown}"
        yield Remark("write-stopped", f"stopped before this write to a tensor saved for backward{saved}", stopped.place)
    yield from _about_graphs(records)
    yield from _about_parameters(records)


def _about_graphs(records: Records) -> Iterator[Remark]:
    for kept in records.kept.values():
        graphs = f"{count(kept.graphs, 'graph')} of earlier rounds with {count(kept.nodes, 'node')}"
        yield Remark("graphs-kept", f"{graphs} were still alive at this backward", kept.place)
    for note in records.passes:
        if note.retained:
            used = "used again" if note.reused else "not used again"
            message = f"the graph kept {note.retained:,} bytes of saved tensors, and was {used}"
            yield Remark("bytes-retained", message, note.spot.place)


def _about_parameters(records: Records) -> Iterator[Remark]:
    """One for all parameters of the same fate."""
    fates: dict[tuple[str, Place | None], list[str]] = defaultdict(list)
    for idle in records.idle:
        fates[_fate(idle), idle.cut_at if idle.stepped else None].append(idle.name)
    for (fate, place), names in fates.items():
        shown = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
        yield Remark("parameters-idle", f"{shown}: {fate}", place)


def _fate(idle: IdleParameter) -> str:
    if not idle.stepped:
        return "got a gradient, and no optimizer has it"
    if idle.cut_at is None:
        return "stepped without a gradient: no backward reached it"
    cut = f"leaves the graph at {idle.cut_at.shown} by `{idle.cut_by}`"
    return f"stepped without a gradient: what is computed from it {cut}"

"""Where the nodes of a checked file stand, and those of the imported statements that its execution went through."""

from __future__ import annotations

import libcst as cst

from autograd_lint.finding import Position, Range
from autograd_lint.static.importing.project import Project
from autograd_lint.static.syntax.positions import Positions


class Places:
    """The ranges of nodes, each in the rows of its own file."""

    def __init__(self, tree: cst.Module, project: Project, text: str = "") -> None:
        self.own = Positions(tree, text)
        self._project = project

    def range_of(self, node: object) -> Range:
        """Where `node` stands."""
        positions, offset = self._positions(node)
        return _moved(positions.range_of(node), offset)

    def statement_range_of(self, node: object) -> Range:
        """The statement around `node`."""
        positions, offset = self._positions(node)
        return _moved(positions.statement_range_of(node), offset)

    def _positions(self, node: object) -> tuple[Positions, int]:
        if not self.own.holds(node):
            part = self._project.part_of(node)
            if part is not None:
                return part.positions, part.offset
        return self.own, 0


def _moved(place: Range, rows: int) -> Range:
    if not rows:
        return place
    return Range(Position(place.start.row + rows, place.start.column), Position(place.end.row + rows, place.end.column))

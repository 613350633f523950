"""Programs of the other families with parts of them moved into something that stands between."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from tests.agreement.generate.families.aliases import aliases_program
from tests.agreement.generate.families.carriers import CARRIERS
from tests.agreement.generate.families.cells import CELLS
from tests.agreement.generate.families.losses import LOSSES
from tests.agreement.generate.families.pieces import piece_of
from tests.agreement.generate.families.rivals import RIVALS
from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.straight import straight_program
from tests.agreement.generate.training import SCENARIOS
from tests.agreement.generate.training.script import Script
from tests.agreement.generate.training.whole import Scenario, write_whole


def helpers_program(sketch: Sketch) -> None:
    """A program of another family, with parts of it moved."""
    write_whole(sketch, _SCENARIOS, _disturb_and_move)


def _disturb_and_move(script: Script) -> None:
    script.disturb()
    for _ in range(script.rng.randint(1, 3)):
        _move(script)


def _lines_of(program: Callable[[Sketch], None]) -> Scenario:
    """A program without a loop, as a script."""

    def write(script: Script) -> None:
        sketch = Sketch(script.rng)
        program(sketch)
        script.imports += [line for line in sketch.imports if "torch" not in line]
        script.definitions += sketch.definitions
        script.body = [
            ast.get_source_segment(text, node) or ""
            for text in ["\n".join(sketch.lines)]
            for node in ast.parse(text).body
        ]

    return write


_SCENARIOS: Final[tuple[tuple[Scenario, float], ...]] = (
    *((scenario, weight / 12) for scenario, weight in SCENARIOS),
    *((scenario, weight / 5) for scenario, weight in (*RIVALS, *CELLS, *LOSSES)),
    (_lines_of(straight_program), 2.0),
    (_lines_of(aliases_program), 1.5),
)


def _move(script: Script) -> None:
    """Move one statement of the body, or a few in a row."""
    if not script.body:
        return
    start = script.rng.randrange(len(script.body))
    stop = min(len(script.body), start + script.pick((1, 1, 1, 2, 2, 3)))
    piece = piece_of(script, "\n".join(script.body[start:stop]))
    if piece is None:
        return
    moved = script.pick_weighted(CARRIERS)(script, piece)
    if moved:
        script.body[start:stop] = moved

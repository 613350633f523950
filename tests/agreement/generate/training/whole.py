"""Makes a whole program of a training script: tried until it runs, or ends with a fault of autograd."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.training.script import Script
from tests.agreement.outcome import Kind

Scenario: TypeAlias = Callable[[Script], None]


def write_whole(sketch: Sketch, scenarios: Sequence[tuple[Scenario, float]], after: Scenario = Script.disturb) -> None:
    """A script of one of the scenarios, each with its weight; `after` is done to it before it is tried."""
    names = dict(sketch.names)
    while True:
        script = Script(sketch.rng)
        sketch.pick_weighted(scenarios)(script)
        after(script)
        _layout(sketch, script)
        sketch.names = dict(names) | {"__name__": "__main__"}
        outcome = sketch.run(sketch.text())
        if outcome.kind is not Kind.OTHER:
            sketch.ended = None if outcome.kind is Kind.OK else outcome.kind
            return


def _layout(sketch: Sketch, script: Script) -> None:
    sketch.imports = [*dict.fromkeys([line for line in script.imports if line.startswith("import ")])]
    sketch.imports += ["import torch", "import torch.nn.functional as F", "from torch import nn"]
    sketch.imports += [*dict.fromkeys(line for line in script.imports if not line.startswith("import "))]
    sketch.definitions, sketch.lines = list(script.definitions), script.lines()
    if not script.uses_globals and sketch.chance(0.15):
        sketch.definitions.append("def main():\n" + textwrap.indent("\n".join(sketch.lines), "    "))
        sketch.lines = ['if __name__ == "__main__":', "    main()"]

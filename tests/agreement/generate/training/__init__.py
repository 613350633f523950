"""Random training scripts: one or several networks, optimizers, loops, and the mistakes people make in them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final

from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.training import recurrent, several, single
from tests.agreement.generate.training.script import Script
from tests.agreement.outcome import Kind

_SCENARIOS: Final[tuple[tuple[Callable[[Script], None], float], ...]] = (
    (single.supervised, 9),
    (single.by_hand, 1.5),
    (single.accumulation, 1.2),
    (single.with_closure, 1),
    (single.in_functions, 2),
    (single.trainer, 1.2),
    (several.gan, 4),
    (several.actor_critic, 3),
    (several.policy_gradient, 0.8),
    (several.two_losses, 3),
    (several.target_network, 2),
    (several.distillation, 1.5),
    (several.gradient_penalty, 1.2),
    (recurrent.cell, 3.5),
    (recurrent.sequence, 1.5),
    (recurrent.unrolled, 1.5),
    (recurrent.filled_buffer, 1.5),
)


def training_program(sketch: Sketch) -> None:
    """A whole script, which runs, or ends with a fault of autograd."""
    names = dict(sketch.names)
    while True:
        script = Script(sketch.rng)
        sketch.pick_weighted(_SCENARIOS)(script)
        script.disturb()
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
    if sketch.chance(0.15):
        sketch.definitions.append("def main():\n" + textwrap.indent("\n".join(sketch.lines), "    "))
        sketch.lines = ['if __name__ == "__main__":', "    main()"]

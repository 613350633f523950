"""Random training scripts: one or several networks, optimizers, loops, and the mistakes people make in them."""

from __future__ import annotations

from typing import Final

from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.training import recurrent, several, single
from tests.agreement.generate.training.whole import Scenario, write_whole

SCENARIOS: Final[tuple[tuple[Scenario, float], ...]] = (
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
    write_whole(sketch, SCENARIOS)

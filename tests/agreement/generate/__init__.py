"""Random programs that are readable and fit in shape: straight lines, functions and classes, training, and its families."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

import torch

from tests.agreement.generate.families.aliases import aliases_program
from tests.agreement.generate.families.cells import CELLS
from tests.agreement.generate.families.losses import LOSSES
from tests.agreement.generate.families.moved import helpers_program
from tests.agreement.generate.families.rivals import RIVALS
from tests.agreement.generate.modules import modules_program
from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.straight import straight_program
from tests.agreement.generate.training import training_program
from tests.agreement.generate.training.whole import write_whole

KINDS: Final[dict[str, Callable[[Sketch], None]]] = {
    "straight": straight_program,
    "modules": modules_program,
    "training": training_program,
    "networks": lambda sketch: write_whole(sketch, RIVALS),
    "cells": lambda sketch: write_whole(sketch, CELLS),
    "losses": lambda sketch: write_whole(sketch, LOSSES),
    "aliases": aliases_program,
    "helpers": helpers_program,
}


_FAULTLESS_KEPT: Final = {"straight": 0.4, "modules": 0.5, "training": 0.6, "aliases": 0.5}
"""How often a program stays that ran to its end, so that about half of them have a fault."""


_UNSEEN_WRITE: Final = re.compile(r"\.data\b|\.numpy\(")
"""What may make a gradient wrong without ending the program."""


def generate(kind: str, *, seed: int, number: int) -> str:
    """The program of this kind, seed and number; the same on every machine with the same torch."""
    rng = random.Random(f"{kind}:{seed}:{number}")
    while True:
        sketch = Sketch(rng)
        torch.default_generator.manual_seed(0)
        with torch.enable_grad():
            KINDS[kind](sketch)
        kept = _FAULTLESS_KEPT.get(kind, 1.0)
        if sketch.ended is not None or _UNSEEN_WRITE.search(sketch.text()) or sketch.chance(kept):
            return sketch.text()

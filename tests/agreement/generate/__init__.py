"""Random programs that are readable and fit in shape: straight lines, functions and classes, training loops."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

import torch

from tests.agreement.generate.modules import modules_program
from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.straight import straight_program
from tests.agreement.generate.training import training_program

KINDS: Final[dict[str, Callable[[Sketch], None]]] = {
    "straight": straight_program,
    "modules": modules_program,
    "training": training_program,
}


_FAULTLESS_KEPT: Final = {"straight": 0.4, "modules": 0.5, "training": 0.6}
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
        if sketch.ended is not None or _UNSEEN_WRITE.search(sketch.text()) or sketch.chance(_FAULTLESS_KEPT[kind]):
            return sketch.text()

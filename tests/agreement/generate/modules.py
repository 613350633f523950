"""Random programs with functions, classes, branches, loops and containers."""

from __future__ import annotations

import textwrap
from typing import Final

from tests.agreement.generate import straight
from tests.agreement.generate.blocks import (
    Maker,
    add_branch,
    add_call,
    add_choice,
    add_container,
    add_container_use,
    add_loop,
    add_try,
    add_walrus,
    add_with,
)
from tests.agreement.generate.functions import add_helper, add_ready, add_submodule_call
from tests.agreement.generate.networks import add_class, add_hook, add_model_use, add_subclass
from tests.agreement.generate.sketch import Sketch

_MAKERS: Final[tuple[tuple[Maker, float], ...]] = (
    (add_ready, 3),
    (add_helper, 3),
    (add_class, 3),
    (add_subclass, 0.7),
    (add_call, 4),
    (add_model_use, 1.2),
    (add_submodule_call, 1),
    (add_branch, 1.5),
    (add_choice, 0.4),
    (add_loop, 2),
    (add_container, 1.2),
    (add_container_use, 1),
    (add_try, 0.5),
    (add_with, 0.8),
    (add_walrus, 0.4),
    (add_hook, 0.4),
    (straight.add_operation, 3),
    (straight.add_write, 2.5),
    (straight.add_backward, 1.2),
    (straight.add_gradient_use, 0.5),
    (straight.add_alias, 0.3),
    (straight.add_item, 0.3),
)
_MOST_LINES: Final = 45


def modules_program(sketch: Sketch) -> None:
    """A whole program."""
    straight.add_leaves(sketch)
    wanted = sketch.rng.randint(3, 8)
    for _ in range(3 * wanted):
        if wanted == 0 or sketch.ended is not None or _length(sketch) > _MOST_LINES:
            break
        wanted -= sketch.pick_weighted(_MAKERS)(sketch)
    straight.finish(sketch)
    if sketch.chance(0.15):
        _into_main(sketch)


def _length(sketch: Sketch) -> int:
    return len(sketch.lines) + sum(text.count("\n") + 1 for text in sketch.definitions)


def _into_main(sketch: Sketch) -> None:
    """Put the lines into a function, called at the end."""
    name = sketch.pick(("main", "run", "train"))
    if name in sketch.names:
        return
    sketch.definitions.append(f"def {name}():\n" + textwrap.indent("\n".join(sketch.lines), "    "))
    sketch.lines = ['if __name__ == "__main__":', f"    {name}()"] if sketch.chance(0.5) else [f"{name}()"]

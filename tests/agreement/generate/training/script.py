"""A training script being put together: definitions, setup, a loop, and what follows."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Script:
    """The parts of a script, and the choices that shape it. Every entry is one statement, of one line or several.

    `uses_globals`: something in it reads or binds the script's names as globals, so that they must stay at the top.
    """

    rng: random.Random
    imports: list[str] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    header: str = ""
    body: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    uses_globals: bool = False

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return self.rng.choice(options)

    def pick_weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of `options`, each with its weight."""
        return self.rng.choices([option for option, _ in options], [weight for _, weight in options])[0]

    def define(self, text: str) -> None:
        """Add a function or class, once."""
        if text not in self.definitions:
            self.definitions.append(text)

    def disturb(self) -> None:
        """Now and then a statement of the loop is left out, moved or repeated, as happens to people."""
        if len(self.body) < 3 or not self.chance(0.35):
            return
        place = self.rng.randrange(len(self.body))
        form = self.rng.random()
        if form < 0.4:
            del self.body[place]
        elif form < 0.85:
            statement = self.body.pop(place)
            self.body.insert(self.rng.randrange(len(self.body) + 1), statement)
        else:
            self.body.insert(self.rng.randrange(place + 1, len(self.body) + 1), self.body[place])

    def lines(self) -> list[str]:
        """The statements, the loop in place."""
        loop = [self.header, *(textwrap.indent(statement, "    ") for statement in self.body)]
        if not self.header:
            loop = self.body
        return "\n".join([*self.setup, *loop, *self.after]).splitlines()

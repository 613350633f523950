"""A program being written at random: every statement is run when it is added, so that shapes and names always fit."""

from __future__ import annotations

import contextlib
import io
import random
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from tests.agreement.outcome import Kind, sort_error

T = TypeVar("T")

IMPORTS: Final = ("import torch", "import torch.nn.functional as F", "from torch import nn", "")

# How often a statement that autograd refuses stays (the program then ends there); otherwise another is tried.
_KEPT: Final = {
    Kind.STALE: 0.8,
    Kind.TWICE: 0.4,
    Kind.REFUSED: 0.12,
    Kind.NON_SCALAR: 0.3,
    Kind.NO_GRAPH: 0.12,
    Kind.NOT_IMPLEMENTED: 0.5,
}

LEAVES: Final = ("x", "y", "w", "p", "q")
RESULTS: Final = ("a", "b", "h", "z", "u", "v", "out", "res", "act", "feat", "s", "t")


def in_graph(tensor: torch.Tensor) -> bool:
    """Whether an operation made the tensor; torch refuses to tell for a multi-view whose base was written."""
    try:
        return tensor.grad_fn is not None
    except RuntimeError:
        return True


class Sketch:
    """The lines so far, the names they bound, and whether a fault ended the program."""

    def __init__(self, rng: random.Random, names: dict[str, Any] | None = None) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"torch": torch, "F": F, "nn": nn} if names is None else names
        self.depth = 0
        self.ended: Kind | None = None

    def add(self, statement: str) -> bool:
        """Run `statement` and keep it if it runs, or if autograd refuses it and the program may end so."""
        if self.ended is not None:
            return False
        kind = self.run(statement)
        if kind is not Kind.OK and self.rng.random() >= _KEPT.get(kind, 0.0):
            return False
        self.ended = None if kind is Kind.OK else kind
        self.write(statement)
        return True

    def write(self, text: str) -> None:
        """Append `text` without running it."""
        self.lines += textwrap.indent(text, "    " * self.depth).splitlines()

    def run(self, code: str) -> Kind:
        """Run `code` without keeping it."""
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                exec(code, self.names)
        except Exception as error:
            return sort_error(error, None).kind
        return Kind.OK

    def value(self, expression: str) -> Any:
        """The value of an expression, or None if it has none."""
        try:
            return eval(expression, self.names)
        except Exception:
            return None

    @contextlib.contextmanager
    def block(self, header: str, context: AbstractContextManager[Any] | None = None) -> Iterator[None]:
        """Statements added in the body are indented under `header`, and run inside `context`."""
        start = len(self.lines)
        self.write(header)
        self.depth += 1
        with context or contextlib.nullcontext():
            yield
        self.depth -= 1
        if len(self.lines) == start + 1:
            self.lines.pop()

    def loop(self, variable: str, rounds: int, body: Callable[[], None], *, header: str = "") -> None:
        """A constant loop; taken back if a later round fails otherwise than the first could."""
        start, names = len(self.lines), dict(self.names)
        self.names[variable] = 0
        with self.block(header or f"for {variable} in range({rounds}):"):
            body()
        code = textwrap.dedent("\n".join(self.lines[start + 1 :]))
        for number in range(1, rounds):
            if self.ended is not None or not code:
                return
            self.names[variable] = number
            kind = self.run(code)
            if kind is not Kind.OK and self.rng.random() >= _KEPT.get(kind, 0.0):
                del self.lines[start:]
                self.names.clear()
                self.names.update(names)
                return
            self.ended = None if kind is Kind.OK else kind

    def some(self, low: int, high: int) -> range:
        """A range of random length."""
        return range(self.rng.randint(low, high))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return self.rng.choice(options)

    def tensors(self, fits: Callable[[torch.Tensor], bool] = torch.is_floating_point) -> list[str]:
        """The names of the tensors that fit, oldest first."""
        return [name for name, value in self.names.items() if isinstance(value, torch.Tensor) and fits(value)]

    def pick_tensor(self, fits: Callable[[torch.Tensor], bool] = torch.is_floating_point) -> str | None:
        """A tensor that fits: graph tensors and recent ones more often."""
        names = self.tensors(fits)
        if not names:
            return None
        weights = [self._weight(self.names[name]) + 2 * place / len(names) for place, name in enumerate(names)]
        return self.rng.choices(names, weights)[0]

    @staticmethod
    def _weight(tensor: torch.Tensor) -> float:
        return 3.0 if in_graph(tensor) else 1.5 if tensor.requires_grad else 1.0

    def new_name(self, pool: Sequence[str] = RESULTS) -> str:
        """A name of the pool that is free, with a number if none is."""
        free = [name for name in pool if name not in self.names]
        if free:
            return self.pick(free)
        stem, number = self.pick(pool), 2
        while f"{stem}{number}" in self.names:
            number += 1
        return f"{stem}{number}"

    def result_name(self) -> str:
        """A name for a result: now and then one that is taken, which rebinds it."""
        taken = self.tensors(in_graph)
        return self.pick(taken) if taken and self.chance(0.15) else self.new_name()

    def text(self) -> str:
        """The program."""
        return "\n".join([*IMPORTS, *self.lines]) + "\n"

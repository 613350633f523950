"""A program being written at random: every statement is run when it is added, so that shapes and names always fit."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import torch
from torch import nn

from tests.agreement.generate.templates import NUMBERS, SHAPES
from tests.agreement.limits import time_limit
from tests.agreement.outcome import Kind, Outcome, sort_error

T = TypeVar("T")

_IMPORTS: Final = ("import torch", "import torch.nn.functional as F", "from torch import nn")

# How often a statement that autograd refuses stays (the program then ends there); otherwise another is tried.
_KEPT: Final = {
    Kind.STALE: 0.9,
    Kind.TWICE: 0.6,
    Kind.REFUSED: 0.35,
    Kind.NON_SCALAR: 0.5,
    Kind.NO_GRAPH: 0.7,
    Kind.NOT_IMPLEMENTED: 0.9,
}
_LEAF_WRITE_KEPT: Final = 0.06
"""The same for a write to a leaf, which is tried so often that it would drive out all else."""
_NEAR: Final = 4
"""So many lines back a tensor is still at hand."""

_OK: Final = Outcome(Kind.OK)

LEAVES: Final = ("x", "y", "w", "p", "q")
RESULTS: Final = ("a", "b", "h", "z", "u", "v", "out", "res", "act", "feat", "s", "t")


def in_graph(tensor: torch.Tensor) -> bool:
    """Whether an operation made the tensor; torch refuses to tell for a multi-view whose base was written."""
    try:
        return tensor.grad_fn is not None
    except RuntimeError:
        return True


@dataclass(frozen=True, slots=True)
class Call:
    """A call as a template, and how many values it returns: 0 for a call that is made for what it does."""

    template: str
    results: int = 1


class Sketch:
    """The lines so far, the names they bound, and whether a fault ended the program.

    `definitions` are functions and classes, which stand above the lines. `parts` are expressions that may have a tensor
    as their value: `states[0]`, `self.weight`. `calls` are templates of calls of what the program defines. `numbers` are
    what stands for a number. `shape` is the one most tensors get.
    """

    def __init__(self, rng: random.Random, names: dict[str, Any] | None = None) -> None:
        self.rng = rng
        self.imports: list[str] = list(_IMPORTS)
        self.lines: list[str] = []
        self.definitions: list[str] = []
        self.names: dict[str, Any] = {"torch": torch, "F": nn.functional, "nn": nn} if names is None else names
        self.parts: list[str] = []
        self.calls: list[Call] = []
        self.numbers: list[str] = list(NUMBERS)
        self.shape = self.pick(SHAPES)
        self.depth = 0
        self.ended: Kind | None = None

    # ------------------------------------------------------------- writing and running

    def add(self, statement: str) -> bool:
        """Run `statement` and keep it if it runs, or if autograd refuses it and the program may end so."""
        if self.ended is not None:
            return False
        outcome = self.run(statement)
        if outcome.kind is not Kind.OK and not self._keeps(outcome):
            return False
        self.ended = None if outcome.kind is Kind.OK else outcome.kind
        self.write(statement)
        return True

    def _keeps(self, outcome: Outcome) -> bool:
        share = _LEAF_WRITE_KEPT if outcome.reason in ("leaf", "view-of-leaf") else _KEPT.get(outcome.kind, 0.0)
        return self.rng.random() < share

    def write(self, text: str) -> None:
        """Append `text` without running it."""
        self.lines += textwrap.indent(text, "    " * self.depth).splitlines()

    def define(self, text: str) -> bool:
        """Run a function or class definition, and put it above the lines."""
        if self.run(text).kind is not Kind.OK:
            return False
        self.definitions.append(text.strip("\n"))
        return True

    def run(self, code: str) -> Outcome:
        """Run `code` without keeping it."""
        try:
            with _quiet(), time_limit():
                exec(code, self.names)
        except Exception as error:
            return sort_error(error, None)
        return _OK

    def value(self, expression: str) -> Any:
        """The value of an expression, or None if it has none."""
        if expression in self.names:
            return self.names[expression]
        try:
            with _quiet():
                return eval(expression, self.names)
        except Exception:
            return None

    def tensor(self, expression: str) -> torch.Tensor:
        """The value of an expression that is known to be a tensor."""
        value = self.value(expression)
        assert isinstance(value, torch.Tensor)
        return value

    # ------------------------------------------------------------- blocks

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

    def repeat(self, header: str, rounds: Sequence[Mapping[str, Any]], body: Callable[[], None]) -> bool:
        """A loop: each round binds its names. Taken back if a later round fails otherwise than it may."""
        start, names, parts = len(self.lines), dict(self.names), list(self.parts)
        self.names.update(rounds[0])
        with self.block(header):
            body()
        code = textwrap.dedent("\n".join(self.lines[start + 1 :]))
        done = bool(code)
        for bound in rounds[1:] if code else ():
            if self.ended is not None:
                break
            self.names.update(bound)
            outcome = self.run(code)
            done = outcome.kind is Kind.OK or self._keeps(outcome)
            if not done:
                break
            self.ended = None if outcome.kind is Kind.OK else outcome.kind
        if not done:
            del self.lines[start:]
            self.names.clear()
            self.names.update(names)
            self.parts = parts
        return done

    def fork(self, names: dict[str, Any]) -> Sketch:
        """A sketch of something inside this program (a function's body, a branch not taken), with names of its own."""
        inner = Sketch(self.rng, names)
        inner.shape, inner.calls = self.shape, [call for call in self.calls if call.template.split("(")[0] in names]
        return inner

    def copies(self) -> dict[str, Any]:
        """The names, with tensors and modules copied: what is tried on them does nothing to the program."""
        return {name: copied(value) for name, value in self.names.items() if not name.startswith("__")}

    # ------------------------------------------------------------- choosing

    def some(self, low: int, high: int) -> range:
        """A range of random length."""
        return range(self.rng.randint(low, high))

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return self.rng.choice(options)

    def pick_weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of `options`, each with its weight."""
        return self.rng.choices([option for option, _ in options], [weight for _, weight in options])[0]

    def tensors(self, fits: Callable[[torch.Tensor], bool] = torch.is_floating_point) -> list[str]:
        """The names and parts that are tensors and fit, oldest first."""
        found = [(name, value) for name, value in self.names.items() if isinstance(value, torch.Tensor)]
        found += [(part, value) for part in self.parts if isinstance(value := self.value(part), torch.Tensor)]
        return [name for name, value in found if fits(value)]

    def pick_tensor(
        self, fits: Callable[[torch.Tensor], bool] = torch.is_floating_point, *, near: bool = False
    ) -> str | None:
        """A tensor that fits: graph tensors and recent ones more often; `near`: those of the last lines still more."""
        names = self.tensors(fits)
        if not names:
            return None
        weights = [_weight(self.tensor(name)) + 2 * place / len(names) for place, name in enumerate(names)]
        if near:
            recent = set(re.findall(r"\w+", "\n".join(self.lines[-_NEAR:])))
            weights = [
                w * (5 if re.split(r"\W", name)[0] in recent else 1) for w, name in zip(weights, names, strict=True)
            ]
        return self.rng.choices(names, weights)[0]

    def new_name(self, pool: Sequence[str] = RESULTS, *, taken: Sequence[str] = ()) -> str:
        """A name of the pool that is free, with a number if none is."""
        free = [name for name in pool if name not in self.names and name not in taken]
        if free:
            return self.pick(free)
        stem, number = self.pick(pool), 2
        while f"{stem}{number}" in self.names or f"{stem}{number}" in taken:
            number += 1
        return f"{stem}{number}"

    def new_names(self, count: int) -> list[str]:
        """So many free names, all different."""
        names: list[str] = []
        for _ in range(count):
            names.append(self.new_name(taken=names))
        return names

    def result_name(self) -> str:
        """A name for a result: now and then one that is taken, which rebinds it."""
        taken = [name for name in self.tensors(in_graph) if name.isidentifier()]
        return self.pick(taken) if taken and self.chance(0.15) else self.new_name()

    def text(self) -> str:
        """The program."""
        above = "".join(f"\n{definition}\n\n" for definition in self.definitions)
        return "\n".join([*self.imports, "", *above.splitlines(), *([""] if above else []), *self.lines]) + "\n"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _weight(tensor: torch.Tensor) -> float:
    return 3.0 if in_graph(tensor) else 1.5 if tensor.requires_grad else 1.0


def copied(value: Any) -> Any:
    """A copy of a tensor, a module or a container of them; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return _copied_tensor(value)
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, nn.Module):
        try:
            return copy.deepcopy(value)
        except RuntimeError:  # it holds a tensor with a graph, which torch does not copy
            return value
    return value


def _copied_tensor(tensor: torch.Tensor) -> torch.Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor.detach().clone(), requires_grad=tensor.requires_grad)
    with torch.enable_grad():
        try:
            return tensor.clone() if in_graph(tensor) else tensor.detach().clone().requires_grad_(tensor.requires_grad)
        except RuntimeError:  # a view that went bad when its base was written
            return tensor.data.clone()

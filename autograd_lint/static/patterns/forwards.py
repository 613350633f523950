"""What one run notes of networks that are not known: calls of them, steps of their optimizers, backward passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from autograd_lint.events import Site
from autograd_lint.static.model.values import Instance, LoopStack, NNModule, Tensor, Unknown, Value

Network: TypeAlias = Unknown | Instance | NNModule
"""Something not known, or a module whose forward is not: it was not executed, or a part of it is not known."""

_MOST_FORWARDS: Final = 32
"""What hangs on more forwards than these is not followed."""


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """A call of a network. `given` are the calls whose results it was given back.

    `trained`: what it computes has a graph, for all that is known: it is trained, or `root` tells that a backward ran
    from what this stands for, which is the value itself and no call.
    """

    network: Network
    name: str
    site: Site
    loops: LoopStack
    clock: int
    given: tuple[Forward, ...] = ()
    trained: bool = False
    root: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class NetworkStep:
    """A step of an optimizer that holds parameters of `networks`.

    `guessed`: the optimizer is not known, and what it holds is among `networks` and the parameters `leaves`; `time`
    tells which nodes of the graph are older.
    """

    optimizer: Value
    networks: tuple[Network, ...]
    site: Site
    loops: LoopStack
    clock: int
    guessed: bool = False
    leaves: frozenset[int] = frozenset()
    time: int = 0


@dataclass(frozen=True, slots=True)
class Backed:
    """What a backward went through: `forwards`, and known leaves that require grad, by id, with when they were used."""

    forwards: tuple[Forward, ...]
    leaves: dict[int, int]
    loops: LoopStack


@dataclass(slots=True, eq=False)
class Networks:
    """What one run knows of networks that are not known. Values are kept with what is noted under their ids."""

    parameters: dict[int, tuple[Value, Network]] = field(default_factory=dict)
    """What `parameters()` gave, and of which network."""
    optimizers: dict[int, tuple[Value, tuple[Network, ...]]] = field(default_factory=dict)
    forwards: dict[int, tuple[Tensor, tuple[Forward, ...]]] = field(default_factory=dict)
    """By tensor: the forwards it was computed from."""
    outputs: dict[int, tuple[Value, Forward]] = field(default_factory=dict)
    """Results of forwards, whole or unpacked."""
    freed: dict[int, tuple[Forward, Site, LoopStack]] = field(default_factory=dict)
    """By forward: the backward that freed its graph."""
    steps: list[NetworkStep] = field(default_factory=list)
    backed: list[Backed] = field(default_factory=list)
    """The backward passes since the last step that came before them."""
    stepped: bool = False
    lost: bool = False
    """Something hangs on more forwards than are followed."""
    clock: int = 0

    def marked(self, sources: Iterable[Value]) -> tuple[Forward, ...]:
        """The forwards that `sources` stand for, each once."""
        found = (f for source in sources for f in self.forwards.get(id(source), (None, ()))[1])
        return tuple({id(f): f for f in found}.values())

    def mark(self, tensor: Tensor, forwards: tuple[Forward, ...]) -> None:
        """`tensor` was computed from `forwards`."""
        self.lost = self.lost or len(forwards) > _MOST_FORWARDS
        self.forwards[id(tensor)] = (tensor, forwards[:_MOST_FORWARDS])

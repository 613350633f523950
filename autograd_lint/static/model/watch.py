"""What a run remembers for facts that show only at the end of a path: who holds what, who was given away."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograd_lint.events import Event, Site
from autograd_lint.static.model.values import (
    Function,
    Instance,
    LoopStack,
    NNModule,
    OptimizerValue,
    StateDict,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.patterns.forwards import Networks


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact that holds unless the program turns out to look after `members` in another way."""

    event: Event
    members: tuple[Value, ...]
    late: bool


@dataclass(slots=True, eq=False)
class Made:
    """A Parameter, or a Module with parameters, made while a `forward` runs."""

    value: Tensor | NNModule | Instance
    name: str
    site: Site
    depth: int
    function: Function
    owner: Instance
    late: bool
    stored: bool = False
    own: bool = False


@dataclass(slots=True, eq=False)
class Kept:
    """A value added to what outlives a round of a loop: `parts` are what it was computed from, `result` the holder.

    `placed`: its place in a container is known.
    """

    site: Site
    loops: LoopStack
    holder: str
    parts: tuple[Value, ...]
    value: Value
    result: Value
    late: bool
    placed: bool = True
    told: bool = False


@dataclass(slots=True, eq=False)
class EvalCall:
    """A forward in evaluation mode that builds a graph; `clock` counts the backward passes before it.

    Those of one `group`, of a module in one loop of one function, have one fault: the loop is not under `no_grad`.
    """

    site: Site
    module: Value
    name: str
    mode: Site
    clock: int
    certain: bool
    late: bool
    group: tuple[object, ...]


@dataclass(slots=True, eq=False)
class Watch:
    """The lists of one run. `given` are the ids of values handed to code that is not known, which stay alive."""

    candidates: list[Candidate] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    given: dict[int, Value] = field(default_factory=dict)
    optimized: dict[int, Tensor] = field(default_factory=dict)
    backed: dict[int, tuple[Value, LoopStack, Site]] = field(default_factory=dict)
    """What is not known and had `backward` called on it, by id: the value, in which loops, and where."""
    kept: dict[int, list[Kept]] = field(default_factory=dict)
    """By the node that keeps."""
    inherited: tuple[Value, ...] = ()
    """What the constructor has left in the object whose method is the program."""
    states: list[StateDict] = field(default_factory=list)
    steps: list[tuple[Value, LoopStack, Site]] = field(default_factory=list)
    """Optimizers, with the loops and the place of the step."""
    handed: list[tuple[Value, LoopStack, Site]] = field(default_factory=list)
    """What was given to calls of what is not known, in loops."""
    evaluated: dict[int, tuple[Value, Site]] = field(default_factory=dict)
    """Modules in evaluation mode by id, with the place of `eval()`."""
    eval_calls: dict[object, EvalCall] = field(default_factory=dict)
    rebuilt: dict[object, list[OptimizerValue]] = field(default_factory=dict)
    """Optimizers that stepped in the round that built them, by the place that did."""
    hooked: dict[object, list[tuple[Value, LoopStack]]] = field(default_factory=dict)
    """What hooks were registered on, with the loops, by the place that did."""
    networks: Networks = field(default_factory=Networks)
    weights: dict[int, tuple[Value, Unknown]] = field(default_factory=dict)
    """Views of what may be weights of modules that are not known, by id, with what each is a view of."""
    frozen: bool = False
    """Something not known was told not to require grad."""
    passes: int = 0
    """Backward passes of what is not known."""

    def store(self, base: Value, value: Value) -> None:
        """An attribute or element of `base` holds `value` from now on."""
        for made in self.made:
            if made.value is value:
                made.stored = True
                made.own = base is made.owner

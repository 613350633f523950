"""What the observer notes down while a program runs: plain data that needs no torch to be made or judged."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from autograd_lint.events import Disorder, Failure, Holder, Refusal
from autograd_lint.finding import Position, Range


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user's program was. `exact` is False where only the row is known."""

    filename: str
    range: Range
    exact: bool = True

    @property
    def row(self) -> tuple[str, int]:
        """The file, and the row in it."""
        return self.filename, self.range.start.row

    @property
    def shown(self) -> str:
        """As a message names it: `file:row`."""
        return f"{self.filename}:{self.range.start.row}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place and the calls that led there, outermost first."""

    place: Place
    calls: tuple[Place, ...] = ()


def row_of(filename: str, row: int) -> Place:
    """The place of which only the row is known."""
    return Place(filename, Range(Position(row, 1), Position(row, 1)), exact=False)


class Via(enum.Enum):
    """How a write was reached from the user's line."""

    METHOD = "a method of the tensor"
    FUNCTION = "a function"
    OPERATOR = "an augmented assignment"
    INDEX = "an index assignment"
    OUT = "an out= argument"
    MODULE = "a module built with inplace=True"
    STATE = "a method of a module or an optimizer's constructor"
    STEP = "an optimizer's step"
    DATA = "an assignment to .data"
    PASS = "a backward that adds to a gradient"
    FOREIGN = "no operation of torch"


@dataclass(frozen=True, slots=True)
class WriteFacts:
    """Everything about a write but when it happened; equal for every round of a loop.

    `in_graph` and `leaf` describe the target before the write. `through` names the alias it went through, `argument`
    that of the function around it which holds the target, if the caller holds it too. `overlapping`: elements of the
    target share memory.
    """

    spot: Spot
    op: str
    via: Via
    through: str = ""
    in_graph: bool = False
    leaf: bool = True
    parameter: bool = False
    requires_grad: bool = False
    value_in_graph: bool = False
    grad_enabled: bool = True
    refusal: Refusal | None = None
    silent: bool = False
    origin: Place | None = None
    argument: str = ""
    overlapping: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of the graph: its name in torch, and where it was made, if that is known."""

    name: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a node was made: after write number `tick`, as number `seq` of the nodes of its thread."""

    tick: int
    thread: int
    seq: int


@dataclass(frozen=True, slots=True)
class StaleSave:
    """A saved tensor that changed before the backward at `needed` used it; `attribute` is its name in the node."""

    node: NodeFacts
    attribute: str
    needed: Spot
    write: WriteFacts
    silent: bool = False
    version_saved: int | None = None
    version_found: int | None = None


@dataclass(frozen=True, slots=True)
class AliasUse:
    """An alias made at `made`, and read at `read` after `write` had changed its memory."""

    how: str
    made: Place
    read: Place
    write: WriteFacts


@dataclass(slots=True, kw_only=True)
class PassNote:
    """One backward pass. Mutable: later passes tell what became of the graph it kept."""

    spot: Spot
    call: str = "backward"
    retain_graph: bool = False
    create_graph: bool = False
    root: NodeFacts | None = None
    shape: tuple[int, ...] | None = None
    failure: Failure | None = None
    shared: NodeFacts | None = None
    freed: Place | None = None
    loop_carried: bool = False
    in_loop: bool = False
    reused: list[tuple[Place, bool]] = field(default_factory=list)
    stepped: Place | None = None
    retained: int = 0
    """Bytes of saved tensors that the graph held after the pass, at most."""


@dataclass(frozen=True, slots=True)
class AccumulationNote:
    """The pass at `place` added into a gradient that the pass at `first` left."""

    place: Place
    first: Place
    name: str = ""
    parameter: bool = False
    stepped: Place | None = None
    in_loop: bool = False
    partly_cleared: bool = False


@dataclass(frozen=True, slots=True)
class GradReadNote:
    """`.grad` was read. For a tensor that is no leaf, `made` is its node."""

    place: Place
    leaf: bool
    retained: bool = False
    made: NodeFacts | None = None
    passes: tuple[Place, ...] = ()
    expected_alone: bool = False


@dataclass(frozen=True, slots=True)
class GradZeroNote:
    """A gradient was set to zero by hand; `owner` is the name of an optimizer or module in scope that holds it."""

    place: Place
    op: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class HookNote:
    """A hook was registered at a place that had registered one on the same object, which is still there."""

    place: Place
    method: str
    parameter: bool = False


@dataclass(frozen=True, slots=True)
class BindingNote:
    """A module's constructor bound `attribute` to what `node` computed from a Parameter that nothing else holds."""

    place: Place
    attribute: str
    owner: str
    node: NodeFacts


@dataclass(frozen=True, slots=True)
class LostLeafNote:
    """A leaf that nobody can reach any more when backward runs; `node` is the one operation that used it."""

    node: NodeFacts


@dataclass(frozen=True, slots=True)
class RefusedNote:
    """Torch refused a call that writes nothing."""

    place: Place
    reason: Refusal
    made: NodeFacts | None = None


@dataclass(frozen=True, slots=True)
class IndexReadNote:
    """`node`, which a backward reached, selects from a tensor that is in the graph and no leaf."""

    node: NodeFacts


@dataclass(frozen=True, slots=True)
class CheckNote:
    """`gradcheck` or its like was given an input of low precision: item `position` of the inputs, or that itself."""

    place: Place
    check: str
    dtype: str
    position: int | None


@dataclass(frozen=True, slots=True)
class CheckpointNote:
    """A checkpoint whose kind nobody chose, or that is reentrant and loses the gradient of what is inside."""

    place: Place
    function: str
    reentrant: bool | None
    lost: bool


@dataclass(frozen=True, slots=True)
class ClipNote:
    """Gradients were clipped of something that has none: item `position` of what was given, or that itself."""

    place: Place
    op: str
    position: int | None
    partly: bool
    made: NodeFacts | None
    gradient: bool = False


@dataclass(frozen=True, slots=True)
class AnomalyNote:
    """Anomaly detection was switched on here, and was still on when the watch ended."""

    place: Place


@dataclass(frozen=True, slots=True)
class RebuiltNote:
    """An optimizer of the same parameters was built here again and again, and each stepped once, at `step`."""

    place: Place
    step: Place


@dataclass(frozen=True, slots=True)
class DisorderNote:
    """A step that found no gradients, though `backward` had computed some, which were cleared at `cleared`."""

    place: Place
    disorder: Disorder
    backward: Place
    cleared: Place | None


@dataclass(frozen=True, slots=True)
class StateNote:
    """A state dict made here was alive when a step changed its tensors."""

    place: Place
    stepped: Place


@dataclass(frozen=True, slots=True)
class LostWriteNote:
    """What was written is a copy that indexing had made."""

    place: Place
    op: str


@dataclass(frozen=True, slots=True)
class HookWriteNote:
    """A hook, registered at `registered`, wrote to the gradient it was given."""

    place: Place
    op: str
    registered: Place


@dataclass(frozen=True, slots=True)
class KeptGraphs:
    """Graphs of earlier passes at `place` that were alive at a later one there: how many, with how many nodes."""

    place: Place
    graphs: int
    nodes: int


@dataclass(frozen=True, slots=True)
class UnregisteredNote:
    """A constructor has ended, and `count` members of what it bound to `attribute` at `place` are not registered."""

    place: Place
    attribute: str
    owner: str
    holder: Holder
    member: str
    parameter: bool
    count: int


@dataclass(frozen=True, slots=True)
class MadeNote:
    """The forward of an `owner` made a Parameter, as part of a `made`, at `spot` in each of two calls; or `once`."""

    spot: Spot
    owner: str
    made: str
    kept: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class EvalNote:
    """A module, in evaluation mode since `mode`, has built graphs at `place`, and no backward came after."""

    place: Place
    mode: Place


@dataclass(frozen=True, slots=True)
class LeftNote:
    """Numbers left a graph at `place` by `how`; `leaves` are the ids of the first few leaves it ends at."""

    place: Place
    how: str
    leaves: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IdleParameter:
    """A Parameter that was stepped without ever having a gradient; or else one with a gradient in no optimizer.

    `cut_by` and `cut_at` tell where numbers computed from it first left the graph.
    """

    name: str
    stepped: bool
    cut_by: str = ""
    cut_at: Place | None = None


@dataclass(frozen=True, slots=True)
class StoppedWrite:
    """The program was stopped at `place`, about to write to what was saved at `saved`."""

    place: Place
    saved: Place | None


@dataclass(slots=True)
class Records:
    """All that one run left behind, without repetitions."""

    writes: dict[WriteFacts, None] = field(default_factory=dict)
    stale: dict[StaleSave, None] = field(default_factory=dict)
    aliases: dict[AliasUse, None] = field(default_factory=dict)
    passes: list[PassNote] = field(default_factory=list)
    notes: dict[object, None] = field(default_factory=dict)
    crashes: dict[str, None] = field(default_factory=dict)
    kept: dict[Place, KeptGraphs] = field(default_factory=dict)
    idle: list[IdleParameter] = field(default_factory=list)
    left: list[LeftNote] = field(default_factory=list)
    stopped: list[StoppedWrite] = field(default_factory=list)
    ran_eagerly: bool = False
    replaced: tuple[str, ...] = ()

    def note(self, item: object) -> None:
        """Keep a note, once."""
        self.notes[item] = None

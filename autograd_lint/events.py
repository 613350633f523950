"""The vocabulary both engines speak and all rules judge: what a program did to autograd, and where.

An event describes one fact about one execution (abstract or real). Engines emit events when a path ends, so an
event already knows its consequence: a `Write` says whether a later backward found its target changed.
`certain` is False when the fact depends on something the engine does not know; a rule may then warn, never accuse.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program.

    `token` is whatever the emitting engine needs to find the range again (a LibCST node; a position);
    `calls` are the calls that led there, outermost first.
    """

    filename: str
    token: Hashable
    calls: tuple[Site, ...] = ()

    @property
    def key(self) -> tuple[str, Hashable]:
        """The place alone, without how it was reached."""
        return (self.filename, self.token)


@dataclass(frozen=True, slots=True)
class TensorRef:
    """What a message needs to know of a tensor.

    `in_graph`: it has a `grad_fn`; None when not known. `made` is the operation that made it.
    """

    name: str
    in_graph: bool | None = None
    leaf: bool | None = None
    parameter: bool = False
    made: Site | None = None
    made_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact about one execution."""

    site: Site
    certain: bool = True


class How(enum.Enum):
    """The form a write takes in the source."""

    METHOD = "method"
    FUNCTION = "function"
    AUGMENTED = "augmented assignment"
    INDEX = "index assignment"
    INDEX_AUGMENTED = "augmented index assignment"
    MODULE = "module with inplace=True"
    OUT = "out="
    DATA_ASSIGN = "assignment to .data"
    OPTIMIZER = "optimizer step"
    STATE = "state of a module"


class Refusal(enum.Enum):
    """Why torch raises at once."""

    LEAF = "a leaf that requires grad"
    VIEW_OF_LEAF = "a view of a leaf that requires grad"
    MULTI_VIEW = "an output of a function that returns multiple views"
    NO_GRAD_VIEW = "a view made in no_grad mode"
    INFERENCE = "an inference tensor"
    OVERLAP = "more than one element shares a memory location"
    CUSTOM_VIEW = "a view made by a custom Function"
    OUT = "out= with an argument that requires grad"
    NUMPY = "numpy() on a tensor that requires grad"
    INTEGER_GRAD = "requires_grad on an integer tensor"
    NON_LEAF_OPTIMIZER = "an optimizer over a non-leaf tensor"
    NON_LEAF_FLAG = "requires_grad changed on a non-leaf tensor"
    DEEPCOPY = "deepcopy of a non-leaf tensor"
    INFERENCE_SAVED = "an inference tensor saved for backward"


@dataclass(frozen=True, slots=True)
class Stale:
    """A saved tensor that changed before it was needed: saved here, (written here), needed here.

    `needed_implied`: no backward was seen; the graph leaves through the `return` at `needed`.
    `silent`: no version counter moved, so torch computes a wrong gradient without an error.
    """

    saved: Site
    saved_by: str
    saved_name: str
    needed: Site
    needed_implied: bool = False
    silent: bool = False
    saved_result: bool = False
    version_saved: int | None = None
    version_found: int | None = None


@dataclass(frozen=True, slots=True)
class AliasRead:
    """An alias (`how`: detach, data, numpy) made at `made` and read at `read` after its memory was written."""

    made: Site
    how: str
    name: str
    read: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Event):
    """A tensor's memory is written; at most one of `stale`, `refusal`, `alias_read` tells what came of it.

    `through` names the alias the write went through (`detach`, `data`, `numpy`), empty for the tensor or a view of it.
    `constructor` is where a module with `inplace=True` was built. `origin` is the place that made the refused view.
    `argument` is the parameter of the function around it that holds the written tensor.
    `spare`: the tensor is what a layer, a sum or a join of tensors gave, and at most one name holds it. `scattered`: a
    mask or indices in tensors tell where the write goes, into what was just made.
    `fits`: what an index assignment writes has the shape of what it overwrites; False where it is expanded to it.
    """

    target: TensorRef
    how: How
    op: str
    value_in_graph: bool = False
    grad_enabled: bool = True
    through: str = ""
    constructor: Site | None = None
    origin: Site | None = None
    stale: Stale | None = None
    refusal: Refusal | None = None
    alias_read: AliasRead | None = None
    argument: str = ""
    spare: bool = False
    scattered: bool = False
    fits: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """Torch raises at this call, which is no write."""

    reason: Refusal
    target: TensorRef
    origin: Site | None = None


class Failure(enum.Enum):
    """Why a backward raises, other than by a stale saved tensor (see `Write.stale`)."""

    TWICE = "the graph was already freed"
    NON_SCALAR = "the root is no scalar"
    NO_GRAPH = "the root has no graph"
    NOT_IMPLEMENTED = "an operation has no derivative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backward(Event):
    """A backward pass (`backward()` or `autograd.grad`).

    `shape` is the root's shape when known. For TWICE: `freed` is the pass that freed the graph, `shared` the operation
    both passes need, `loop_carried` whether it was made in an earlier round of a loop that runs this same backward.
    For NO_GRAPH and NOT_IMPLEMENTED `shared` is the place that explains it.
    `reused` are later passes that needed what `retain_graph=True` kept, `reused_scalars` whether the root of each is
    a scalar; `stepped` an optimizer step before the first of them; `retain` is the place of `retain_graph=True`, and
    `handed_on` says that it is an argument of the function around the call.
    """

    root: TensorRef
    call: str = "backward"
    retain_graph: bool = False
    create_graph: bool = False
    retain: Site | None = None
    handed_on: bool = False
    failure: Failure | None = None
    shape: tuple[int | None, ...] | None = None
    freed: Site | None = None
    shared: Site | None = None
    shared_by: str = ""
    loop_carried: bool = False
    in_loop: bool = False
    explanation: str = ""
    reused: tuple[Site, ...] = ()
    reused_roots: tuple[str, ...] = ()
    reused_scalars: tuple[bool | None, ...] = ()
    stepped: Site | None = None
    scalar: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulation(Event):
    """A backward (`site`) added into gradients that the backward at `first` had left, with nothing clearing between.

    `stepped` is the step that already used the old gradients, an optimizer's or one written out (`by_hand`);
    `in_loop` whether `site` runs in a loop.
    Without a step it is certain only when the sum was read where an earlier read took one pass's gradient.
    """

    first: Site
    leaf: TensorRef
    stepped: Site | None = None
    by_hand: bool = False
    in_loop: bool = False
    partly_cleared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GradRead(Event):
    """`.grad` is read.

    `backwards` are the passes summed in it; `expected_alone` when an earlier read took it as one's.
    """

    target: TensorRef
    retained: bool = False
    backwards: tuple[Site, ...] = ()
    expected_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GradZero(Event):
    """A gradient is set to zero by hand; `owner` names an optimizer or module in scope that holds the tensor."""

    target: TensorRef
    op: str
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRegistered(Event):
    """A hook is registered; `repeated`: again each round of a loop (or each forward) on something that outlives it."""

    target: TensorRef
    method: str
    repeated: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeBound(Event):
    """A Module's constructor binds an attribute to a value computed from a Parameter; `site` is the value.

    `move`: the computation may do nothing (`.to(device)`, `.float()`).
    """

    attribute: str
    owner: str
    value: TensorRef
    parameter: Site | None = None
    op: str = ""
    move: bool = False


class Holder(enum.Enum):
    """What keeps Parameters or Modules out of a Module's sight."""

    LIST = "list"
    TUPLE = "tuple"
    SET = "set"
    DICT = "dict"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered(Event):
    """A Module's constructor ended, and what `attribute` holds is not among the parameters; `site` is the value.

    `member` is what is not registered: a Module or a Parameter made at `made`, or a plain tensor that requires grad
    (`parameter` False). `count` tells how many there are at least.
    """

    attribute: str
    owner: str
    holder: Holder
    member: str
    parameter: bool = True
    made: Site | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeInForward(Event):
    """Each call of `owner`'s `forward` makes a new Parameter, or a new Module with parameters (`made`, a class name).

    `kept`: an attribute holds it, and the next call replaces it.
    """

    owner: str
    made: str
    kept: bool = False


class Disorder(enum.Enum):
    """How the parts of a training step stand in the wrong order."""

    CLEARED_BEFORE_STEP = "gradients are cleared between backward and step"
    STEP_BEFORE_BACKWARD = "step runs before backward"
    CLIP_BEFORE_BACKWARD = "gradients are clipped before backward"
    CLIP_AFTER_STEP = "gradients are clipped after step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misordered(Event):
    """A `step` (or a clipping, at `site`) that works on cleared or used gradients: it does nothing.

    `backward` is the pass whose gradients are lost to it, `cleared` where they were cleared, `step` the step that a
    misplaced clipping belongs to.
    """

    disorder: Disorder
    optimizer: str = ""
    backward: Site | None = None
    cleared: Site | None = None
    step: Site | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphKept(Event):
    """Each round of a loop adds a value with its graph to what outlives the loop, and no backward goes through it.

    `holder` names what it is added to; `added`: it is summed, else it is an element of a container. `inside`: the graph
    is that of something the value holds. `called`: a round is a call of the method, whose object has the holder.
    """

    value: TensorRef
    holder: str
    added: bool = False
    inside: bool = False
    called: bool = False
    backward: Site | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKept(Event):
    """A `state_dict()`, made at `site`, is kept while steps change the weights it aliases; `read` reads `name`."""

    name: str
    owner: str = ""
    stepped: Site | None = None
    read: Site | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalForward(Event):
    """A forward in evaluation mode (since `mode`) builds a graph in a loop, and no backward uses it.

    `also` are the other forwards of the module in that loop.
    """

    module: str
    mode: Site
    also: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClippedNothing(Event):
    """Gradients are clipped of something that has none: a non-leaf, or a gradient itself (`gradient`)."""

    target: TensorRef
    op: str
    gradient: bool = False
    partly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrite(Event):
    """What is written is a copy that indexing by a tensor or list has made, and nothing holds it."""

    target: TensorRef
    op: str
    copied: Site | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerRebuilt(Event):
    """An optimizer over parameters that outlive a loop is built anew in each round that steps it."""

    optimizer: str
    step: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafLost(Event):
    """A leaf with `requires_grad=True` is computed on and lost: only the result has a name; `site` is the value."""

    leaf: Site
    name: str
    op: str
    move: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRead(Event):
    """`x[i]` reads a view of a graph tensor."""

    target: TensorRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Event):
    """Numbers leave the graph at `site` and come back into what the backward at `needed` starts from.

    `leaf` is one that the graph would have led to there and that no pass gives a gradient; `missed` is where that
    shows: a step of an optimizer that holds it (`stepped`), or a read of its `.grad`. `rewrapped`: the numbers were
    put into a new tensor at `site`. `how` is what cuts: `detach`, `item`, `no_grad`, `torch.tensor`.
    """

    target: TensorRef
    how: str
    needed: Site
    leaf: TensorRef
    missed: Site
    stepped: bool = False
    rewrapped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantTerm(Event):
    """A Python number taken out of the graph at `site` is a term of what the backward at `needed` starts from.

    It is added at `added`. Whatever it was computed from gets its gradient elsewhere, and none through this term.
    `known`: it was computed from what requires grad, else perhaps.
    """

    target: TensorRef
    how: str
    added: Site
    needed: Site
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEnd(Event):
    """The backward at `needed` ends at a leaf that was made at `site` from computed numbers, and at nothing else.

    `flagged`: the leaf is a computed tensor that was told to require grad, else a new tensor was made with `how`.
    `cut` is where the numbers had left the graph before; `raises`: where they had not, torch raises at `site`.
    """

    target: TensorRef
    how: str
    needed: Site
    flagged: bool = False
    cut: Site | None = None
    raises: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded(Event):
    """An operation that changes nothing is carried out on `target`, and its result is thrown away."""

    target: TensorRef
    op: str
    in_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSet(Event):
    """An attribute that means nothing to torch is set on a tensor, or on a Module (`module`)."""

    target: TensorRef
    attribute: str
    module: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReturned(Event):
    """The `backward` of a custom Function returned `gradients` gradients, the last `nones` of them None.

    Its forward takes `required` to `accepted` inputs (None: any number); `forward` is its definition.
    """

    function: str
    gradients: int
    nones: int
    required: int
    accepted: int | None
    forward: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWritten(Event):
    """The forward of a custom Function writes to an input that it does not mark; `used`: what uses the input later."""

    target: TensorRef
    op: str
    function: str
    used: Site | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextKept(Event):
    """The forward of a custom Function keeps an input or an output (`role`) as an attribute of its context."""

    attribute: str
    target: TensorRef
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientWritten(Event):
    """A hook registered at `registered` writes to the gradient it is given."""

    op: str
    registered: Site
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientChecked(Event):
    """`gradcheck` is given a tensor of a precision too low for finite differences."""

    target: TensorRef
    check: str
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyMode(Event):
    """Anomaly detection is switched on and stays on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardCalled(Event):
    """`module.forward(…)` is called in place of `module(…)`; `hooks`: the module has some, which do not run.

    `own`: the function made the module, gave it to nobody, and hung no hook on it; `tested`: it is a test's.
    """

    name: str
    hooks: bool = False
    own: bool = False
    tested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed(Event):
    """`checkpoint(…)` is called; `reentrant` None: it does not say which kind. `lost`: no gradient comes back."""

    function: str
    reentrant: bool | None = None
    lost: bool = False


class Singularity(enum.Enum):
    """Where a derivative is infinite, so that a gradient of zero becomes NaN."""

    WHERE = "the branch of a `where` that is not taken"
    NORM = "the root of a sum of squares"
    CLAMP = "the root of a value clamped at zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfiniteDerivative(Event):
    """The derivative of `op` is infinite for a value that can occur; `inner` is where that value is made."""

    kind: Singularity
    op: str
    name: str = ""
    inner: Site | None = None

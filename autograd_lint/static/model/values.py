"""Abstract values: what a name can hold while a program is executed abstractly.

Values are mutable objects with identity, as Python's are, so that aliasing comes for free. What is not known is an
`Unknown`; an Unknown that must be a tensor (it was given to a torch operation) carries that tensor in `tensor`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from autograd_lint.events import Site
from autograd_lint.static.syntax import ir

if TYPE_CHECKING:
    from autograd_lint.events import Accumulation
    from autograd_lint.static.importing.locate import Place
    from autograd_lint.static.model.machine import Counter, GraphNode, Memory, Modes, WriteRecord
    from autograd_lint.static.model.traces import Trace
    from autograd_lint.static.shapes.layout import Layout

Tri: TypeAlias = bool | None
"""True, False, or None for not known."""

LoopStack: TypeAlias = tuple[tuple[int, int], ...]
"""The loops around a point of the execution, outermost first: (running number of the loop's entry, round)."""


class Value:
    """Base of all abstract values."""

    __slots__ = ()


class Unknown(Value):
    """Anything. Attributes read from it are remembered, so that two reads give the same Unknown.

    `sources` are the tensors it may have been computed from; `kind` says what it must be: "tensor", "number" (a Python
    one), "flag", "scheduler" (of learning rates), what `parameters()` gives or "parameter", one of those; "" when even
    that is not known. `owner` and `label` tell which attribute of what it was read as; `default` is what an argument is
    when nobody gives it. `trace` tells where its numbers left the graph, `revived` where it was told to require grad.
    `met`: a size, or computed from sizes; what it would be if there were no more elements than those met.
    """

    __slots__ = ("attrs", "default", "kind", "label", "met", "name", "owner", "revived", "sources", "tensor", "trace")

    def __init__(self, sources: tuple[Value, ...] = (), *, kind: str = "") -> None:
        self.attrs: dict[str, Value] | None = None
        self.default: Value | None = None
        self.owner: Value | None = None
        self.label = ""
        self.tensor: Tensor | None = None
        self.kind = kind
        self.met: int | None = None
        self.sources = sources
        self.trace: Trace | None = None
        self.revived: Revival | None = None
        self.name = ""

    def attr(self, name: str) -> Value:
        """The attribute `name`: the same unknown value at every read."""
        if self.attrs is None:
            self.attrs = {}
        value = self.attrs.get(name)
        if value is None:
            child = Unknown(() if name == "data" else self.sources)
            child.owner, child.label, child.trace = self, name, self.trace
            value = self.attrs[name] = child
        return value

    def put(self, name: str, value: Value) -> None:
        """The attribute `name` is known from now on."""
        self.attr(name)
        self.attrs = {**(self.attrs or {}), name: value}


class Negated(Unknown):
    """`not` of an unknown condition, so that both forms decide alike on one path."""

    __slots__ = ("positive",)

    def __init__(self, positive: Value) -> None:
        super().__init__()
        self.positive = positive

    @classmethod
    def of(cls, positive: Value) -> Value:
        """The negation, remembered on the positive condition."""
        if not isinstance(positive, Unknown):
            return Unknown()
        if positive.attrs is None:
            positive.attrs = {}
        return positive.attrs.setdefault("not", cls(positive))


@dataclass(slots=True, eq=False)
class Const(Value):
    """A Python constant: None, a bool, a number, a string, bytes, Ellipsis."""

    value: object


NONE: Final = Const(None)
TRUE: Final = Const(True)
FALSE: Final = Const(False)


@dataclass(slots=True, eq=False)
class Seq(Value):
    """A list, tuple or set whose first elements are known; `open`: it may have more. `fields` name a named tuple's.

    An `iterator` loses the elements that are taken from it. `counted`: written out, so that the number of elements does
    not hang on how often a loop runs.
    """

    kind: Literal["list", "tuple", "set", "iterator"]
    items: list[Value]
    open: bool = False
    fields: tuple[str, ...] = ()
    loops: LoopStack = ()
    counted: bool = False


@dataclass(slots=True, eq=False)
class Dict(Value):
    """A dict with constant keys; `open`: it may have more entries, or other values.

    `missing` is called for the value of a key that it does not have, as by `defaultdict`.
    """

    items: dict[object, Value]
    open: bool = False
    loops: LoopStack = ()
    missing: Value | None = None


@dataclass(slots=True, eq=False)
class StateDict(Dict):
    """What `owner.state_dict()` returned at `site`: its tensors alias the weights of `owner`.

    `conditional`: made on a condition inside its loop; `stepped`: a step has written the weights since.
    """

    owner: Value | None = None
    site: Site | None = None
    conditional: bool = False
    stepped: Site | None = None
    told: bool = False


@dataclass(slots=True, eq=False)
class SliceValue(Value):
    """A slice object whose bounds are values."""

    lower: Value
    upper: Value
    step: Value


@dataclass(slots=True, eq=False)
class RangeValue(Value):
    """`range(…)` with known bounds; `open`: up to the size of something of which not all elements are known."""

    values: range
    open: bool = False


class Env:
    """A scope's names; `parent` is the enclosing function's or the module's scope."""

    __slots__ = ("globals", "names", "nonlocals", "parent")

    def __init__(self, parent: Env | None = None, module: Env | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.parent = parent
        self.globals: Env = module or (parent.globals if parent else self)
        self.nonlocals: dict[str, Env] | None = None

    def find(self, name: str) -> Value | None:
        """The value of `name` here or in an enclosing scope."""
        scope: Env = self
        while True:
            value = scope.names.get(name)
            if value is not None:
                if type(value) is Deferred:
                    value = scope.names[name] = value.settle()
                return value
            if scope.parent is None:
                return scope.missing(name)
            scope = scope.parent

    def peek(self, name: str) -> Value | None:
        """The same without looking for what an imported name stands for."""
        scope: Env | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def missing(self, name: str) -> Value | None:
        """The value of a name that nothing has bound."""
        return None

    def bind(self, name: str, value: Value) -> None:
        """Bind `name`, where `global` and `nonlocal` say."""
        if self.nonlocals and name in self.nonlocals:
            self.nonlocals[name].names[name] = value
        else:
            self.names[name] = value


@dataclass(slots=True, eq=False)
class Function(Value):
    """A user function or lambda with its closure; `modes` are grad modes its decorators set, `off` the last of them.

    `manager`: it is decorated as a context manager.
    """

    node: ir.FunctionDef | ir.Lambda
    env: Env
    defaults: dict[str, Value]
    owner: Class | None = None
    modes: tuple[str, ...] = ()
    off: Site | None = None
    kind: Literal["function", "static", "class", "property"] = "function"
    opaque: bool = False
    attrs: dict[str, Value] = field(default_factory=dict)
    filename: str = ""
    manager: bool = False


@dataclass(slots=True, eq=False)
class Generator(Value):
    """What a call of a generator function gives: `start` runs its body, and is told what to do at each `yield`.

    `modes` are those that the function's decorators set. `open`: it may give more, or less.
    """

    modes: tuple[str, ...]
    start: Callable[[Callable[[Value], None]], object]
    open: bool = True


@dataclass(slots=True, eq=False)
class DataSet(Value):
    """A data set of `torch.utils.data`: rows of `tensors`, or what `origin` gives; `whole`: all of it."""

    tensors: tuple[Tensor, ...]
    origin: Value | None = None
    whole: bool = True


@dataclass(slots=True, eq=False)
class Bound(Value):
    """A user function bound to its first argument."""

    function: Function
    self: Value


@dataclass(frozen=True, slots=True)
class ForwardHook:
    """What a module calls at each of its own calls, until something is done with `handle.remove`.

    `before`: with the arguments, else with them and the result. `named`: keyword arguments are given too.
    """

    function: Function | Bound
    handle: Unknown
    before: bool
    named: bool


@dataclass(slots=True, eq=False)
class Class(Value):
    """A user class; `bases` in order. `opaque`: a base or the metaclass is not known.

    `applied`: the most inputs that a custom Function was seen applied to.
    """

    node: ir.ClassDef
    bases: tuple[Value, ...]
    attrs: dict[str, Value]
    opaque: bool = False
    filename: str = ""
    applied: int = 0


@dataclass(slots=True, eq=False)
class Instance(Value):
    """An object of a user class. `module`: the class derives from `nn.Module`."""

    cls: Class
    attrs: dict[str, Value]
    module: bool = False
    training: Value = TRUE
    site: Site | None = None
    loops: LoopStack = ()
    frozen: bool = False
    hooks: int = 0
    forward_hooks: tuple[ForwardHook, ...] = ()
    bound: dict[str, Site] | None = None
    """Where its constructor bound attributes to containers and tensors."""


@dataclass(slots=True, eq=False)
class TorchName(Value):
    """A name of torch's: a package, function or class, by its canonical dotted name."""

    name: str


@dataclass(slots=True, eq=False)
class Foreign(Value):
    """A module or a name of a module that is not torch's and not known: `numpy`, `copy.deepcopy`."""

    name: str


@dataclass(slots=True, eq=False)
class LocalModule(Value):
    """A module of the project, at `place`; `fallback` is what it is as far as its name tells."""

    place: Place
    fallback: Value


@dataclass(slots=True, eq=False)
class Deferred(Value):
    """What a name imported from the project is bound to until it is used. Nobody meets it but the scope."""

    settle: Callable[[], Value]


@dataclass(slots=True, eq=False)
class Builtin(Value):
    """A Python builtin by name."""

    name: str


@dataclass(slots=True, eq=False)
class Method(Value):
    """A method of a value the engine models, read but not yet called."""

    owner: Value
    name: str


@dataclass(slots=True, eq=False)
class Native(Value):
    """A function of the engine's own, such as what `functools.partial` returns."""

    call: Callable[..., Value]


@dataclass(slots=True, eq=False)
class NNModule(Value):
    """An object of one of torch's own module classes.

    `options` are the constructor's arguments by name; `children` the submodules of a container in order, by name.
    """

    name: str
    options: dict[str, Value]
    params: dict[str, Tensor]
    buffers: dict[str, Tensor]
    children: dict[str, Value]
    site: Site
    training: Value = TRUE
    open: bool = False
    loops: LoopStack = ()
    attrs: dict[str, Value] = field(default_factory=dict)
    hooks: int = 0
    forward_hooks: tuple[ForwardHook, ...] = ()


@dataclass(slots=True, eq=False)
class OptimizerValue(Value):
    """An optimizer. `open`: it may hold parameters that are not known. `bumps`: whether `step` moves versions."""

    name: str
    params: list[Tensor]
    open: bool
    bumps: Tri
    site: Site
    attrs: dict[str, Value] = field(default_factory=dict)
    loops: LoopStack = ()
    served: tuple[Value, ...] = ()
    """The loops it was built in, when its state is worth keeping, and the modules it was built for."""


@dataclass(slots=True, eq=False)
class Distribution(Value):
    """An object of `torch.distributions`, with the parameters it was built from by name."""

    name: str
    params: dict[str, Value]


@dataclass(slots=True, eq=False)
class GradModeValue(Value):
    """`torch.no_grad()` and its kin, as a context manager or decorator. `mode` is None when not known.

    `before` are the modes to restore when the call itself already switched them (`set_grad_enabled`).
    """

    mode: Tri
    inference: bool = False
    autocast: bool = False
    mutation: bool = False
    offload: bool = False
    anomaly: bool = False
    before: Modes | None = None


@dataclass(slots=True, eq=False)
class ExpectRaise(Value):
    """A context manager that expects an exception, such as `pytest.raises(…)`."""


@dataclass(slots=True, eq=False)
class Context(Value):
    """The `ctx` of a custom `autograd.Function`: what its forward saved and marked, and kept as attributes."""

    saved: list[Tensor] = field(default_factory=list)
    dirty: list[Tensor] = field(default_factory=list)
    plain: list[Tensor] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)
    kept: list[tuple[str, Value, Site]] = field(default_factory=list)
    attrs: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class SuperValue(Value):
    """`super()` inside a method of `owner`."""

    owner: Class
    self: Value


@dataclass(frozen=True, slots=True)
class Revival:
    """Computed numbers were made a leaf that requires grad at `site`, by `how`; `computed` None: perhaps constants.

    `flagged`: an existing tensor was told to require grad, rather than a new one made.
    """

    site: Site
    how: str
    name: str = ""
    flagged: bool = False
    computed: Tri = True
    raises: bool = False


class Tensor(Value):
    """A tensor: memory with a version counter, and its place in the graph.

    `node` is its `grad_fn` when it has one (`grad_node` regenerates a view's after a write); `requires_grad` None means
    not known. `base` is the root of a differentiable view, `view_kind` how it was made ("plain", "multi", "no_grad",
    "custom"). `alias_how`/`alias_of` tell how memory is shared outside the graph (detach, data, numpy).
    `rank`: the number of its dimensions, where no more of its layout is known; `unreduced`: a loss has a value for each
    element, of which there may be several.
    `layer`: the forward of a Module returned it. `copied`: where indexing made it as a copy. `maybe_of`: it may be the
    same tensor as, or a view of, another.
    `detached`: the `detach_()` that took its history, `reseated`: the `.data =` that gave it other memory.
    `grad_sum`: `.grad` holds what a step has used already beside a later pass's gradient; `grad_used`: how many of
    `grad_passes` a step has used, by an optimizer or written out (`grad_by_hand`).
    `trace` tells where its numbers left the graph, `tested` what a condition was computed from; `revived` is where
    computed numbers were made a leaf that requires grad.
    """

    __slots__ = (
        "alias_how",
        "alias_of",
        "alias_site",
        "alias_version",
        "attr_version",
        "base",
        "copied",
        "counter",
        "detached",
        "device",
        "dtype",
        "grad",
        "grad_by_hand",
        "grad_clears",
        "grad_differenced",
        "grad_owner",
        "grad_passes",
        "grad_reads",
        "grad_stepped",
        "grad_sum",
        "grad_used",
        "hooks",
        "inference",
        "layer",
        "layout",
        "loops",
        "made_by",
        "maybe_of",
        "memory",
        "name",
        "node",
        "numpy",
        "parameter",
        "rank",
        "requires_grad",
        "reseated",
        "retains_grad",
        "revived",
        "site",
        "tested",
        "trace",
        "unreduced",
        "unversioned",
        "view_kind",
        "view_site",
    )

    def __init__(
        self, memory: Memory, counter: Counter, *, requires_grad: Tri = False, site: Site | None = None
    ) -> None:
        self.memory = memory
        self.counter = counter
        self.requires_grad: Tri = requires_grad
        self.node: GraphNode | None = None
        self.layer = False
        self.layout: Layout | None = None
        self.rank: int | None = None
        self.unreduced = False
        self.dtype: str | None = None
        self.device: str | None = None
        self.base: Tensor | None = None
        self.view_kind = ""
        self.view_site: Site | None = None
        self.attr_version = 0
        self.alias_how = ""
        self.alias_of: Tensor | None = None
        self.alias_site: Site | None = None
        self.alias_version = 0
        self.maybe_of: Tensor | None = None
        self.copied: Site | None = None
        self.grad: Value = NONE
        self.grad_owner: Tensor | None = None
        self.grad_passes: list[Site] = []
        self.grad_reads = 0
        self.grad_clears = 0
        self.grad_differenced = False
        self.grad_stepped: Site | None = None
        self.grad_by_hand = False
        self.grad_sum: Accumulation | None = None
        self.grad_used = 0
        self.detached: WriteRecord | None = None
        self.reseated: WriteRecord | None = None
        self.retains_grad = False
        self.hooks = 0
        self.inference = False
        self.unversioned = False
        self.numpy = False
        self.parameter = False
        self.name = ""
        self.made_by = ""
        self.site = site
        self.loops: LoopStack = ()
        self.trace: Trace | None = None
        self.tested: Tensor | None = None
        self.revived: Revival | None = None

    @property
    def leaf(self) -> bool:
        """It has no `grad_fn`."""
        return self.node is None


def size_met(value: Value) -> int | None:
    """A whole number; of one that is computed from sizes, what it would be with the elements met."""
    if type(value) is Const:
        return value.value if isinstance(value.value, int) else None
    return value.met if isinstance(value, Unknown) else None


def is_none(value: Value) -> bool:
    """The value is the constant None."""
    return type(value) is Const and value.value is None


def constant(value: Value, default: object = None) -> object:
    """The Python constant in `value`, else `default`."""
    return value.value if type(value) is Const else default

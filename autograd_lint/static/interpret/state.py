"""The state of one abstract run along one path, and the decisions that make it that path."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import libcst as cst

from autograd_lint.events import AnomalyMode, Event, HookRegistered, LeafLost, Site
from autograd_lint.static.model.machine import Machine
from autograd_lint.static.model.passes import Gradients
from autograd_lint.static.model.singularities import Singular
from autograd_lint.static.model.tape import Tape
from autograd_lint.static.model.values import (
    NONE,
    Class,
    Const,
    Env,
    Function,
    LoopStack,
    Negated,
    NNModule,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.model.watch import Watch
from autograd_lint.static.syntax import ir

if TYPE_CHECKING:
    from autograd_lint.static.importing.project import Project

MAX_DEPTH: Final = 24
"""Calls inlined into each other; deeper ones are unknown."""


class Signal:
    """How a block ended other than by its last statement."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: Value = NONE) -> None:
        self.kind = kind
        self.value = value


BREAK: Final = Signal("break")
CONTINUE: Final = Signal("continue")
RAISED: Final = Signal("raise")


class PathEnded(Exception):
    """Nothing more of this path is executed: its budget is spent, or the program exits."""


class ProgramRaised(Exception):
    """The program itself raises an exception."""


@dataclass(slots=True)
class Args:
    """The arguments of a call. `open`: there may be more (`*unknown`, `**unknown`)."""

    pos: list[Value]
    kw: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    nodes: dict[str, ir.Arg] = field(default_factory=dict)

    def get(self, index: int, name: str) -> Value | None:
        """The argument at `index` or called `name`."""
        if index < len(self.pos):
            return self.pos[index]
        return self.kw.get(name)

    def all(self) -> Iterable[Value]:
        """Every argument."""
        yield from self.pos
        yield from self.kw.values()


@dataclass(frozen=True, slots=True)
class Lost:
    """A `leaf` that only its `result` has a name for, in a variable of the program; None where an object holds it.

    `tested`: in a test, for which only what a backward reaches matters.
    """

    event: LeafLost
    leaf: Tensor
    result: Tensor | None
    late: bool
    tested: bool


@dataclass(frozen=True, slots=True)
class Pure:
    """A method of `tensor`, called at `node`, that changed nothing; `result` is what it gave."""

    node: ir.Node
    name: str
    tensor: Tensor
    result: Value


class Path:
    """The decisions of one path: a prefix that is given, then the first alternative each time.

    The same unknown value decides the same way throughout a path. `untaken` are the statements that deciding a choice
    the other way would lead to. `seen` are the statements that earlier paths reached.
    """

    __slots__ = ("choices", "memo", "prefix", "seen", "untaken")

    def __init__(self, prefix: tuple[bool, ...] = (), seen: Container[cst.CSTNode] = ()) -> None:
        self.prefix = prefix
        self.seen = seen
        self.choices: list[bool] = []
        self.memo: dict[int, tuple[Value, bool]] = {}
        self.untaken: dict[int, ir.Block] = {}

    def decided(self, value: Value) -> bool | None:
        """How a branch that hangs on `value` went on this path; None if there was none."""
        if isinstance(value, Negated):
            positive = self.decided(value.positive)
            return None if positive is None else not positive
        known = self.memo.get(id(value))
        return None if known is None else known[1]

    def choose(self, value: Value | None, *, first: bool = True) -> bool:
        """Decide a branch that hangs on `value`; `first` is what is tried first."""
        if isinstance(value, Negated):
            return not self.choose(value.positive, first=not first)
        if value is not None:
            known = self.memo.get(id(value))
            if known is not None:
                return known[1]
        at = len(self.choices)
        choice = self.prefix[at] if at < len(self.prefix) else first
        self.choices.append(choice)
        if value is not None:
            self.memo[id(value)] = (value, choice)
        return choice


@dataclass(frozen=True, slots=True)
class Language:
    """The interpreter's five entries, which call each other through the run."""

    evaluate: Callable[[Run, ir.Expr], Value]
    execute: Callable[[Run, ir.Block], Signal | None]
    assign: Callable[[Run, ir.Expr, Value], None]
    call: Callable[[Run, Value, Args, ir.Node], Value]
    call_hook: Callable[[Run, Value, str, list[Value], ir.Node], Value]


@dataclass(slots=True)
class Frame:
    """The function being executed."""

    env: Env
    function: Function | None = None
    owner: Class | None = None
    self: Value | None = None
    constructing: bool = False
    given: tuple[tuple[str, Value], ...] = ()
    """The arguments it was called with, by parameter."""
    yields: list[Value] = field(default_factory=list)
    resume: Callable[[Value], None] | None = None
    """Takes what the body of a generator yields; without it that is kept in `yields`."""
    inexact: bool = False
    """A loop ran other rounds than the program would."""
    loops: int = 0
    """How many loops were around the call."""


class Run:
    """One path through a program: the machine, the frames, and the budget of steps.

    `traced`: numbers have left the graph; `given` is what code that is not known was given; `settings` what
    constructors are given and is not known, by id; `owner` the object whose method is the program, `inputs` what the
    forward of a custom Function is given, when that is the program; `anomaly` tells where anomaly detection was
    switched on; `shortened`: in a loop of which only the first rounds are run, and `skipped` are blocks the others may
    reach; `pure` is the last call that changed nothing; `awaited` are judgements that wait for the end of the path;
    `tape` keeps the steps, if asked to.
    `driven` is the expression whose generator is run by a loop or block itself;
    `forwards` are the methods of that name among those `called`, unless the program returns something;
    `home` is the file the program is in, `project` what it imports; `cut`: an imported function ended the path.
    """

    def __init__(
        self, filename: str, path: Path, *, steps: int, language: Language, project: Project | None = None
    ) -> None:
        self.filename = self.home = filename
        self.project = project
        self.cut = False
        self.language = language
        self.path = path
        self.machine = Machine()
        self.gradients = Gradients()
        self.hooks: list[tuple[Value, HookRegistered]] = []
        self.steps = steps
        self.frames: list[Frame] = []
        self.calls: tuple[Site, ...] = ()
        self.called: set[int] = set()
        self.forwards: set[int] = set()
        self.reached: set[cst.CSTNode] = set()
        self.loop_entries = 0
        self.pending_read: tuple[Tensor, Site, str] | None = None
        self.truncated = False
        self.created: list[Tensor] = []
        self.lost: list[Lost] = []
        self.last_return: ir.Node | None = None
        self.traced = False
        self.given: list[Value] = []
        self.settings: dict[int, Value] = {}
        self.owner: Value | None = None
        self.pure: Pure | None = None
        self.shortened = False
        self.skipped: list[ir.Block] = []
        self.default_dtype: str | None = "float32"
        self.singular = Singular()
        self.inputs: list[Value] = []
        self.anomaly: AnomalyMode | None = None
        self.awaited: list[Callable[[], Event | None]] = []
        self.watch = Watch()
        self.branches: list[LoopStack] = []
        self.discarded: ir.Node | None = None
        self.tape: Tape | None = None
        self.driven: ir.Node | None = None

    @property
    def frame(self) -> Frame:
        """The innermost frame."""
        return self.frames[-1]

    @property
    def env(self) -> Env:
        """The innermost scope."""
        return self.frames[-1].env

    def site(self, node: ir.Node) -> Site:
        """The place of a lowered node, reached by the present calls."""
        self.reached.add(node.cst)
        return Site(self.filename, node.cst, self.calls)

    def evaluate(self, node: ir.Expr) -> Value:
        """The value of an expression."""
        return self.language.evaluate(self, node)

    def execute(self, block: ir.Block) -> Signal | None:
        """Execute a block; how it ended, when not by its last statement."""
        return self.language.execute(self, block)

    def assign(self, target: ir.Expr, value: Value) -> None:
        """Bind `target` to `value`."""
        self.language.assign(self, target, value)

    def call(self, function: Value, args: Args, node: ir.Node) -> Value:
        """Call a value."""
        return self.language.call(self, function, args, node)

    def call_hook(self, value: Value, name: str, args: list[Value], node: ir.Node) -> Value:
        """Call the method `name` of an object if its class has it."""
        return self.language.call_hook(self, value, name, args, node)

    def step(self) -> None:
        """Spend one step. Raises PathEnded when none is left."""
        self.steps -= 1
        if self.steps < 0:
            self.truncated = True
            raise PathEnded


def settled(run: Run, value: Value) -> Value:
    """An argument that nobody gave, where it decides what is called: its default first, on other paths unknown."""
    if type(value) is not Unknown or value.default is None:
        return value
    decisive = isinstance(value.default, TorchName | Class | Function | NNModule) or (
        type(value.default) is Const and isinstance(value.default.value, str)
    )
    return value.default if decisive and run.path.choose(value.attr("is its default")) else value


def truth(value: Value) -> bool | None:
    """Whether `value` is true, or None when not known."""
    kind = type(value)
    if kind is Const:
        return bool(value.value)  # type: ignore[attr-defined]
    if kind is Unknown or kind is Tensor or kind is Negated:
        return None
    items = getattr(value, "items", None)
    if isinstance(items, list | dict):
        return True if items else (None if value.open else False)  # type: ignore[attr-defined]
    return None if kind.__name__ in ("Foreign", "RangeValue") else True

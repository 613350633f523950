"""What a path did to torch, step by step, kept only when asked for: the material of a replay.

A step is one call, operator, index or attribute that torch itself carries out, with its operands and its result. What
user code does between (names, containers, functions of its own) leaves no step: its values are in the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autograd_lint.static.model.machine import Memory, Modes
from autograd_lint.static.model.values import (
    Bound,
    Builtin,
    Class,
    Const,
    Dict,
    Distribution,
    Foreign,
    Function,
    Instance,
    Method,
    Native,
    NNModule,
    OptimizerValue,
    Seq,
    Tensor,
    TorchName,
    Value,
)
from autograd_lint.static.syntax import ir

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Args, Run

_NUMERIC: Final = frozenset({"len", "int", "float", "sum", "max", "min", "abs", "round", "bool", "pow"})
_DEPTH: Final = 4


@dataclass(slots=True, eq=False)
class Step:
    """One thing torch did. `form` says how it is written: "call" of `op`, "method" `op` of the first operand, "binary",
    "unary", "compare", "augment", "index", "store", "read" and "write" of an attribute; "gap": it runs code of
    the program's own in a way of torch's own, and cannot be written.

    `written` is the memory it wrote, `touched` the tensors whose gradient it changed.
    """

    form: str
    op: str
    operands: tuple[Value, ...]
    keywords: Mapping[str, Value]
    node: ir.Node
    filename: str
    modes: Modes
    result: Value | None = None
    written: tuple[Memory, ...] = ()
    touched: tuple[Tensor, ...] = ()
    raised: bool = False


@dataclass(slots=True)
class Tape:
    """The steps of one path.

    `names` are the names that values were bound to, `failed_at` the number of the step at which torch raised.
    `returned` is what the program gave back, the file and the `return` that did it, when that is needed by a backward.
    """

    steps: list[Step] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    failed_at: int | None = None
    returned: tuple[tuple[Tensor, ...], str, ir.Node] | None = None
    _depth: int = 0
    _kept: list[Value] = field(default_factory=list)

    def bind(self, target: ir.Expr, value: Value) -> None:
        """A name or an attribute was bound to `value`; the first name stays."""
        name = target.id if isinstance(target, ir.Name) else target.name if isinstance(target, ir.Attr) else ""
        if name and not isinstance(value, Const):
            self._kept.append(value)
            self.names.setdefault(id(value), name)

    def call(self, run: Run, function: Value, args: Args, node: ir.Node, work: Callable[[], Value]) -> Value:
        """A call that may be one of torch's own."""
        form, op, owner = _callee(function)
        if not form:
            return work()
        if form == "apply" and _calls_back(owner):
            return work()  # a container of the program's own modules: what they do are the steps
        if args.open or _calls_back((*args.pos, *args.kw.values())):
            form = "gap"
        operands = (*owner, *args.pos)
        return self.record(run, form, op, operands, node, work, keywords=args.kw)

    def record(
        self,
        run: Run,
        form: str,
        op: str,
        operands: tuple[Value, ...],
        node: ir.Node,
        work: Callable[[], Value],
        *,
        keywords: Mapping[str, Value] | None = None,
    ) -> Value:
        """Do `work`, and keep what it did as one step; what it does inside is part of it."""
        if self._depth:
            return work()
        frozen = tuple(_frozen(value) for value in operands)
        words = {key: _frozen(value) for key, value in (keywords or {}).items()}
        step = Step(form, op, frozen, words, node, run.filename, run.machine.modes)
        machine, gradients = run.machine, run.gradients
        writes, touched, failed = len(machine.writes), len(gradients.touched), machine.failed
        at = len(self.steps)
        inside = form != "gap"
        self._depth += inside
        step.raised = True
        try:
            if inside:
                self.steps.append(step)
            result = work()
            step.result = _frozen(result)
            step.raised = machine.failed and not failed
        finally:
            self._depth -= inside
            if not inside:
                at = len(self.steps)
                self.steps.append(step)
            step.written = tuple(record.tensor.memory for record in machine.writes[writes:])
            step.touched = tuple(gradients.touched[touched:])
            if machine.failed and self.failed_at is None:
                self.failed_at = at
        return result

    def end(self, values: tuple[Tensor, ...], filename: str, node: ir.Node) -> None:
        """The program gave back `values`, through which a backward runs."""
        self.returned = (values, filename, node)


def _callee(function: Value) -> tuple[str, str, tuple[Value, ...]]:
    """How a call of `function` is written, what it calls and on what; no form where torch has no part in it."""
    if isinstance(function, TorchName):
        return "call", function.name, ()
    if isinstance(function, NNModule):
        return "apply", "", (function,)
    if isinstance(function, Builtin) and function.name in _NUMERIC:
        return "call", function.name, ()
    if isinstance(function, Foreign) and function.name.startswith("math."):
        return "call", function.name, ()
    if isinstance(function, Method) and isinstance(function.owner, Class):
        return "gap", function.name, ()
    if isinstance(function, Method) and isinstance(function.owner, _WITH_METHODS):
        return "method", function.name, (function.owner,)
    return "", "", ()


_WITH_METHODS: Final = (Tensor, NNModule, Instance, OptimizerValue, Distribution)


def _calls_back(values: Iterable[Value], depth: int = 0) -> bool:
    """Code of the user's may run inside a call that is given `values`."""
    return any(
        isinstance(value, Function | Bound | Class | Instance | Native)
        or (depth < _DEPTH and _calls_back(_inside(value), depth + 1))
        for value in values
    )


def _inside(value: Value) -> Iterable[Value]:
    if isinstance(value, Seq):
        return value.items
    if isinstance(value, Dict):
        return value.items.values()
    return value.children.values() if isinstance(value, NNModule) else ()


def _frozen(value: Value) -> Value:
    """`value` as it is now: containers change later."""
    if isinstance(value, Seq):
        return Seq(value.kind, [_frozen(item) for item in value.items], value.open, value.fields)
    if type(value) is Dict:
        return Dict({key: _frozen(item) for key, item in value.items.items()}, value.open)
    return value

"""Derivatives that are infinite where the value itself is harmless, so that a gradient of zero becomes NaN.

`where` passes a gradient of zero to the branch it does not take, and zero times infinity is NaN; the root of a sum of
squares has an infinite derivative at zero, which meets the zero derivative of the square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autograd_lint.events import InfiniteDerivative, Singularity, Site
from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.traces import origin
from autograd_lint.static.model.values import Const, Tensor, Value

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run

_AT_ITS_ARGUMENT: Final = frozenset(
    {"log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "acos", "asin", "acosh", "atanh"}
)
_DIVISIONS: Final = frozenset({"/", "div", "true_divide", "divide"})
_POWERS: Final = frozenset({"**", "pow"})
_CLAMPS: Final = frozenset({"clamp", "clamp_min", "clip", "relu"})
_WATCHED: Final = _AT_ITS_ARGUMENT | _DIVISIONS | _POWERS | _CLAMPS | {"where", "square", "*", "mul"}
_DEPTH: Final = 4
_MOST_NODES: Final = 24


@dataclass(slots=True)
class Singular:
    """What is known of nodes on one path, by their sequence number: where a derivative is infinite, what squares."""

    edges: dict[int, list[GraphNode | Tensor]] = field(default_factory=dict)
    squares: set[int] = field(default_factory=set)
    clamped: set[int] = field(default_factory=set)


def note_derivative(run: Run, op: str, name: str, made: GraphNode, params: Mapping[str, Value], site: Site) -> None:
    """A node was made: remember what its derivative is like, and tell of a root or a `where` that makes NaN of it."""
    if op not in _WATCHED:
        return
    known = run.singular
    first = _operand(params, "self", "input", "condition")
    other = params.get("other", params.get("exponent"))
    if op == "where":
        _judge_where(run, params, site)
    elif op in _AT_ITS_ARGUMENT:
        _remember(run, made, first)
        if op == "sqrt":
            _judge_root(run, "sqrt", first, site)
    elif op in _DIVISIONS:
        _remember(run, made, first if name.endswith("__rtruediv__") else other)
    elif op in _POWERS:
        _note_power(run, made, first, other, site)
    elif op in _CLAMPS:
        if op == "relu" or _number(params.get("min", other)) == 0:
            known.clamped.add(made.seq)
    elif op == "square" or (first is not None and first is other):
        known.squares.add(made.seq)


def _operand(params: Mapping[str, Value], *names: str) -> Value | None:
    return next((params[name] for name in names if name in params), None)


def _number(value: Value | None) -> float | None:
    if isinstance(value, Const) and isinstance(value.value, int | float):
        return float(value.value)
    return None


def _note_power(run: Run, made: GraphNode, base: Value | None, exponent: Value | None, site: Site) -> None:
    number = _number(exponent)
    if number is None:
        return
    if number == 2:
        run.singular.squares.add(made.seq)
    elif number < 1 and number != 0:
        _remember(run, made, base)
        if number == 0.5:
            _judge_root(run, "** 0.5", base, site)


def _remember(run: Run, made: GraphNode, operand: Value | None) -> None:
    if isinstance(operand, Tensor):
        run.singular.edges[made.seq] = [origin(operand)]


def _judge_root(run: Run, op: str, operand: Value | None, site: Site) -> None:
    inner = operand.node if isinstance(operand, Tensor) else None
    if inner is None or not inner.certain or not isinstance(operand, Tensor):
        return
    below = inner.edges[0] if len(inner.edges) == 1 else None
    kind = None
    if inner.seq in run.singular.clamped:
        kind = Singularity.CLAMP
    elif inner.op == "sum" and isinstance(below, GraphNode) and below.seq in run.singular.squares:
        kind = Singularity.NORM
    if kind is not None:
        run.machine.emit(InfiniteDerivative(site=site, kind=kind, op=op, name=operand.name, inner=inner.site))


def _judge_where(run: Run, params: Mapping[str, Value], site: Site) -> None:
    condition = params.get("condition")
    tested = condition.tested if isinstance(condition, Tensor) else None
    if tested is None:
        return
    looked_at = _upstream(origin(tested))
    for label in ("self", "input", "other"):
        branch = params.get(label)
        if isinstance(branch, Tensor) and branch.node is not None:
            found = _singular_below(run, branch.node, looked_at)
            if found is not None and found.certain:
                kind = Singularity.WHERE
                run.machine.emit(
                    InfiniteDerivative(site=site, kind=kind, op=found.op, name=tested.name, inner=found.site)
                )
                return


def _upstream(edge: GraphNode | Tensor) -> set[int]:
    """What the condition looks at: the tested tensor and what it was computed from in a step or two."""
    found = {id(edge)}
    level = [edge]
    for _ in range(2):
        level = [below for item in level if isinstance(item, GraphNode) for below in item.edges]
        found.update(map(id, level))
    return found


def _singular_below(run: Run, node: GraphNode, looked_at: set[int]) -> GraphNode | None:
    """An operation in the branch whose derivative is infinite at a value of what the condition looks at."""
    level: list[GraphNode] = [node]
    seen = 0
    for _ in range(_DEPTH):
        for item in level:
            if any(id(edge) in looked_at for edge in run.singular.edges.get(item.seq, ())):
                return item
        seen += len(level)
        if seen > _MOST_NODES:
            return None
        level = [edge for item in level for edge in item.edges if isinstance(edge, GraphNode)]
    return None

"""Numbers on their way outside the graph: where they left it, and what was computed from them since.

A tensor or a Python number that was computed from the graph but is no part of it carries a `Trace`. Backward passes
find the traces of what they start from; `cuts` judges, when a path ends, which gradients were lost that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autograd_lint.events import Site
from autograd_lint.facts.model import Alias, Effect
from autograd_lint.static.model.dtypes import INTEGERS
from autograd_lint.static.model.values import Seq, Tensor, Unknown, Value

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run
    from autograd_lint.static.model.machine import GraphNode
    from autograd_lint.static.syntax import ir

_CUTTING: Final = (Alias.SHARED, Alias.MEMORY)
_MOST_PARENTS: Final = 64
NUMBERS: Final = frozenset({"item", "float", "tolist"})
"""What makes plain numbers of a tensor."""
_DETACHING: Final = frozenset({"detach", "detach_", "data"})


@dataclass(slots=True, eq=False)
class Trace:
    """Where numbers come from: from other traces, and, where they left the graph here, from its `edges`.

    `how` tells by what they left it; empty where they were only computed with. `rewrapped`: a new tensor was made of
    them. `name` is the tensor that was cut. Without edges, a place tells where a plain number was made of what had left
    the graph before, or may have: a tensor that perhaps requires grad.
    """

    parents: tuple[Trace, ...] = ()
    how: str = ""
    site: Site | None = None
    edges: tuple[GraphNode | Tensor, ...] = ()
    name: str = ""
    rewrapped: bool = False


def origin(tensor: Tensor) -> GraphNode | Tensor:
    """Where a gradient of `tensor` would flow to, asked without making torch's history anew as `Machine.edge` does."""
    base = tensor.base
    if base is not None and tensor.attr_version != len(tensor.counter.writes) and base.requires_grad is not False:
        return base.node or base
    return tensor.node or tensor


def origins(tensors: Iterable[Tensor]) -> list[GraphNode | Tensor]:
    """The origin of each tensor."""
    return [origin(tensor) for tensor in tensors]


def trace_of(value: Value | None) -> Trace | None:
    """The trace of a value, or of what is in it."""
    if isinstance(value, Tensor):
        return value.trace
    if isinstance(value, Unknown):
        return value.trace or (value.tensor.trace if value.tensor is not None else None)
    return joined(value.items) if isinstance(value, Seq) else None


def joined(values: Iterable[Value]) -> Trace | None:
    """One trace for what is computed from all of `values`."""
    parents = {id(trace): trace for value in values if (trace := trace_of(value)) is not None}
    if len(parents) < 2:
        return next(iter(parents.values()), None)
    return Trace(tuple(parents.values())[:_MOST_PARENTS])


def unknown_from(*values: Value, sources: tuple[Value, ...] = (), kind: str = "") -> Unknown:
    """What was computed from `values`, and is not known otherwise."""
    result = Unknown(sources, kind=kind)
    trace = joined(values)
    result.trace = trace if trace is None or kind == "number" else Trace((trace,))
    return result


def leave(run: Run, tensors: Iterable[Tensor], how: str, node: ir.Node, *, rewrapped: bool = False) -> Trace | None:
    """The trace of numbers taken out of `tensors` here; a cut where one of them is in the graph."""
    machine = run.machine
    tensors = list(tensors)
    before = joined(tensors)
    lost = [t for t in tensors if machine.requires(t)]
    if not lost:
        again = how in NUMBERS and before is not None and _was_detached(before)
        return Trace((before,), how, run.site(node), (), tensors[0].name) if again and before is not None else before
    run.traced = True
    parents = () if before is None else (before,)
    return Trace(parents, how, run.site(node), tuple(origins(lost)), lost[0].name, rewrapped)


def _was_detached(trace: Trace) -> bool:
    """The numbers are those of a tensor whose graph was cut off by name, or were computed from them alone."""
    while trace.site is None and len(trace.parents) == 1:
        trace = trace.parents[0]
    return trace.how.rpartition(".")[2] in _DETACHING


def loses(run: Run, effect: Effect) -> bool:
    """Whether what an operation without a node gives may be cut from the graph of its operands."""
    modes = run.machine.modes
    if modes.grad is False and modes.off is not None:
        return True
    return bool(effect.outputs) and effect.outputs[0].alias in _CUTTING


def carry(
    run: Run,
    op: str,
    effect: Effect,
    params: Mapping[str, Value],
    operands: Mapping[str, list[Tensor]],
    made: GraphNode | None,
    outputs: list[Tensor],
    site: Site,
) -> None:
    """Hand the traces of the operands on to the node of an operation, or to what it gives and writes without one."""
    parents = tuple(trace for value in params.values() if (trace := trace_of(value)) is not None)
    if made is not None:
        made.traces.extend(parents)
        if made.certain:
            return
    flat = {id(t): t for group in operands.values() for t in group}
    trace = _cut_here(run, op, effect, parents, flat.values(), site) if made is None else None
    if trace is None and parents:
        trace = Trace(parents)
    if trace is None:
        return
    run.traced = True
    for output in outputs:
        if output.dtype not in INTEGERS and id(output) not in flat:
            output.trace = trace
    for label in effect.written:
        for tensor in operands.get(label, ()):
            _written(run, tensor, trace)


def cuts_of(traces: Iterable[Trace]) -> Iterator[Trace]:
    """The places where the numbers of `traces` left the graph, nearest first."""
    seen: set[int] = set()
    waiting = list(traces)
    for trace in waiting:
        if id(trace) not in seen:
            seen.add(id(trace))
            waiting.extend(trace.parents)
            if trace.site is not None and trace.edges:
                yield trace


def first_cut(trace: Trace | None) -> Trace | None:
    """The place where numbers left the graph, the one nearest to where they are."""
    return None if trace is None else next(cuts_of((trace,)), None)


def carry_write(run: Run, tensor: Tensor, values: Iterable[Value], made: GraphNode | None) -> None:
    """Hand the traces of what was written into part of `tensor` on, to its node or to the tensor."""
    trace = joined(values)
    if trace is None:
        return
    if made is not None:
        made.traces.append(trace)
    else:
        _written(run, tensor, trace)


def _cut_here(
    run: Run, op: str, effect: Effect, parents: tuple[Trace, ...], tensors: Iterable[Tensor], site: Site
) -> Trace | None:
    machine = run.machine
    tensors = list(tensors)
    lost = [t for t in tensors if machine.requires(t)]
    if not lost or not effect.outputs:
        maybe = op.rpartition(".")[2] in _DETACHING and any(t.node is not None for t in tensors)
        return Trace(parents, op, site, (), tensors[0].name) if maybe else None
    edges = tuple(origins(lost))
    if effect.outputs[0].alias in _CUTTING:
        return Trace(parents, op, site, edges, lost[0].name)
    if machine.modes.grad is False and machine.modes.off is not None:
        return Trace(parents, "no_grad", machine.modes.off, edges)
    return None


def _written(run: Run, tensor: Tensor, trace: Trace) -> None:
    """What is written into a plain tensor stays in it; a parameter that is set by hand is a beginning of its own."""
    if run.machine.requires(tensor) is False:
        for whole in (tensor, tensor.base) if tensor.base is not None else (tensor,):
            whole.trace = trace if whole.trace is None else Trace((whole.trace, trace))

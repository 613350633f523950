"""What is kept from round to round: values with their graph, and state dicts that alias live weights.

A round is one of a loop, or one call of a method that trains, for which its object keeps something.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from autograd_lint.events import GraphKept, Site, StateKept, TensorRef
from autograd_lint.static.interpret.peek import peek, terms
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import (
    Const,
    Dict,
    Instance,
    LoopStack,
    NNModule,
    OptimizerValue,
    Seq,
    StateDict,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.model.watch import Kept
from autograd_lint.static.operations.registered import parameters_of
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.patterns.testing import in_test
from autograd_lint.static.syntax import ir

_MOST: Final = 16
"""So many records are kept for one place."""

# ------------------------------------------------------------------- graphs


def note_added(run: Run, node: ir.Node, target: ir.Expr, old: Value, value: ir.Expr, result: Value) -> None:
    """`target = old + value` in a loop: is `old` the sum of an earlier round, and was what it holds used up?"""
    if run.machine.modes.grad is False or isinstance(result, Const | Seq):
        return
    records = run.watch.kept.setdefault(id(node), [])
    for record in records:
        if record.result is old and record.loops != run.machine.loops:
            _judge(run, record, added=True)
    _remember(run, records, node, describe(target), tuple(terms(run, value)), result, result)


def note_appended(run: Run, node: ir.Node, holder: Seq | Dict, value: Value, expr: ir.Expr) -> None:
    """`holder.append(value)` or `holder[key] = value` in a loop, where `holder` was made outside it."""
    loops = run.machine.loops
    if run.machine.modes.grad is False:
        return
    if not loops:
        _note_left(run, node, holder, value, tuple(_elements(run, expr)), holder)
        return
    if holder.loops == loops:
        return
    records = run.watch.kept.setdefault(id(node), [])
    held = holder.items if isinstance(holder, Seq) else holder.items.values()
    for record in records:
        still = not record.placed or any(item is record.value for item in held)
        if record.result is holder and record.loops != loops and still:
            _judge(run, record, added=False)
    name = describe(node.func.base) if isinstance(node, ir.Call) and isinstance(node.func, ir.Attr) else describe(node)
    parts = tuple(_elements(run, expr)) or (value,)
    kept = _remember(run, records, node, name, parts, value, holder)
    if kept is not None:
        kept.placed = isinstance(holder, Seq) or any(item is value for item in held)


def note_owned_sum(run: Run, node: ir.AugAssign, old: Value, result: Value) -> None:
    """`self.total += loss`, outside loops."""
    if run.machine.modes.grad is not False and not isinstance(result, Const | Seq):
        _note_left(run, node, old, result, tuple(terms(run, node.value)), result)


def _note_left(
    run: Run, node: ir.Node, inherited: Value, value: Value, parts: tuple[Value, ...], holder: Value
) -> None:
    """The object whose method is the program, and that had `inherited` before, keeps `parts` for later calls."""
    own = isinstance(run.owner, Instance) and any(item is inherited for item in run.watch.inherited)
    record = _record(run, node, parts, value, holder) if own else None
    if record is not None:
        run.awaited.append(lambda: _left_with_graph(run, record, added=isinstance(node, ir.AugAssign)))


def _left_with_graph(run: Run, record: Kept, *, added: bool) -> GraphKept | None:
    """The method ends, and a backward of its own has been through the graph of what the object keeps."""
    held = run.owner.attrs.items() if isinstance(run.owner, Instance) else ()
    name = next((name for name, value in held if value is record.result), "")
    if not name or record.late:
        return None
    for part in record.parts:
        backward = _backed(run, part)
        if backward is not None:
            ref = run.machine.ref(part) if isinstance(part, Tensor) else TensorRef(getattr(part, "name", ""))
            name = f"self.{name}"
            return GraphKept(site=record.site, value=ref, holder=name, added=added, backward=backward, called=True)
    return None


def _elements(run: Run, expr: ir.Expr) -> Iterable[Value]:
    if isinstance(expr, ir.Sequence):
        for part in expr.elts:
            yield from terms(run, part)
    elif isinstance(expr, ir.DictExpr):
        for _, part in expr.items:
            yield from terms(run, part)
    else:
        for value in terms(run, expr):
            yield from value.items.values() if isinstance(value, Dict) else (value,)


def _remember(
    run: Run, records: list[Kept], node: ir.Node, holder: str, parts: tuple[Value, ...], value: Value, result: Value
) -> Kept | None:
    record = _record(run, node, parts, value, result, holder) if len(records) < _MOST else None
    if record is not None:
        records.append(record)
    return record


def _record(
    run: Run, node: ir.Node, parts: tuple[Value, ...], value: Value, result: Value, holder: str = ""
) -> Kept | None:
    graphs = tuple(part for part in parts if _may_have_graph(part))
    if not graphs or in_test(run):
        return None
    return Kept(run.site(node), run.machine.loops, holder, graphs, value, result, run.machine.failed)


def _may_have_graph(value: Value) -> bool:
    if isinstance(value, Tensor):
        return value.node is not None and value.node.certain
    return isinstance(value, Unknown) and value.kind != "number"


def _judge(run: Run, record: Kept, *, added: bool) -> None:
    """A later round finds what `record` kept: a backward has been through it, and not through the sum."""
    if record.told or (added and _backed(run, record.result) is not None):
        return
    for part in record.parts:
        own = _backed(run, part) or _retained(part)
        backward = own or next(filter(None, (_backed(run, inner) for inner in _parts(part))), None)
        if backward is None:
            continue
        record.told = True
        ref = run.machine.ref(part) if isinstance(part, Tensor) else TensorRef(getattr(part, "name", ""))
        event = GraphKept(
            site=record.site, value=ref, holder=record.holder, added=added, inside=own is None, backward=backward
        )
        if _retained(part) is None:
            run.machine.events.append((event, record.late))
        else:  # a backward that comes later may use the graph
            run.awaited.append(lambda e=event, p=part: e if _retained(p) is not None else None)  # type: ignore[misc]
        return


def _backed(run: Run, value: Value) -> Site | None:
    """The backward that has been through the graph of `value` and freed it."""
    if isinstance(value, Tensor):
        return value.node.freed if value.node is not None else None
    known = run.watch.backed.get(id(value))
    return known[2] if known is not None else None


def _retained(value: Value) -> Site | None:
    """The only backward that has been through the graph of `value`, and left it as it was."""
    node = value.node if isinstance(value, Tensor) else None
    return node.kept[0] if node is not None and node.freed is None and len(node.kept) == 1 else None


def _parts(value: Value) -> Iterable[Value]:
    """What was read from an unknown value by index or name: `output["loss"]`, `output.loss`."""
    return list((value.attrs or {}).values()) if type(value) is Unknown else ()


# ---------------------------------------------------------------- state dicts


def state_dict(run: Run, owner: Value, node: ir.Node) -> StateDict:
    """`owner.state_dict()`: its tensors are the live ones."""
    loops = run.machine.loops
    result = StateDict({}, open=True, loops=loops, owner=owner, site=run.site(node))
    result.conditional = bool(loops) and loops in run.branches
    run.watch.states.append(result)
    if result.conditional and isinstance(run.owner, Instance):
        run.awaited.append(lambda: _left_in_owner(run, result))
    return result


def _left_in_owner(run: Run, state: StateDict) -> StateKept | None:
    """The path ends, and the object whose method it was keeps a state dict for others that was given to nobody yet."""
    held = run.owner.attrs.items() if isinstance(run.owner, Instance) else ()
    name = next((name for name, value in held if value is state), "")
    stepped = _stepped_around(run, state) if name and not state.told else None
    if stepped is None or state.site is None or any(value is state for value in run.given):
        return None
    owner = state.owner.name if isinstance(state.owner, Unknown) else ""
    return StateKept(site=state.site, name=f"self.{name}", owner=owner, stepped=stepped)


def note_stepped(run: Run, site: Site, optimizer: Value) -> None:
    """Weights were written: state dicts of them hold other values now."""
    watch = run.watch
    if watch.states or run.machine.loops:
        watch.steps.append((optimizer, run.machine.loops, site))
    for state in watch.states:
        if state.stepped is None and _writes(run, optimizer, state.owner):
            state.stepped = site


def _writes(run: Run, optimizer: Value, owner: Value | None) -> bool:
    """The optimizer steps the weights of `owner`; one that is not known does when it is the only one."""
    if isinstance(optimizer, OptimizerValue) and isinstance(owner, NNModule | Instance):
        ours = {id(t) for t in parameters_of(owner)}
        return any(id(t) in ours for t in optimizer.params)
    return all(other is optimizer for other, _, _ in run.watch.steps)


def note_state_read(run: Run, state: StateDict, node: ir.Node) -> None:
    """A state dict is read by the name it is kept under."""
    stepped = state.stepped or _stepped_around(run, state)
    if stepped is None or state.site is None or state.told:
        return
    state.told = True
    owner = state.owner.name if isinstance(state.owner, Unknown) else ""
    event = StateKept(site=state.site, name=describe(node), owner=owner, stepped=stepped, read=run.site(node))
    run.machine.emit(event)


def _stepped_around(run: Run, state: StateDict) -> Site | None:
    """Kept on a condition in a loop that goes on training, and read outside the round."""
    loops, watch = state.loops, run.watch
    if not state.conditional or run.machine.loops[: len(loops)] == loops:
        return None
    if len({s.loops for s in watch.states if s.owner is state.owner and _same_site(s, state)}) < 2:
        return None
    for optimizer, at, site in watch.steps:
        if _same_loop(at, loops) and _writes(run, optimizer, state.owner):
            return site
    return next((site for value, at, site in watch.handed if value is state.owner and _same_loop(at, loops)), None)


def _same_site(one: StateDict, other: StateDict) -> bool:
    return one.site is not None and other.site is not None and one.site.key == other.site.key


def _same_loop(inner: LoopStack, loops: LoopStack) -> bool:
    """`inner` is in some round of the innermost loop of `loops`."""
    depth = len(loops)
    return len(inner) >= depth and inner[: depth - 1] == loops[:-1] and inner[depth - 1][0] == loops[-1][0]


def note_assigned_sum(run: Run, node: ir.Assign, result: Value) -> None:
    """`total = total + loss`, in a loop."""
    value = node.value
    if type(value) is not ir.BinOp or value.op != "+" or len(node.targets) != 1:
        return
    name = describe(node.targets[0])
    if name and describe(value.left) == name:
        old = peek(run, value.left)
        if old is not None:
            note_added(run, node, node.targets[0], old, value.right, result)

"""Backward passes over the abstract graph: what they need, what they free, and the gradients they leave.

Follows torch's engine (torch/csrc/autograd/engine.cpp): every reachable node runs, later ones first; a node unpacks all
it saved, so a freed or a changed saved tensor raises there; leaves accumulate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from autograd_lint.events import Accumulation, Backward, Failure, How, Refusal, Site, Stale, TensorRef
from autograd_lint.static.model.machine import GraphNode, Machine, WriteRecord
from autograd_lint.static.model.order import Order
from autograd_lint.static.model.saved import SavedRecord
from autograd_lint.static.model.silent import certainly_wrong, follows_reseating
from autograd_lint.static.model.traces import Trace, first_cut
from autograd_lint.static.model.values import NONE, Const, Tensor, Tri, Unknown
from autograd_lint.static.shapes import layout as layouts


@dataclass(slots=True, eq=False)
class Pass:
    """One backward pass that may still learn what became of the graph it kept."""

    event: Backward
    nodes: frozenset[int] = frozenset()
    late: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a pass led: the `leaves` it gave gradients, and the `traces` of numbers it met that the graph does not."""

    request: Request
    traces: tuple[Trace, ...]
    leaves: tuple[Tensor, ...]


@dataclass(slots=True, eq=False)
class Gradients:
    """What backward passes did so far along one path.

    Leaves by `id`: `fed` got a gradient, `held` are in an optimizer, `read` had their `.grad` read,
    `missed` were found without a gradient where one
    was wanted: by a step (True) or a read. `reached` tells what numbers passes hang on, `ran` which
    nodes were run.
    """

    passes: list[Pass] = field(default_factory=list)
    steps: list[tuple[int, Site]] = field(default_factory=list)
    clock: int = 0
    touched: list[Tensor] = field(default_factory=list)
    retained: list[Tensor] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)
    ran: list[GraphNode] = field(default_factory=list)
    fed: dict[int, Tensor] = field(default_factory=dict)
    held: dict[int, Tensor] = field(default_factory=dict)
    read: dict[int, Tensor] = field(default_factory=dict)
    missed: dict[int, tuple[Site, bool]] = field(default_factory=dict)
    order: Order = field(default_factory=Order)


@dataclass(frozen=True, slots=True)
class Request:
    """What a call asks of the engine. `inputs` limits where gradients go; `accumulate` False for `autograd.grad`."""

    site: Site
    roots: tuple[Tensor, ...]
    names: tuple[str, ...]
    seeded: bool
    retain: bool | None
    create: bool
    retain_site: Site | None = None
    handed_on: bool = False
    inputs: tuple[Tensor, ...] | None = None
    accumulate: bool = True
    known: bool = True
    name: str = "backward"


def run_backward(machine: Machine, gradients: Gradients, request: Request) -> dict[int, Tensor]:
    """Run a backward pass; the gradients by `id` of the tensor they belong to.

    Raises TorchError (through `machine.fail`) where torch raises.
    """
    gradients.clock += 1
    event = _event(machine, request)
    failure = _refused_root(machine, request, event)
    if failure is not None:
        _finish(machine, gradients, failure, frozenset())
        machine.fail()
        return {}
    order, leaves = _reach(machine, request)
    gradients.ran.extend(order)
    _note_traces(machine, gradients, request, order, leaves)
    faults = _first_fault(machine, order, request, event)
    nodes = frozenset(id(n) for n in order)
    if faults is not None:
        event, fatal = faults
        _finish(machine, gradients, event, nodes)
        if fatal:
            machine.fail()
    else:
        if request.known and not request.seeded and request.roots[0].unreduced:
            event = replace(event, failure=Failure.NON_SCALAR, certain=False)
        _finish(machine, gradients, event, nodes)
        _run_again(order, request)
    _note_reuse(gradients, order, request)
    keeps = request.retain if request.retain is not None else request.create
    for node in order:
        if keeps:
            node.kept.append(request.site)
        elif node.freed is None:
            node.freed = request.site
            node.freed_certain = request.known
    results = _deliver(machine, gradients, request, order, leaves)
    _deliver_retained(machine, gradients, request, nodes)
    return results


def _run_again(order: Sequence[GraphNode], request: Request) -> None:
    """What reentrant checkpoints stand for is executed once more, and differentiated."""
    for node in order if request.known else ():
        if node.again is not None:
            node.again(request.site)


def _event(machine: Machine, request: Request) -> Backward:
    root = request.roots[0]
    layout = root.layout
    return Backward(
        site=request.site,
        root=machine.ref(root, request.names[0]),
        call=request.name,
        retain_graph=request.retain is True and request.retain_site is not None,
        retain=request.retain_site,
        handed_on=request.handed_on,
        create_graph=request.create,
        shape=layout.shape if layout else None,
        scalar=None if layout is None else layout.numel == 1,
        in_loop=bool(machine.loops),
    )


def _refused_root(machine: Machine, request: Request, event: Backward) -> Backward | None:
    if not request.known:
        return None
    requires = [machine.requires(root) for root in request.roots]
    if not request.seeded:
        for root, wants in zip(request.roots, requires, strict=True):
            if wants and root.layout is not None and root.layout.numel != 1:
                return replace(event, failure=Failure.NON_SCALAR, shape=root.layout.shape, root=machine.ref(root))
    for root in (*request.roots, *((request.inputs or ()) if not request.accumulate else ())):
        if machine.edge(root) is None and not root.numpy:
            return _without_graph(machine, root, event)
    return None


def _without_graph(machine: Machine, root: Tensor, event: Backward) -> Backward:
    event = replace(event, failure=Failure.NO_GRAPH, root=machine.ref(root), shared=root.site)
    cut = first_cut(root.trace)
    if cut is None or cut.site is None:
        return event
    return replace(event, shared=cut.site, explanation=f"`{cut.how}` cuts it off")


def _note_traces(
    machine: Machine, gradients: Gradients, request: Request, order: Sequence[GraphNode], leaves: Sequence[Tensor]
) -> None:
    traces = [trace for node in order for trace in node.traces]
    traces.extend(root.trace for root in request.roots if root.trace is not None)
    if machine.expecting or machine.failed:
        return
    revived = any(t.revived is not None for t in (*leaves, *request.roots))
    if traces or revived:
        gradients.reached.append(Reached(request, tuple(traces), tuple(leaves)))


def _finish(machine: Machine, gradients: Gradients, event: Backward, nodes: frozenset[int]) -> None:
    if not machine.expecting:
        gradients.passes.append(Pass(event, nodes, machine.failed, gradients.clock))


def _reach(machine: Machine, request: Request) -> tuple[list[GraphNode], list[Tensor]]:
    """The nodes that run, later ones first, and the leaves that get a gradient."""
    nodes: dict[int, GraphNode] = {}
    leaves: dict[int, Tensor] = {}
    stack: list[GraphNode | Tensor] = machine.edges(request.roots)
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor):
            if item.requires_grad is not False:
                leaves[id(item)] = item
        elif id(item) not in nodes:
            nodes[id(item)] = item
            stack.extend(item.edges)
    order = sorted(nodes.values(), key=lambda n: -n.seq)
    if request.inputs is None:
        return order, list(leaves.values())
    wanted = _leading_to(machine, order, request.inputs)
    return wanted, [leaf for leaf in leaves.values() if leaf in request.inputs]


def _leading_to(machine: Machine, order: Sequence[GraphNode], inputs: Sequence[Tensor]) -> list[GraphNode]:
    targets = {id(edge) for edge in machine.edges(inputs)}
    leading: set[int] = set()
    for node in reversed(order):
        if any(id(edge) in targets or id(edge) in leading for edge in node.edges):
            leading.add(id(node))
    return [node for node in order if id(node) in leading]


def _first_fault(
    machine: Machine, order: Sequence[GraphNode], request: Request, event: Backward
) -> tuple[Backward, bool] | None:
    """The event with the failure torch meets first, and whether it surely raises; None when nothing is wrong."""
    arriving = _arriving_grads(order, request)
    for node in _as_run(order):
        if node.freed is not None and node.frees is not False:
            certain = (node.frees is True and node.certain and node.freed_certain and request.known) or False
            if certain:
                return _twice(machine, node, request, event), True
            continue
        if node.overlapping is not None and node.certain and request.known:
            if node.overlapping.refusal is None and not machine.failed:
                node.overlapping.refusal = Refusal.OVERLAP
            return event, True
        if not node.derivative and node.certain and request.known:
            return replace(event, failure=Failure.NOT_IMPLEMENTED, shared=node.site, shared_by=node.op), True
        for saved in node.saved:
            if arriving and node.seq < arriving.get(id(saved.counter), -1):
                _blame_arrival(machine, node, saved, request)
            if _stale(machine, node, saved, request):
                return event, True
    return None


def _as_run(order: Sequence[GraphNode]) -> Sequence[GraphNode]:
    """The nodes in the order in which they run: those without a derivative have the highest priority once ready."""
    if all(node.derivative for node in order):
        return order
    last = {id(edge): place for place, node in enumerate(order) for edge in node.edges}
    places = {id(node): place if node.derivative else last.get(id(node), -1) for place, node in enumerate(order)}
    return sorted(order, key=lambda node: (places[id(node)], not node.derivative))


def _arriving_grads(order: Sequence[GraphNode], request: Request) -> dict[int, int]:
    """The gradients that this pass adds into, by their counter, and the node after which it does.

    A leaf accumulates as soon as all that leads to it has run, before earlier nodes run: one that saved the leaf's
    `.grad` finds it changed (`AccumulateGrad` has the highest priority in torch's engine).
    """
    last: dict[int, tuple[Tensor, int]] = {}
    if not request.accumulate or request.create:
        return {}
    for node in order:
        for edge in node.edges:
            if isinstance(edge, Tensor) and type(edge.grad) is Tensor and edge.requires_grad is True:
                last[id(edge)] = (edge, node.seq)
    return {id(leaf.grad.counter): seq for leaf, seq in last.values() if type(leaf.grad) is Tensor}


def _blame_arrival(machine: Machine, node: GraphNode, saved: SavedRecord, request: Request) -> None:
    record = WriteRecord(
        site=request.site,
        how=How.METHOD,
        op=request.name,
        target=machine.ref(saved.tensor),
        tensor=saved.tensor,
        value_in_graph=False,
        grad_enabled=False,
        certain=request.known,
    )
    machine.keep(record)
    saved.counter.writes.append((record, True))


def _twice(machine: Machine, node: GraphNode, request: Request, event: Backward) -> Backward:
    carried = False
    if node.freed is not None and node.freed.key == request.site.key and machine.loops:
        carried = _same_loop_earlier_round(node, machine)
    return replace(
        event, failure=Failure.TWICE, freed=node.freed, shared=node.site, shared_by=node.op, loop_carried=carried
    )


def _same_loop_earlier_round(node: GraphNode, machine: Machine) -> bool:
    for ours, theirs in zip(machine.loops, node.loops, strict=False):
        if ours[0] != theirs[0]:
            return False
        if ours[1] != theirs[1]:
            return True
    return False


def _stale(machine: Machine, node: GraphNode, saved: SavedRecord, request: Request) -> bool:
    """Note on the guilty write that `saved` changed; True when torch surely raises."""
    if machine.modes.mutation_allowed:
        return False
    detached = saved.tensor.detached
    if detached is not None and saved.non_leaf and not saved.result:
        certain = saved.certain and node.certain and request.known
        _blame(machine, detached, node, saved, request, certain=certain, silent=False)
        return certain
    moved = saved.counter.writes[saved.version :]
    if moved:
        if _is_refused_view(machine, node, saved, request):
            return True
        record, certain = next((m for m in moved if m[1] and m[0].certain), moved[0])
        certain = certain and record.certain and saved.certain and node.certain and request.known
        _blame(machine, record, node, saved, request, certain=certain, silent=False)
        return certain
    silent = [
        m
        for m in saved.memory.writes[saved.memory_version :]
        if m[0].changes and (not m[0].bumps or m[0].tensor.counter is not saved.counter)
    ]
    if silent:
        record, certain = silent[0]
        certain = certain and record.certain and saved.certain and node.certain and request.known
        certain = certain and certainly_wrong(node)
        _blame(machine, record, node, saved, request, certain=certain, silent=True)
    elif saved.tensor.memory is not saved.memory and saved.tensor.reseated is not None:
        record = saved.tensor.reseated
        certain = record.certain and saved.certain and node.certain and follows_reseating(node, saved)
        certain = certain and certainly_wrong(node)
        _blame(machine, record, node, saved, request, certain=certain, silent=True)
    return False


def _is_refused_view(machine: Machine, node: GraphNode, saved: SavedRecord, request: Request) -> bool:
    """Before it looks at versions, torch asks what was saved for its history, which not every written view has."""
    base = saved.tensor.base
    if base is None or saved.result or not (saved.certain and node.certain and request.known):
        return False
    return machine.refuses_view(saved.tensor, base) is True


def _blame(
    machine: Machine,
    record: WriteRecord,
    node: GraphNode,
    saved: SavedRecord,
    request: Request,
    *,
    certain: bool,
    silent: bool,
) -> None:
    if machine.failed or machine.expecting or (record.stale is not None and (record.stale_certain or not certain)):
        return
    record.stale_certain = certain
    record.stale = Stale(
        saved=node.site,
        saved_by=node.op,
        saved_name=saved.name or (saved.tensor.name if saved.result else ""),
        needed=request.site,
        needed_implied=request.name == "return",
        silent=silent,
        saved_result=saved.result,
        version_saved=saved.version,
        version_found=saved.counter.version,
    )


def needed_by_return(machine: Machine, request: Request) -> None:
    """Note which saved tensors of a graph that leaves its function have changed.

    Of a graph that is not known to exist, only what was surely saved and changed if it does.
    """
    order, _ = _reach(machine, request)
    for node in order:
        if node.freed is not None:
            continue
        for saved in node.saved:
            if (request.known or _surely_changed(saved)) and _stale(machine, node, saved, request):
                return


def _surely_changed(saved: SavedRecord) -> bool:
    return saved.sure and any(certain and record.certain for record, certain in saved.counter.writes[saved.version :])


def _note_reuse(gradients: Gradients, order: Iterable[GraphNode], request: Request) -> None:
    """Tell earlier passes that kept the graph that this one used it."""
    keepers = {site.key for node in order if node.frees is not False for site in node.kept}
    if not keepers:
        return
    current = gradients.passes[-1] if gradients.passes else None
    for earlier in gradients.passes:
        if earlier is current or earlier.event.site.key not in keepers or not earlier.event.retain_graph:
            continue
        stepped = next((site for clock, site in gradients.steps if clock >= earlier.number), None)
        event = earlier.event
        if request.site not in event.reused:
            earlier.event = replace(
                event,
                reused=(*event.reused, request.site),
                reused_roots=(*event.reused_roots, request.names[0]),
                reused_scalars=(*event.reused_scalars, _is_scalar(request.roots[0])),
                stepped=event.stepped or (stepped if not event.reused else None),
            )


def _is_scalar(tensor: Tensor) -> Tri:
    return None if tensor.layout is None else tensor.layout.numel == 1


# ----------------------------------------------------------------- gradients


def _deliver(
    machine: Machine, gradients: Gradients, request: Request, order: Sequence[GraphNode], leaves: Sequence[Tensor]
) -> dict[int, Tensor]:
    """Put the gradients where they belong; for `autograd.grad` only return them."""
    graph = _gradient_graph(machine, request, order, leaves) if request.create else None
    targets: dict[int, Tensor] = {id(leaf): leaf for leaf in leaves}
    reached = {id(edge) for node in order for edge in node.edges} | {id(node) for node in order}
    reached |= {id(edge) for edge in machine.edges(request.roots)}
    for tensor in request.inputs or ():
        edge = machine.edge(tensor)
        if edge is None or id(edge) in reached:
            targets[id(tensor)] = tensor
    results = {key: _gradient(machine, request, tensor, graph) for key, tensor in targets.items()}
    if not (request.accumulate or request.create):
        trace = _without_graph_of_their_own(request, order)
        for gradient in results.values():
            gradient.trace = trace
    gradients.fed.update(targets)
    for key, tensor in targets.items():
        if request.accumulate:
            _accumulate(machine, gradients, request, tensor, results[key])
        elif not tensor.hooks:
            _shape_gradient(machine, request, results[key], _arrival(order, machine.edge(tensor)))
    return results


def _deliver_retained(machine: Machine, gradients: Gradients, request: Request, nodes: frozenset[int]) -> None:
    """Give non-leaf tensors with `retain_grad` their gradient."""
    for tensor in gradients.retained if request.accumulate else ():
        if tensor.node is not None and id(tensor.node) in nodes:
            _accumulate(machine, gradients, request, tensor, _gradient(machine, request, tensor, None))


def _gradient(machine: Machine, request: Request, owner: Tensor, graph: GraphNode | None) -> Tensor:
    result = machine.tensor(request.site)
    result.layout = owner.layout
    result.dtype = owner.dtype
    result.grad_owner = owner
    result.loops = ()
    if owner.name:
        result.name = f"{owner.name}.grad"
    if graph is not None:
        result.node = graph
        result.requires_grad = None if not graph.certain else True
    return result


def _shape_gradient(machine: Machine, request: Request, gradient: Tensor, arrival: tuple[bool, bool]) -> None:
    """A gradient that is a view was made so by the engine, without grad mode unless it must have a graph."""
    viewed, spread = arrival
    if spread:
        gradient.layout = layouts.spread(gradient.layout)
    if viewed and not request.create:
        hidden = machine.tensor(request.site)
        hidden.memory, hidden.counter, hidden.layout = gradient.memory, gradient.counter, gradient.layout
        gradient.base, gradient.view_kind, gradient.view_site = hidden, "no_grad", request.site


def _arrival(order: Sequence[GraphNode], edge: GraphNode | Tensor | None) -> tuple[bool, bool]:
    """Whether the gradient that arrives at `edge` is a view, and whether it is one value expanded, as from `sum`."""
    arriving = [node for node in order for target in node.edges if target is edge]
    if len(arriving) != 1:
        return False, False
    node = arriving[0]
    if any(target is edge for target in node.spread):
        return True, True
    if any(target is edge for target in node.hands_on):
        return _arrival(order, node)
    return (True, _arrival(order, node)[1]) if node.reshapes else (False, False)


def _gradient_graph(
    machine: Machine, request: Request, order: Sequence[GraphNode], leaves: Sequence[Tensor]
) -> GraphNode | None:
    """The node that stands for the graph of the gradients; it may need what the executed nodes saved.

    None when the gradients are constants: no operation on the way has a derivative that hangs on anything.
    """
    higher = {node.higher if node.certain else None for node in order if node.edges}
    if higher <= {False} and not request.seeded:
        return None
    edges: list[GraphNode | Tensor] = [*leaves]
    for node in order:
        if node.higher is not False:  # of what it saved the gradient is computed; of what no tensor shows, from all
            edges.extend(machine.edges(s.tensor for s in node.saved) if node.saved else node.edges)
    graph = machine.node("backward", request.site, edges, frees=True)
    graph.certain = True in higher and all(root.requires_grad is True for root in request.roots)
    for node in order:
        for saved in node.saved:
            graph.saved.append(replace_saved(saved, certain=saved.certain and saved.result))
    return graph


def _without_graph_of_their_own(request: Request, order: Sequence[GraphNode]) -> Trace | None:
    """The trace of gradients computed without `create_graph`, where with it they would hang on leaves."""
    if not any(node.higher and node.certain for node in order if node.edges):
        return None
    leaves = {id(edge): edge for node in order for edge in node.edges if isinstance(edge, Tensor)}
    return Trace((), request.name, request.site, tuple(leaves.values()), request.names[0])


def replace_saved(saved: SavedRecord, *, certain: bool) -> SavedRecord:
    """The same tensor saved again as it is now."""
    return SavedRecord(
        saved.tensor,
        saved.counter,
        saved.version,
        saved.memory,
        saved.memory_version,
        saved.name,
        saved.result,
        certain,
        non_leaf=saved.non_leaf,
    )


def _accumulate(machine: Machine, gradients: Gradients, request: Request, tensor: Tensor, gradient: Tensor) -> None:
    surely = tensor.requires_grad is True and request.known
    old = tensor.grad
    if type(old) is Tensor:
        _add_into(machine, request, tensor, old)
    elif type(old) is Const and old is NONE and surely:
        tensor.grad = gradient
    else:
        tensor.grad = Unknown(kind="tensor" if surely else "")
    gradients.touched.append(tensor)
    if not request.known:
        tensor.grad_passes.clear()
        return
    if tensor.grad_passes and type(old) is Tensor and surely and not machine.expecting:
        _note_sum(machine, request.site, tensor)
    tensor.grad_passes.append(request.site)


def _note_sum(machine: Machine, site: Site, tensor: Tensor) -> None:
    """A pass adds to a gradient; rather told of is one that adds to what a step has used of its own."""
    if tensor.grad_stepped is None:
        return
    used, told = {earlier.key for earlier in tensor.grad_passes[: tensor.grad_used]}, tensor.grad_sum
    if told is not None and (told.site.key in used or site.key not in used):
        return
    leaf = TensorRef(tensor.name, leaf=tensor.node is None, parameter=tensor.parameter, made=tensor.site)
    tensor.grad_sum = Accumulation(
        site=site,
        first=tensor.grad_passes[0],
        leaf=leaf,
        stepped=tensor.grad_stepped,
        by_hand=tensor.grad_by_hand,
        in_loop=bool(machine.loops),
    )


def _add_into(machine: Machine, request: Request, owner: Tensor, gradient: Tensor) -> None:
    """Torch adds in place into an existing gradient, unless the sum must have a graph."""
    if request.create:
        owner.grad = _gradient(machine, request, owner, None)
        return
    record = WriteRecord(
        site=request.site,
        how=How.METHOD,
        op=request.name,
        target=machine.ref(gradient, f"{owner.name}.grad" if owner.name else ""),
        tensor=gradient,
        value_in_graph=False,
        grad_enabled=False,
        certain=request.known,
    )
    machine.keep(record)
    gradient.memory.writes.append((record, True))
    gradient.counter.writes.append((record, True))


def forget_gradient(tensor: Tensor, value: Tri) -> None:
    """The gradient was cleared: by None (`value` False), to zeros (True), or perhaps (None)."""
    tensor.grad_passes.clear()
    tensor.grad_reads = 0
    tensor.grad_clears += 1
    tensor.grad_stepped, tensor.grad_used, tensor.grad_by_hand = None, 0, False
    tensor.grad_sum = None
    tensor.grad_differenced = False
    if value is False:
        tensor.grad = NONE
    elif value is None and tensor.grad is not NONE:
        tensor.grad = Unknown()

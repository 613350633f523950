"""Networks that are not known: what steps between a forward and its backward, and what is carried from round to round.

What `parameters()` is asked of and given to an optimizer is a network. The result of calling it stands for the
parameters that were used; whatever is computed from it needs them as they were. A result that is given back to the
network in the next round of a loop brings its graph along. Nothing learned so is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autograd_lint.events import Backward, Failure, How, Site, Stale, TensorRef, Write
from autograd_lint.static.model.values import Dict, LoopStack, Seq, Tensor, Unknown, Value

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Args, Run

_CUTTING: Final = frozenset({"detach", "item", "numpy", "tolist"})
"""Methods whose result has no graph."""
_ASKED: Final = frozenset({"parameters", "train", "eval", "zero_grad", "state_dict", "load_state_dict"})
"""Attributes of a Module and hardly of anything else that is called."""
_DEPTH: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """A call of a network; `mark` stands for its result among the sources of what is computed from it.

    `given` are the calls whose results it was given back.
    """

    network: Unknown
    name: str
    site: Site
    loops: LoopStack
    clock: int
    mark: Tensor
    given: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class NetworkStep:
    """A step of an optimizer that holds parameters of `networks`."""

    networks: tuple[Unknown, ...]
    site: Site
    loops: LoopStack
    clock: int


@dataclass(slots=True, eq=False)
class Networks:
    """What one run knows of networks that are not known. Values are kept with what is noted under their ids."""

    parameters: dict[int, tuple[Value, Unknown]] = field(default_factory=dict)
    """What `parameters()` gave, and of which network."""
    optimizers: dict[int, tuple[Value, tuple[Unknown, ...]]] = field(default_factory=dict)
    forwards: dict[int, tuple[Tensor, tuple[Forward, ...]]] = field(default_factory=dict)
    """By tensor: the forwards it was computed from."""
    outputs: dict[int, tuple[Value, Forward]] = field(default_factory=dict)
    """Results of forwards, whole or unpacked."""
    freed: dict[int, tuple[Forward, Site, LoopStack]] = field(default_factory=dict)
    """By forward: the backward that freed its graph."""
    steps: list[NetworkStep] = field(default_factory=list)
    clock: int = 0


def note_parameters(run: Run, function: Value, result: Value) -> None:
    """`network.parameters()` gave `result`."""
    if type(function) is Unknown and isinstance(function.owner, Unknown):
        run.watch.networks.parameters[id(result)] = (result, function.owner)


def note_item(run: Run, given: Value, item: Value) -> None:
    """`item` is one of `given`: of a network's parameters perhaps, or of its results."""
    networks = run.watch.networks
    if id(given) in networks.parameters:
        networks.parameters[id(item)] = (item, networks.parameters[id(given)][1])
    if id(given) in networks.outputs:
        networks.outputs[id(item)] = (item, networks.outputs[id(given)][1])


def note_optimizer(run: Run, optimizer: Value, given: Iterable[Value]) -> None:
    """`optimizer` was built from `given`."""
    networks = run.watch.networks
    if not networks.parameters:
        return
    held = tuple(network for value in given for network in _networks_in(networks, value, 0))
    if held:
        networks.optimizers[id(optimizer)] = (optimizer, held)


def _networks_in(networks: Networks, value: Value, depth: int) -> Iterator[Unknown]:
    if isinstance(value, Unknown):
        if id(value) in networks.parameters:
            yield networks.parameters[id(value)][1]
        elif id(value) in networks.optimizers:  # `filter(wanted, network.parameters())`
            yield from networks.optimizers[id(value)][1]
    elif depth < _DEPTH and isinstance(value, Seq | Dict):
        for item in value.items if isinstance(value, Seq) else list(value.items.values()):
            yield from _networks_in(networks, item, depth + 1)


def note_forward_of_network(run: Run, function: Value, args: Args, result: Unknown, site: Site, name: str) -> None:
    """Something not known was called; when it is a network, mark the result."""
    networks = run.watch.networks
    if type(function) is not Unknown or run.machine.modes.grad is False or not _is_network(networks, function):
        return
    networks.clock += 1
    mark = run.machine.tensor(None, requires_grad=None)
    mark.loops = ()
    given = tuple({id(f): f for f in _given_back(networks, args.all(), 0) if f.network is function}.values())
    forward = Forward(function, name, site, run.machine.loops, networks.clock, mark, given)
    networks.forwards[id(mark)] = (mark, (forward,))
    networks.outputs[id(result)] = (result, forward)
    result.sources = (mark, *result.sources)


def _is_network(networks: Networks, function: Unknown) -> bool:
    """An optimizer steps it, or it was asked for what only a Module has."""
    if function.attrs is not None and not _ASKED.isdisjoint(function.attrs):
        return True
    return any(_holds(function, inner) for _, held in networks.optimizers.values() for inner in held)


def _given_back(networks: Networks, values: Iterable[Value], depth: int) -> Iterator[Forward]:
    """The forwards whose results are among `values`, as they are."""
    for value in values:
        if isinstance(value, Seq) and depth < _DEPTH:
            yield from _given_back(networks, value.items, depth + 1)
        whole: Value | None = value
        while isinstance(whole, Unknown) and id(whole) not in networks.outputs and whole.label.startswith("["):
            whole = whole.owner
        if id(whole) in networks.outputs:
            yield networks.outputs[id(whole)][1]


def _holds(network: Unknown, inner: Unknown) -> bool:
    """`inner` is `network` or an attribute somewhere under it."""
    value: Value | None = inner
    while isinstance(value, Unknown):
        if value is network:
            return True
        value = value.owner
    return False


def passed_on(run: Run, function: Value, last: str, args: Args, sources: tuple[Value, ...]) -> tuple[Value, ...]:
    """The sources that reach the result of a call of something not known.

    A method hands on the graph of its own object only: `env.step(action)` gives nothing that hangs on `action`.
    """
    marks = run.watch.networks.forwards
    if not marks or not any(id(source) in marks for source in sources):
        return sources
    owner = function.owner if isinstance(function, Unknown) else None
    own = {id(source) for source in owner.sources} if isinstance(owner, Unknown) else set()
    kept = last not in _CUTTING and (owner is None or not own.isdisjoint(marks))
    return sources if kept else tuple(source for source in sources if id(source) not in marks)


def inherit(run: Run, value: Unknown, tensor: Tensor) -> None:
    """A torch operation takes `value`: it is `tensor` from now on."""
    marks = run.watch.networks.forwards
    if marks:
        found = tuple(f for source in value.sources for f in marks.get(id(source), (None, ()))[1])
        if found:
            marks[id(tensor)] = (tensor, found)


def note_network_step(run: Run, owner: Value, site: Site) -> None:
    """`owner` stepped."""
    networks = run.watch.networks
    known = networks.optimizers.get(id(owner))
    if known is not None:
        networks.clock += 1
        networks.steps.append(NetworkStep(known[1], site, run.machine.loops, networks.clock))


def note_backward_of_networks(run: Run, site: Site, roots: Iterable[Value], *, retain: bool) -> None:
    """A backward from `roots`: judge the steps since the forwards it goes through, and what earlier ones freed."""
    networks = run.watch.networks
    if not networks.forwards:
        return
    loops, roots = run.machine.loops, list(roots)
    reached = list({id(f): f for root in roots for f in _forwards(networks, root)}.values())
    _judge_carried(run, reached, site, roots, retain=retain)
    for forward in reached:
        for step in networks.steps:
            if step.clock > forward.clock and forward.loops == step.loops == loops:
                if any(_holds(forward.network, inner) for inner in step.networks):
                    _report(run, forward, step, site)
                    break


def _judge_carried(run: Run, reached: Sequence[Forward], site: Site, roots: Sequence[Value], *, retain: bool) -> None:
    """What a network gave in an earlier round, and was given back, has had its backward."""
    networks, loops = run.watch.networks, run.machine.loops
    given: dict[int, Forward] = {}
    waiting = list(reached)
    for forward in waiting:
        new = {id(f): f for f in forward.given if id(f) not in given}
        given.update(new)
        waiting.extend(new.values())
    for forward, freed, then in (networks.freed[key] for key in given if key in networks.freed):
        if then[:-1] == loops[:-1] and then[-1:] != loops[-1:] and freed.key == site.key:
            _report_carried(run, forward, freed, site, roots[0])
            break
    if not retain and loops:
        networks.freed.update((id(f), (f, site, loops)) for f in waiting)


def _report_carried(run: Run, forward: Forward, freed: Site, site: Site, root: Value) -> None:
    run.machine.emit(
        Backward(
            site=site,
            root=TensorRef(root.name if isinstance(root, Tensor | Unknown) else ""),
            failure=Failure.TWICE,
            freed=freed,
            shared=forward.site,
            shared_by=forward.name,
            loop_carried=True,
            in_loop=True,
            certain=False,
        )
    )


def _forwards(networks: Networks, root: Value) -> Iterator[Forward]:
    """The forwards whose graph hangs on `root`."""
    stack: list[object] = list(root.sources) if isinstance(root, Unknown) else []
    if isinstance(root, Unknown) and root.tensor is not None:
        stack.append(root.tensor)
    stack.append(root)
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield from networks.forwards.get(id(item), (None, ()))[1]
        if isinstance(item, Tensor) and item.node is not None:
            stack.append(item.node)
        stack.extend(getattr(item, "edges", ()))


def _report(run: Run, forward: Forward, step: NetworkStep, needed: Site) -> None:
    run.machine.emit(
        Write(
            site=step.site,
            target=TensorRef(f"{forward.name}.parameters()", parameter=True),
            how=How.OPTIMIZER,
            op="step",
            certain=False,
            stale=Stale(saved=forward.site, saved_by=forward.name, saved_name="", needed=needed),
        )
    )

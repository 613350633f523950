"""Networks that are not known: what steps between a forward and its backward, and what is carried from round to round.

What `parameters()` is asked of and given to an optimizer is a network; where the optimizer is not known either, so is
all that was called on the way to the loss whose backward came before its step. The result of calling a network stands
for the parameters that were used; whatever is computed from it needs them as they were. A result that is given back to
the network in the next round of a loop brings its graph along. Nothing learned so is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from autograd_lint.events import How, Site, Stale, TensorRef, Write
from autograd_lint.static.model.values import (
    Builtin,
    Dict,
    Instance,
    LoopStack,
    NNModule,
    OptimizerValue,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.registered import parameters_of
from autograd_lint.static.patterns.forwards import Backed, Forward, Network, Networks, NetworkStep
from autograd_lint.static.patterns.twice import judge_freed

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Args, Run

_CUTTING: Final = frozenset({"detach", "item", "numpy", "tolist"})
"""Methods whose result has no graph."""
_ASKED: Final = frozenset({"parameters", "train", "eval", "zero_grad", "state_dict", "load_state_dict"})
"""Attributes of a Module and hardly of anything else that is called."""
_TRAINED: Final = frozenset({"train", "zero_grad"})
"""Those that a network which is only evaluated is not asked for."""
_NUMBERS: Final = frozenset({"float", "int", "bool", "str", "len", "repr", "format", "print", "isinstance"})
"""Builtins whose result has no graph."""
_DEPTH: Final = 3

# ---------------------------------------------------------------- what is one


def note_parameters(run: Run, network: Value | None, result: Value) -> None:
    """`network.parameters()` gave `result`."""
    if isinstance(network, Unknown | Instance | NNModule):
        run.watch.networks.parameters[id(result)] = (result, network)


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


def _networks_in(networks: Networks, value: Value, depth: int) -> Iterator[Network]:
    if id(value) in networks.parameters:
        yield networks.parameters[id(value)][1]
    elif id(value) in networks.optimizers:  # `filter(wanted, network.parameters())`, `chain(…)`
        yield from networks.optimizers[id(value)][1]
    elif depth < _DEPTH and isinstance(value, Seq | Dict):
        for item in value.items if isinstance(value, Seq) else list(value.items.values()):
            yield from _networks_in(networks, item, depth + 1)


# ------------------------------------------------------------------- forwards


def note_forward_of_network(
    run: Run, function: Value, args: Args, result: Unknown, site: Site, name: str, *, other: bool = False
) -> None:
    """Something not known was called: mark the result where it may be a network.

    `other`: a method of the network that is not its forward, and may compute without its parameters.
    """
    networks = run.watch.networks
    plain = type(function) is Unknown and function.owner is None
    if run.machine.modes.grad is False or not isinstance(function, Unknown | Instance | NNModule):
        return
    network = _is_network(run, function)
    if not network and not (plain and _trains(run)):
        return
    networks.clock += 1
    back = _given_back(networks, args.all(), 0) if network else ()
    given = tuple({id(f): f for f in back if f.network is function}.values())
    trained = network and not other and _is_trained(run, function)
    forward = Forward(function, name, site, run.machine.loops, networks.clock, given, trained)
    if network:
        networks.outputs[id(result)] = (result, forward)
    earlier = networks.marked(result.sources)
    mark = run.machine.tensor(None, requires_grad=None)
    mark.loops = ()
    networks.mark(mark, (forward, *earlier))
    result.sources = (mark, *(s for s in result.sources if id(s) not in networks.forwards))


def _trains(run: Run) -> bool:
    """A function that is being executed runs a backward and a step."""
    called = [frame.function.node.scope.calls for frame in run.frames if frame.function is not None]
    return any("backward" in names and any(name.endswith("step") for name in names) for names in called)


def _is_network(run: Run, function: Network) -> bool:
    """An optimizer steps it, perhaps where it is a module; or it was asked for what only a Module has."""
    optimizers = run.watch.networks.optimizers
    if not isinstance(function, Unknown):
        return bool(optimizers or run.gradients.held)
    if function.attrs is not None and not _ASKED.isdisjoint(function.attrs):
        return True
    return any(_overlap(function, inner) for _, held in optimizers.values() for inner in held)


def _is_trained(run: Run, network: Network) -> bool:
    """An optimizer holds it, or it was asked for what only a network that is trained is asked for."""
    optimizers = run.watch.networks.optimizers
    if isinstance(network, Unknown) and network.attrs is not None and not _TRAINED.isdisjoint(network.attrs):
        return True
    return any(_overlap(network, inner) for _, held in optimizers.values() for inner in held)


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


def passed_on(run: Run, function: Value, last: str, args: Args, sources: tuple[Value, ...]) -> tuple[Value, ...]:
    """The sources that reach the result of a call of something not known.

    A method hands on the graph of its own object only: `env.step(action)` gives nothing that hangs on `action`.
    """
    marks = run.watch.networks.forwards
    if not marks or not any(id(source) in marks for source in sources):
        return sources
    if isinstance(function, Builtin) and function.name in _NUMBERS:
        return tuple(source for source in sources if id(source) not in marks)
    owner = function.owner if isinstance(function, Unknown) else None
    own = {id(source) for source in owner.sources} if isinstance(owner, Unknown) else set()
    if last in _CUTTING or (owner is not None and own.isdisjoint(marks)):
        return tuple(source for source in sources if id(source) not in marks)
    return sources if owner is not None or _gives_graphs(run, function) else _not_freed(run, sources)


def _gives_graphs(run: Run, function: Value) -> bool:
    """What it gave before had a backward, or it is a network."""
    if not isinstance(function, Unknown | Instance | NNModule):
        return False
    freed = run.watch.networks.freed.values()
    return any(forward.network is function for forward, _, _ in freed) or _is_network(run, function)


def _not_freed(run: Run, sources: tuple[Value, ...]) -> tuple[Value, ...]:
    """Without what a backward has been through: whoever takes that, most likely wants its numbers."""
    networks = run.watch.networks
    freed = networks.freed
    return tuple(source for source in sources if not any(id(f) in freed for f in networks.marked((source,))))


def inherit(run: Run, value: Unknown, tensor: Tensor) -> None:
    """A torch operation takes `value`: it is `tensor` from now on."""
    networks = run.watch.networks
    found = networks.marked(value.sources) if networks.forwards else ()
    if found:
        networks.mark(tensor, found)


def hangs_on_training(run: Run, tensor: Tensor) -> bool:
    """`tensor` was computed from what a network gave that is trained."""
    networks = run.watch.networks
    return bool(networks.forwards) and any(f.trained for f in _backed(networks, (tensor,), ()).forwards)


# ---------------------------------------------------------------------- steps


def note_network_step(run: Run, owner: Value, site: Site, *, optimizer: bool = False) -> None:
    """`owner` stepped. `optimizer`: what is called on it says that it is one."""
    networks = run.watch.networks
    known = networks.optimizers.get(id(owner))
    if known is not None or isinstance(owner, OptimizerValue):
        networks.clock += 1
        held = known[1] if known is not None else ()
        networks.steps.append(NetworkStep(owner, held, site, run.machine.loops, networks.clock))
    elif optimizer:
        _note_guessed_step(run, owner, site)
    networks.stepped = True


def _note_guessed_step(run: Run, owner: Value, site: Site) -> None:
    """The step of an optimizer that is not known: it holds what the backward passes before it went through."""
    networks, loops = run.watch.networks, run.machine.loops
    backed = networks.backed
    if networks.lost or not backed or any(b.loops != loops or not b.forwards for b in backed):
        return
    called = {id(f.network): f.network for b in backed for f in b.forwards}
    networks.clock += 1
    networks.steps.append(
        NetworkStep(
            owner,
            tuple(called.values()),
            site,
            loops,
            networks.clock,
            guessed=True,
            leaves=frozenset(leaf for b in backed for leaf in b.leaves),
            time=run.machine.time(),
        )
    )


# ------------------------------------------------------------------- backward


def note_backward_of_networks(run: Run, site: Site, roots: Sequence[Value], *, retain: bool) -> None:
    """A backward from `roots`: judge the steps since the forwards it goes through, and what earlier ones freed."""
    networks = run.watch.networks
    if not networks.forwards:
        return
    backed = _backed(networks, roots, run.machine.loops)
    judge_freed(run, backed.forwards, site, roots, retain=retain)
    for step in networks.steps:
        if step.loops == backed.loops:
            met = _met(step, [f for f in backed.forwards if f.clock < step.clock and f.loops == step.loops], backed)
            if met is not None:
                _report(run, met, step, site)
    if networks.stepped:
        networks.backed.clear()
        networks.stepped = False
    networks.backed.append(backed)


def _backed(networks: Networks, roots: Sequence[Value], loops: LoopStack) -> Backed:
    """The forwards and leaves whose graph hangs on `roots`."""
    forwards: dict[int, Forward] = {}
    leaves: dict[int, int] = {}
    stack: list[tuple[object, int]] = []
    for root in roots:
        stack.append((root, 0))
        if isinstance(root, Unknown):
            stack.extend((source, 0) for source in (*root.sources, root.tensor))
    seen: set[int] = set()
    while stack:
        item, time = stack.pop()
        if isinstance(item, Tensor) and item.node is None and item.requires_grad:
            leaves[id(item)] = min(time, leaves.get(id(item), time))
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        forwards.update((id(f), f) for f in networks.forwards.get(id(item), (None, ()))[1])
        if isinstance(item, Tensor):
            stack.append((item.node, time))
        stack.extend((edge, getattr(item, "seq", time)) for edge in getattr(item, "edges", ()))
    return Backed(tuple(forwards.values()), leaves, loops)


def _met(step: NetworkStep, before: Sequence[Forward], backed: Backed) -> Forward | None:
    """The forward before the step that used what the step wrote.

    A guessed step wrote one of several at least: all of them must have been used.
    """
    if not step.guessed:
        return next((f for f in before if _writes(step, f)), None)
    used = {id(f.network): f for f in sorted(before, key=lambda f: f.clock)}
    if any(id(network) not in used for network in step.networks):
        return None
    if any(backed.leaves.get(leaf, step.time) >= step.time for leaf in step.leaves):
        return None
    return max((used[id(network)] for network in step.networks), key=lambda f: f.clock)


def _writes(step: NetworkStep, forward: Forward) -> bool:
    """The optimizer holds parameters of the network that was called."""
    if any(_overlap(forward.network, inner) for inner in step.networks):
        return True
    if isinstance(forward.network, Unknown) or not isinstance(step.optimizer, OptimizerValue):
        return False
    held = {id(tensor) for tensor in step.optimizer.params}
    return any(id(tensor) in held for tensor in parameters_of(forward.network))


def _overlap(called: Network, held: Network) -> bool:
    """What is called has parameters of `held`: it is that or a part of it, or that is an attribute of what is called.

    What is read from something not known and called may as well be a method that makes data, and is no part of it.
    """
    value: Value | None = held
    while value is not None:
        if value is called:
            return True
        value = value.owner if isinstance(value, Unknown) else None
    return _is_part(held, called, 0) or _is_part(called, held, 0)


_HOLDERS: Final = frozenset({Instance, NNModule})


def _is_part(whole: Network, part: Network, depth: int) -> bool:
    """A module that is known holds `part`."""
    if whole is part or isinstance(whole, Unknown) or depth > _DEPTH:
        return whole is part
    for value in (*whole.attrs.values(), *(whole.children.values() if isinstance(whole, NNModule) else ())):
        if value is part or (type(value) in _HOLDERS and _is_part(value, part, depth + 1)):
            return True
    return False


def _report(run: Run, forward: Forward, step: NetworkStep, needed: Site) -> None:
    alone = not step.guessed or len(step.networks) == 1
    run.machine.emit(
        Write(
            site=step.site,
            target=TensorRef(f"{forward.name}.parameters()" if alone and forward.name else "", parameter=True),
            how=How.OPTIMIZER,
            op="step",
            certain=False,
            stale=Stale(saved=forward.site, saved_by=forward.name, saved_name="", needed=needed),
        )
    )

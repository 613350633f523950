"""Gradients lost on the way: which cuts of the graph left a trainable leaf without one, told when a path has ended.

A cut is a fault only where all of this holds: a backward hangs on the numbers that were cut; the graph that was cut
leads to a leaf that requires grad; no pass of the whole path gave that leaf a gradient, nor could code that is not
known have done so; and the gradient was wanted, as a step of an optimizer over the leaf or a read of its `.grad` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from autograd_lint.events import Cut, DeadEnd, Event, TensorRef
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.passes import Gradients, Reached
from autograd_lint.static.model.traces import Trace, cuts_of, first_cut, origin
from autograd_lint.static.model.values import Dict, Instance, NNModule, Revival, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.registered import parameters_of
from autograd_lint.static.patterns.terms import constant_terms

_DEPTH = 3


def lost_gradients(run: Run, returned: Value | None) -> Iterator[Event]:
    """What the path shows: cuts that starve a leaf, and passes that end at leaves nobody asked about."""
    gradients = run.gradients
    if not gradients.reached or run.machine.failed:
        return
    if run.truncated or _may_go_on_otherwise(run):
        yield from _terms(gradients.reached, set())
        return
    given = [*run.given, *([returned] if returned is not None else [])]
    if isinstance(run.owner, Instance):
        given.extend(v for v in run.owner.attrs.values() if isinstance(v, Tensor | Seq | Dict))
    fed = {*gradients.fed, *(id(leaf) for leaf in leaves_below(_edges_in(given)))}
    told: set[object] = set()
    seen = {id(tensor) for tensor in graph_tensors(given)}
    for reached in gradients.reached:
        end = _dead_end(run, reached, seen)
        if end is not None:
            if end.site.key not in told:
                told.add(end.site.key)
                yield end
            continue
        for event in _starvings(run, reached, fed):
            if event.site.key not in told:
                told.add(event.site.key)
                yield event
        yield from _terms([reached], told)


def _terms(passes: Iterable[Reached], told: set[object]) -> Iterator[Event]:
    """The plain numbers that were added up with the roots of `passes`, but for those already `told` of."""
    for reached in passes:
        for term in constant_terms(reached):
            if term.site.key not in told:
                told.add(term.site.key)
                yield term


def _may_go_on_otherwise(run: Run) -> bool:
    """Later rounds of a loop, left out here, reach statements that the first rounds do not."""
    return any(block and block[0].cst not in run.reached for block in run.skipped)


@dataclass(slots=True)
class _Lost:
    """All that left the graph at one place."""

    trace: Trace
    edges: list[GraphNode | Tensor] = field(default_factory=list)


def _lost(traces: Iterable[Trace]) -> list[_Lost]:
    """The cuts by their place: under `no_grad` each operation is one."""
    found: dict[object, _Lost] = {}
    for trace in cuts_of(traces):
        if trace.site is not None:
            found.setdefault(trace.site.key, _Lost(trace)).edges.extend(trace.edges)
    return list(found.values())


def _starvings(run: Run, reached: Reached, fed: set[int]) -> Iterator[Cut]:
    """The cuts that starve a leaf. A `no_grad` block is meant to cut: it is not to blame where another cut is."""
    events = [event for lost in _lost(reached.traces) if (event := _starving(run, lost, reached, fed)) is not None]
    blamed = {event.leaf for event in events if event.how != "no_grad"}
    return (event for event in events if event.how != "no_grad" or event.leaf not in blamed)


def _starving(run: Run, lost: _Lost, reached: Reached, fed: set[int]) -> Cut | None:
    gradients = run.gradients
    leaves = [leaf for leaf in leaves_below(lost.edges) if leaf.requires_grad]
    hungry = [leaf for leaf in leaves if id(leaf) not in fed and id(leaf) in gradients.missed]
    trace = lost.trace
    if not hungry or trace.site is None:
        return None
    leaf = hungry[0]
    missed, stepped = gradients.missed[id(leaf)]
    whole = not any(id(other) in fed for other in leaves)
    return Cut(
        site=trace.site,
        certain=reached.request.known and whole and _all_in_view(run, hungry),
        target=TensorRef(trace.name),
        how=trace.how,
        needed=reached.request.site,
        leaf=run.machine.ref(leaf),
        missed=missed,
        stepped=stepped,
        rewrapped=trace.rewrapped,
    )


def _all_in_view(run: Run, leaves: Iterable[Tensor]) -> bool:
    """Nothing outside this program could give the leaves a gradient: it made them, and gave their owner to nobody."""
    if isinstance(run.owner, Instance):
        return False
    given = {id(t) for value in run.given for t in _parameters_in(value)}
    return all(leaf.site is not None and leaf.site.token in run.reached and id(leaf) not in given for leaf in leaves)


def _parameters_in(value: Value) -> list[Tensor]:
    if isinstance(value, NNModule | Instance):
        return parameters_of(value)
    return [value] if isinstance(value, Tensor) and value.node is None else []


# -------------------------------------------------------------------- dead ends


def _dead_end(run: Run, reached: Reached, seen: set[int]) -> DeadEnd | None:
    """A pass over nothing but leaves made of computed numbers, whose gradients nobody uses.

    `seen` are the tensors that others can get at; only of the root itself it is clear that its gradient is of no use.
    A leaf below it that was given to what is not known may be what a network takes, or an optimizer; and what an
    unknown network gave hangs on more than is known here.
    """
    gradients, request = run.gradients, reached.request
    root = request.roots[0]
    if root.revived is not None and root.revived.raises and root.node is not None:
        return _ends_at(root, root.revived, reached, certain=True)
    leaves = reached.leaves
    if not leaves or not request.accumulate or not all(_is_useless(leaf, gradients) for leaf in leaves):
        return None
    leaf = leaves[0]
    revival = leaf.revived
    if revival is None or (leaf is not root and first_cut(leaf.trace) is None and id(leaf) in seen):
        return None
    below = leaf is not root or not request.known
    if below and revival.flagged and (first_cut(leaf.trace) is None or id(leaf) in run.watch.given):
        return None
    if leaf is not root and _is_copy_of_leaves(leaf):
        return None
    return _ends_at(leaf, revival, reached, certain=request.known and revival.computed is True)


def _is_copy_of_leaves(leaf: Tensor) -> bool:
    """Whether its numbers come from leaves alone, as those of a Parameter that is given its first values do."""
    cuts = list(cuts_of(() if leaf.trace is None else (leaf.trace,)))
    return bool(cuts) and all(isinstance(edge, Tensor) for cut in cuts for edge in cut.edges)


def _is_useless(leaf: Tensor, gradients: Gradients) -> bool:
    return leaf.revived is not None and id(leaf) not in gradients.read and id(leaf) not in gradients.held


def _ends_at(leaf: Tensor, revival: Revival, reached: Reached, *, certain: bool) -> DeadEnd:
    cut = first_cut(leaf.trace)
    before = cut.site if cut is not None and cut.site is not None and cut.site.key != revival.site.key else None
    return DeadEnd(
        site=revival.site,
        certain=certain,
        target=TensorRef(revival.name or leaf.name),
        how=revival.how,
        needed=reached.request.site,
        flagged=revival.flagged,
        cut=before,
        raises=revival.raises and leaf.node is not None,
    )


# -------------------------------------------------------------------- leaves


def leaves_below(edges: Iterable[GraphNode | Tensor]) -> list[Tensor]:
    """The leaves a gradient would reach from `edges`."""
    leaves: dict[int, Tensor] = {}
    seen: set[int] = set()
    stack = list(edges)
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor):
            leaves[id(item)] = item
        elif id(item) not in seen:
            seen.add(id(item))
            stack.extend(item.edges)
    return list(leaves.values())


def _edges_in(values: Iterable[Value]) -> list[GraphNode | Tensor]:
    return [edge for tensor in graph_tensors(values) if isinstance(edge := origin(tensor), GraphNode)]


def graph_tensors(values: Iterable[Value], depth: int = 0) -> Iterator[Tensor]:
    """The tensors among `values`, in containers and behind what is not known."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Unknown):
            yield from graph_tensors(value.sources, depth)
        elif isinstance(value, Seq) and depth < _DEPTH:
            yield from graph_tensors(value.items, depth + 1)
        elif isinstance(value, Dict) and depth < _DEPTH:
            yield from graph_tensors(value.items.values(), depth + 1)

"""Second backward passes through graphs of networks that are not known: shared by two losses, or carried along.

A backward frees the graph of every network that its root was computed from, and of the root itself. A later one whose
root was computed from one of these again, in the same round of a loop or in another, needs what was freed. Nothing
learned so is certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autograd_lint.events import Backward, Failure, Site, TensorRef
from autograd_lint.static.model.values import LoopStack, Tensor, Unknown, Value
from autograd_lint.static.patterns.forwards import Forward

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run


def judge_freed(run: Run, reached: Sequence[Forward], site: Site, roots: Sequence[Value], *, retain: bool) -> None:
    """A backward from `roots` went through the forwards that were `reached`: an earlier one may have freed them."""
    networks, loops = run.watch.networks, run.machine.loops
    through = _with_given(reached)
    again = next((f for f in reached if f.trained and id(f) in networks.freed), None)
    if again is not None:
        _report_again(run, again, site, roots[0])
    else:
        _judge_carried(run, through[len(reached) :], site, roots[0])
    if not retain:
        networks.freed.update((id(f), (f, site, loops)) for f in through)
        _free_roots(run, roots, site)


def _with_given(reached: Sequence[Forward]) -> list[Forward]:
    """The forwards `reached`, then those whose results they were given back."""
    waiting = list(reached)
    seen: set[int] = set()
    for forward in waiting:
        new = [f for f in forward.given if id(f) not in seen]
        seen.update(id(f) for f in new)
        waiting.extend(new)
    return waiting


def _judge_carried(run: Run, given: Sequence[Forward], site: Site, root: Value) -> None:
    """What a network gave in an earlier round, and was given back, has had its backward."""
    networks, loops = run.watch.networks, run.machine.loops
    for forward, freed, then in (networks.freed[id(f)] for f in given if id(f) in networks.freed):
        if freed.key == site.key and _is_earlier_round(then, loops):
            _report(run, forward, freed, site, root, carried=True)
            break


def _is_earlier_round(then: LoopStack, loops: LoopStack) -> bool:
    return then[:-1] == loops[:-1] and then[-1:] != loops[-1:]


def _free_roots(run: Run, roots: Sequence[Value], site: Site) -> None:
    """What is computed from these roots later brings their graph along, which is free now."""
    networks = run.watch.networks
    for root in roots:
        if type(root) is Unknown and networks.marked(root.sources):
            networks.clock += 1
            forward = Forward(root, root.name, site, run.machine.loops, networks.clock, trained=True, root=True)
            mark = run.machine.tensor(None, requires_grad=None)
            mark.loops = ()
            networks.mark(mark, (forward,))
            networks.freed[id(forward)] = (forward, site, run.machine.loops)
            root.sources = (mark, *root.sources)


def _report_again(run: Run, forward: Forward, site: Site, root: Value) -> None:
    """The graph may have been made before the loop, or in an earlier round of it."""
    _, freed, then = run.watch.networks.freed[id(forward)]
    loops = run.machine.loops
    inside = forward.loops[: len(then)] == then
    carried = freed.key == site.key and _is_earlier_round(then, loops) and inside
    _report(run, forward, freed, site, root, carried=carried)


def _report(run: Run, forward: Forward, freed: Site, site: Site, root: Value, *, carried: bool) -> None:
    run.machine.emit(
        Backward(
            site=site,
            root=TensorRef(root.name if isinstance(root, Tensor | Unknown) else ""),
            failure=Failure.TWICE,
            freed=freed,
            shared=None if forward.root else forward.site,
            shared_by=forward.name,
            loop_carried=carried,
            in_loop=bool(run.machine.loops),
            certain=False,
        )
    )

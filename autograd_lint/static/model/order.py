"""The order of a training step: which gradients a `step` and a clipping find.

Backward passes, clearings, clippings and steps are written down as they happen. A step that finds only cleared
gradients is a fact; whether it is a fault shows by what stands around it. Only straight lines are judged: where a
branch that could go otherwise, or a call that is not known, lies between, nothing is said.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from autograd_lint.events import Disorder, Misordered, Site
from autograd_lint.static.model.values import LoopStack, OptimizerValue, Tensor, Value
from autograd_lint.static.patterns.networks import note_backward_of_networks, note_network_step
from autograd_lint.static.patterns.uncleared import note_uncleared

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run

_REMEMBERED: Final = 64


class Act(enum.Enum):
    """What happened to gradients."""

    PASS = enum.auto()
    CLEAR = enum.auto()
    CLIP = enum.auto()
    STEP = enum.auto()
    CUT = enum.auto()
    """Something not known was done with an optimizer."""


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One of them. `owner` did it; `tensors` are the ids it surely concerns, None when not known.

    `before` are the values that variables held at the time; `roots` what a backward started from.
    """

    act: Act
    site: Site
    loops: LoopStack
    choices: int
    doubts: int
    owner: Value | None = None
    tensors: frozenset[int] | None = None
    roots: tuple[Value, ...] = ()
    before: tuple[Value, ...] = ()
    discarded: bool = False
    name: str = ""


@dataclass(slots=True, eq=False)
class Order:
    """What was done to gradients along one path. `doubts` counts the calls that could have done more."""

    actions: list[Action] = field(default_factory=list)
    doubts: int = 0
    useless: list[tuple[Action, Action]] = field(default_factory=list)
    """Steps on cleared gradients not yet explained, each with the clearing."""


def note_doubt(run: Run) -> None:
    """Something that is not known may have run a backward or set a gradient."""
    run.gradients.order.doubts += 1


def _add(run: Run, act: Act, site: Site, **more: object) -> Action:
    order = run.gradients.order
    action = Action(act, site, run.machine.loops, len(run.path.choices), order.doubts, **more)  # type: ignore[arg-type]
    if len(order.actions) >= _REMEMBERED:
        del order.actions[: _REMEMBERED // 2]
    order.actions.append(action)
    return action


def note_pass(
    run: Run, site: Site, roots: Sequence[Value], leaves: Sequence[Tensor] | None, *, retain: bool = False
) -> None:
    """A backward ran; `leaves` got gradients, None when not known which. `retain`: it may have kept its graph."""
    tensors = None if leaves is None or any(t.requires_grad is not True for t in leaves) else leaves
    ids = None if tensors is None else frozenset(id(t) for t in tensors)
    note_backward_of_networks(run, site, roots, retain=retain)
    _add(run, Act.PASS, site, roots=tuple(roots), tensors=ids)


def note_clip(run: Run, site: Site, tensors: Sequence[Tensor] | None, *, discarded: bool) -> None:
    """Gradients were clipped; `discarded`: nobody takes the norm it returns."""
    ids = frozenset(id(t) for t in tensors) if tensors else None
    _add(run, Act.CLIP, site, tensors=ids, before=_bound(run), discarded=discarded)


def note_cut(run: Run, owner: Value) -> None:
    """An optimizer was handed to code that is not known."""
    order = run.gradients.order
    if order.actions:
        _add(run, Act.CUT, order.actions[-1].site, owner=owner)


def _bound(run: Run) -> tuple[Value, ...]:
    return tuple(run.env.names.values())


# ----------------------------------------------------------------- relations


def _covers(clear: Action, owner: Value) -> bool:
    """The clearing cleared all gradients that `owner` steps with."""
    if clear.owner is owner:
        return True
    if not isinstance(owner, OptimizerValue) or owner.open or not owner.params or clear.tensors is None:
        return False
    return all(id(t) in clear.tensors for t in owner.params)


def _may_reach(ran: Action, owner: Value) -> bool:
    if not isinstance(owner, OptimizerValue) or owner.open or ran.tensors is None:
        return True
    return any(id(t) in ran.tensors for t in owner.params)


def _belongs(clip: Action, owner: Value, actions: Sequence[Action]) -> bool:
    """What was clipped is what `owner` steps with."""
    if isinstance(owner, OptimizerValue) and clip.tensors is not None:
        return any(id(t) in clip.tensors for t in owner.params)
    return {id(a.owner) for a in actions if a.act is Act.STEP} <= {id(owner)}


def _straight(first: Action, second: Action) -> bool:
    """From one to the other no branch could have gone otherwise, in one round of one loop."""
    return first.choices == second.choices and first.loops[: len(second.loops)] == second.loops


def _certain(owner: Value) -> bool:
    return isinstance(owner, OptimizerValue)


# --------------------------------------------------------------------- clear


def note_clear(run: Run, site: Site, owner: Value, tensors: Sequence[Tensor]) -> None:
    """`zero_grad` of an optimizer or a module."""
    order = run.gradients.order
    clear = _add(run, Act.CLEAR, site, owner=owner, tensors=frozenset(id(t) for t in tensors))
    for step, earlier in list(order.useless):
        if step.owner is not None and _covers(clear, step.owner):
            order.useless.remove((step, earlier))
            _judge_useless_step(run, step, earlier, clear)
    for stepped in {id(a.owner): a.owner for a in order.actions if a.act is Act.STEP}.values():
        if stepped is not None and _covers(clear, stepped):
            _judge_late_clip(run, stepped, clear)


def _judge_useless_step(run: Run, step: Action, cleared: Action, clear: Action) -> None:
    """A step found cleared gradients; what was computed before it went into a backward after it, which is lost now."""
    actions = run.gradients.order.actions
    after = actions[_index(actions, step) + 1 : _index(actions, clear)]
    if any(a.act in (Act.STEP, Act.CUT) and a.owner is step.owner for a in after):
        return
    for ran in after:
        existed = any(root is value for root in ran.roots for value in step.before)
        if ran.act is Act.PASS and existed and _straight(ran, step) and _may_reach(ran, step.owner or step.before[0]):
            _emit(run, Disorder.STEP_BEFORE_BACKWARD, step, step.owner, backward=ran.site, cleared=cleared.site)
            return


def _judge_late_clip(run: Run, owner: Value, clear: Action) -> None:
    """Clipped between a step and the clearing, and not between backward and step.

    A clipping on a condition is late too, where the step always follows the backward.
    """
    actions = run.gradients.order.actions
    since = _since_step(actions[: _index(actions, clear)], owner)
    if since is None or any(a.act is not Act.CLIP for a in since):
        return
    clips = [a for a in since if _belongs(a, owner, actions)]
    step = actions[_index(actions, since[0]) - 1] if since else None
    if not clips or step is None or step.owner is not owner or step.act is not Act.STEP:
        return
    earlier = _since_step(actions[: _index(actions, step)], owner)
    if earlier is None:
        earlier = actions[: _index(actions, step)]
    if any(a.act is Act.CLIP for a in earlier) or not any(a.act is Act.PASS for a in earlier):
        return
    clip, ran = clips[0], next(a for a in reversed(earlier) if a.act is Act.PASS)
    always = _straight(clip, step) or (_straight(ran, step) and clip.loops[: len(step.loops)] == step.loops)
    if clip.discarded and always and clip.doubts == step.doubts:
        _emit(run, Disorder.CLIP_AFTER_STEP, clip, owner, step=step.site, cleared=clear.site)


# ---------------------------------------------------------------------- step


def note_step(run: Run, site: Site, owner: Value, name: str) -> None:
    """`step` of an optimizer: judge what it found."""
    order = run.gradients.order
    cleared = any(a.owner is owner and a.act is Act.CLEAR for a in order.actions)
    note_network_step(run, owner, site, optimizer=cleared)
    since = _since_step(order.actions, owner)
    before = list(order.actions) if since is None else since
    step = _add(run, Act.STEP, site, owner=owner, before=_bound(run), name=name)
    if since is not None:
        _judge_uncleared(run, owner, step, since)
    if any(a.act is Act.CUT for a in before):
        return
    clears = [i for i, a in enumerate(before) if a.act is Act.CLEAR and _covers(a, owner)]
    if not clears:
        return
    clear, later = before[clears[-1]], before[clears[-1] + 1 :]
    passes = [a for a in later if a.act is Act.PASS and _may_reach(a, owner)]
    if passes:
        _judge_early_clip(run, owner, step, later)
    elif _straight(clear, step):
        _judge_cleared(run, owner, step, clear, before[: clears[-1]])


def _judge_uncleared(run: Run, owner: Value, step: Action, since: list[Action]) -> None:
    """Two steps of one loop, each after a backward: nobody cleared what this optimizer steps with."""
    actions = run.gradients.order.actions
    others = {a.name for a in actions if a.act is Act.STEP and a.owner is not owner}
    strangers = {id(a.owner) for a in actions if a.act is Act.STEP} - {id(owner)}
    first = actions[: _index(actions, since[0])] if since else []
    passes = [[a for a in part if a.act is Act.PASS] for part in (first, since)]
    if not all(passes) or first[-1].loops[:-1] != step.loops[:-1] or first[-1].loops == step.loops:
        return
    if not _certain(owner) and not {first[-2].act, since[-1].act} <= {Act.PASS, Act.CLIP}:
        return  # a scheduler steps after an optimizer
    if all(a.act in (Act.PASS, Act.STEP, Act.CLIP) or id(a.owner) in strangers for a in (*first, *since)):
        earlier, again = passes[0][-1].site, passes[1][-1].site
        note_uncleared(run, first[-1].site, owner, step.name, earlier, again, others)


def _judge_cleared(run: Run, owner: Value, step: Action, clear: Action, before: list[Action]) -> None:
    """The step found nothing: cleared since the last backward, or too early."""
    last = next((a for a in reversed(before) if a.act in (Act.PASS, Act.STEP)), None)
    if last is not None and last.act is Act.PASS and _may_reach(last, owner) and _straight(last, clear):
        if clear.doubts == step.doubts:
            _emit(run, Disorder.CLEARED_BEFORE_STEP, step, owner, backward=last.site, cleared=clear.site)
        return
    order = run.gradients.order
    order.useless = [(known, c) for known, c in order.useless if known.owner is not owner]
    order.useless.append((step, clear))


def _judge_early_clip(run: Run, owner: Value, step: Action, later: list[Action]) -> None:
    """Clipped after the clearing and before the first backward, and never again before the step."""
    first = next(i for i, a in enumerate(later) if a.act is Act.PASS)
    clips = [a for a in later[:first] if a.act is Act.CLIP and _belongs(a, owner, run.gradients.order.actions)]
    if not clips or any(a.act is not Act.PASS for a in later[first:]):
        return
    clip, ran = clips[-1], later[first]
    existed = any(root is value for root in ran.roots for value in clip.before)
    if clip.discarded and _straight(ran, clip) and _straight(clip, step) and (existed or clip.doubts == ran.doubts):
        _emit(run, Disorder.CLIP_BEFORE_BACKWARD, clip, owner, backward=ran.site, step=step.site)


def _since_step(actions: Sequence[Action], owner: Value) -> list[Action] | None:
    """What happened since the last step of `owner`; None when it has not stepped."""
    for i in range(len(actions) - 1, -1, -1):
        if actions[i].act in (Act.STEP, Act.CUT) and actions[i].owner is owner:
            return list(actions[i + 1 :]) if actions[i].act is Act.STEP else [actions[i]]
    return None


def _index(actions: Sequence[Action], action: Action) -> int:
    return next((i for i, a in enumerate(actions) if a is action), 0)


def _emit(run: Run, disorder: Disorder, action: Action, owner: Value | None, **sites: Site) -> None:
    name = next((a.name for a in run.gradients.order.actions if a.owner is owner and a.act is Act.STEP), "")
    event = Misordered(
        site=action.site, disorder=disorder, optimizer=name, certain=owner is not None and _certain(owner), **sites
    )
    run.machine.emit(event)

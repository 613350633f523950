"""Follows the gradients of leaves: which passes added up in each, who read, cleared and used it."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from autograd_lint.dynamic.first_writes import FirstWrites
from autograd_lint.dynamic.forward_warnings import call_from
from autograd_lint.dynamic.grad_syntax import GradUse, use_of_grad
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.optimizers import Optimizers
from autograd_lint.dynamic.patches import Patches
from autograd_lint.dynamic.records import (
    AccumulationNote,
    GradReadNote,
    GradZeroNote,
    Place,
    Spot,
    Via,
    WriteFacts,
)
from autograd_lint.dynamic.scope import name_in_scope, owner_in_scope
from autograd_lint.dynamic.syntax import Sources
from autograd_lint.dynamic.unreached import Unreached
from autograd_lint.dynamic.watch import PLAIN, Layer, Watch, address_of, is_leaf, is_plain, versions_of

_GRAD: Final[Any] = torch._C.TensorBase.__dict__["grad"]
_PASSES: Final = 64
_OWNERS: Final = 4096
"""So many gradients may have been read before those that are gone are forgotten."""


def grad_of(leaf: torch.Tensor) -> torch.Tensor | None:
    """The gradient of a leaf, without anybody noticing."""
    grad: torch.Tensor | None = _GRAD.__get__(leaf)
    return grad


@dataclass(slots=True)
class LeafState:
    """What is known of one leaf's gradient. `passes` are those summed in it, if `known`."""

    ref: weakref.ref[torch.Tensor]
    known: bool = False
    passes: list[Place] = field(default_factory=list)
    grad: weakref.ref[torch.Tensor] | None = None
    tick: int = 0
    unseen: int = 0
    reads: int = 0
    differenced: bool = False
    unused: Place | None = None
    """The pass whose gradient no step has used."""
    used: Place | None = None
    """The step that used what is summed in it."""
    added: AccumulationNote | None = None
    """What the last pass added to that: a fault once a step uses the sum too."""

    def restart(self, *, known: bool) -> None:
        """The gradient was cleared, or became something nobody saw."""
        self.known = known
        self.passes.clear()
        self.reads = 0
        self.differenced = False
        self.used = self.added = None


class Gradients:
    """The states of all leaves that a watched pass has reached, and the gradients the user has in hand."""

    def __init__(self, watch: Watch, sources: Sources) -> None:
        self.optimizers = Optimizers(watch)
        self.unreached = Unreached(watch)
        self.first_writes = FirstWrites(watch, sources)
        self._watch = watch
        self._sources = sources
        self._states: dict[int, LeafState] = {}
        self._owners: dict[int, tuple[weakref.ref[torch.Tensor], weakref.ref[torch.Tensor]]] = {}
        self._uses: dict[Place, GradUse] = {}
        self._known_steps: dict[tuple[int, int, bool], WriteFacts] = {}
        self._unseen = 0
        self._adding = False

    # ------------------------------------------------------------- passes

    def skip_pass(self) -> None:
        """A pass ran that was not watched: what the gradients hold is not known any more."""
        self._unseen += 1

    @guarded
    def before_pass(self, leaves: Sequence[torch.Tensor]) -> None:
        """Find out what each gradient holds before a pass adds to it."""
        for leaf in leaves:
            state, grad = self._state(leaf), grad_of(leaf)
            if grad is None:
                state.restart(known=True)
            elif not self._is_untouched(state, grad):
                cleared = state.grad is not None and state.grad() is grad and state.unseen == self._unseen
                state.restart(known=cleared)

    @guarded
    def after_pass(self, leaves: Sequence[torch.Tensor], facts: WriteFacts, frame: FrameType) -> None:
        """A pass added to the gradients of `leaves`, which is what `facts` are about."""
        place, log = facts.spot.place, self._watch.log
        states = [self._state(leaf) for leaf in leaves]
        partly = not all(state.passes for state in states)
        for leaf, state in zip(leaves, states, strict=True):
            grad = grad_of(leaf)
            if grad is None:
                continue
            if state.grad is not None and state.grad() is grad:
                number = self._watch.next_number()
                log.add(address_of(grad), facts, seq=number, version=grad._version)
            if state.known and state.passes:
                self._accumulated(leaf, state, place, frame, partly=partly)
            state.unused = place
            state.passes.append(place)
            del state.passes[:-_PASSES]
            state.grad, state.tick, state.unseen = weakref.ref(grad), log.tick, self._unseen

    def _state(self, leaf: torch.Tensor) -> LeafState:
        state = self._states.get(id(leaf))
        if state is None or state.ref() is not leaf:
            state = self._states[id(leaf)] = LeafState(weakref.ref(leaf, self._forget(id(leaf))))
        return state

    def _forget(self, key: int) -> Any:
        def forget(ref: weakref.ref[torch.Tensor], states: dict[int, LeafState] = self._states) -> None:
            if key in states and states[key].ref is ref:
                del states[key]

        return forget

    def _is_untouched(self, state: LeafState, grad: torch.Tensor) -> bool:
        same = state.grad is not None and state.grad() is grad and state.unseen == self._unseen
        return same and not self._watch.log.is_zeroed_since(address_of(grad), state.tick)

    def _accumulated(
        self, leaf: torch.Tensor, state: LeafState, place: Place, frame: FrameType, *, partly: bool
    ) -> None:
        stepped = state.used = self._watch.log.step_since(state.tick, address_of(leaf)) or state.used
        if stepped is None:
            return
        self._adding = True
        state.added = AccumulationNote(
            place,
            state.passes[0],
            name=name_in_scope(frame, leaf),
            parameter=isinstance(leaf, torch.nn.Parameter),
            stepped=stepped,
            in_loop=place in state.passes,
            partly_cleared=partly,
        )

    # -------------------------------------------------------------- reads

    def install(self, patches: Patches) -> None:
        """Notice reads of `.grad`, and steps of optimizers."""
        layers, read, get_grad = self._watch.layers, self._read, _GRAD.__get__
        get_frame, user = sys._getframe, Layer.USER

        def get(tensor: torch.Tensor) -> Any:  # optimizers read it many times a step
            frame = get_frame(1)
            if layers[frame.f_code.co_filename] is not user or not is_plain(tensor):
                return get_grad(tensor)
            return read(tensor, frame)

        patches.set(torch.Tensor, "grad", property(get, _GRAD.__set__, _GRAD.__delete__, _GRAD.__doc__))
        patches.on_undo(register_optimizer_step_post_hook(self._stepped).remove)
        patches.on_undo(register_optimizer_step_pre_hook(self._will_step).remove)

    def _read(self, tensor: torch.Tensor, frame: FrameType) -> Any:
        if not is_leaf(tensor) and not tensor.retains_grad and tensor.requires_grad:
            self._note_inner(tensor, frame)
            return call_from(frame, _GRAD.__get__, tensor)
        grad = _GRAD.__get__(tensor)
        if grad is not None:
            self._note_read(tensor, grad, frame)
        return grad

    @guarded
    def _note_inner(self, tensor: torch.Tensor, frame: FrameType) -> None:
        place = self._watch.frames.place(frame)
        if self._use_at(place) is not GradUse.CLEAR:
            self._watch.records.note(GradReadNote(place, leaf=False, made=self._watch.node_of(tensor)))

    @guarded
    def _note_read(self, tensor: torch.Tensor, grad: torch.Tensor, frame: FrameType) -> None:
        self._own(grad, weakref.ref(tensor))
        place = self._watch.frames.place(frame)
        use = self._use_at(place)
        state = self._states.get(id(tensor))
        if not tensor.is_leaf or use not in (GradUse.VALUE, GradUse.DIFFERENCE):
            return
        if state is None or not state.known or not self._is_untouched(state, grad):
            return
        state.differenced = state.differenced or use is GradUse.DIFFERENCE
        passes = tuple(state.passes)
        if len(passes) == 1:
            state.reads += 1
        elif not state.differenced:
            self._sum_read(tensor, state, place, passes)

    def _use_at(self, place: Place) -> GradUse:
        use = self._uses.get(place)
        if use is None:
            node, syntax = self._sources.node_at(place), self._sources.of(place.filename)
            use = self._uses[place] = use_of_grad(node, syntax)
        return use

    def _sum_read(self, leaf: torch.Tensor, state: LeafState, place: Place, passes: tuple[Place, ...]) -> None:
        alone = state.reads > 0
        shared = any(
            note.spot.place in passes and any(again in passes for again, _ in note.reused)
            for note in self._watch.records.passes
        )
        if shared:
            self._watch.records.note(GradReadNote(place, leaf=True, passes=passes, expected_alone=alone))
            return
        stepped = self._watch.log.step_since(0, address_of(leaf))
        if alone and stepped is None and passes[0] != passes[-1]:
            parameter = isinstance(leaf, torch.nn.Parameter)
            self._watch.records.note(AccumulationNote(passes[-1], passes[0], parameter=parameter))

    # ------------------------------------------------------------ clearing

    @guarded
    def note_zero(self, target: torch.Tensor, op: str, user: FrameType) -> None:
        """A tensor is set to zero by the user's own code: perhaps a gradient."""
        found = self._owners.get(id(target))
        if found is None or found[0]() is not target:
            return
        owner = found[1]()
        name = "" if owner is None else owner_in_scope(user, owner)
        self._watch.records.note(GradZeroNote(self._watch.frames.place(user), op, name))

    @guarded
    def pass_on(self, source: torch.Tensor, result: torch.Tensor) -> None:
        """`result` is another name of the gradient `source`, if that is one."""
        found = self._owners.get(id(source))
        if found is not None and found[0]() is source:
            self._own(result, found[1])

    def is_gradient(self, tensor: torch.Tensor) -> bool:
        """Whether the user has `tensor` from a `.grad`."""
        found = self._owners.get(id(tensor))
        return found is not None and found[0]() is tensor

    def _own(self, grad: torch.Tensor, owner: weakref.ref[torch.Tensor]) -> None:
        if len(self._owners) > _OWNERS:
            self._owners = {key: refs for key, refs in self._owners.items() if refs[0]() is not None}
        self._owners[id(grad)] = (weakref.ref(grad), owner)

    # --------------------------------------------------------------- steps

    def _will_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        refuse, tracer = self._watch.refuse, self._watch.tracer
        if refuse is not None:
            for parameter in _with_gradients(optimizer):
                refuse(parameter)
        # The first argument is the optimizer; another is a function of the user's to call.
        if len(args) == 1 and not kwargs:
            paused = tracer.pause()
            self._prepare(optimizer, sys._getframe(1))
            if paused:
                tracer.resume()

    @guarded
    def _prepare(self, optimizer: torch.optim.Optimizer, frame: FrameType) -> None:
        if not self.unreached.is_done_with(optimizer):
            self.unreached.will_step(optimizer, self._reached)
        lost = self._use(optimizer)
        if not _with_gradients(optimizer):
            self.optimizers.found_nothing(optimizer, frame, lost)

    def _reached(self) -> list[torch.Tensor]:
        """The leaves that are still there and got gradients since these were cleared."""
        leaves = [state.ref() for state in list(self._states.values()) if state.passes]
        return [leaf for leaf in leaves if leaf is not None]

    def _use(self, optimizer: torch.optim.Optimizer) -> Place | None:
        """A step is about to use the gradients; a pass that had computed some."""
        found = None
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                state = self._states.get(id(parameter))
                if state is not None and state.unused is not None:
                    found, state.unused = state.unused, None
        return found

    def _stepped(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        paused = self._watch.tracer.pause()
        self._note_step(optimizer, sys._getframe(1))
        if paused:
            self._watch.tracer.resume()

    @guarded
    def _note_step(self, optimizer: torch.optim.Optimizer, frame: FrameType) -> None:
        watch = self._watch
        user, _ = watch.reach(frame)
        if user is None:
            return
        silent = False
        for group in optimizer.param_groups:
            silent = silent or bool(group.get("fused"))
        key = (id(user.f_code), user.f_lasti, silent)
        facts = self._known_steps.get(key)
        if facts is None:
            facts = self._known_steps[key] = _step_facts(watch.frames.spot(user), silent=silent)
        used = _with_gradients(optimizer)
        if self._adding:
            self._note_added(used)
        versions = versions_of(used)
        watch.log.add_step(facts, versions, seq=watch.next_number(), silent=silent)
        if self.optimizers.are_followed:
            self.optimizers.stepped(optimizer, facts.spot.place, versions)

    def _note_added(self, used: list[torch.Tensor]) -> None:
        """A step has used gradients that passes had added to."""
        for parameter in used:
            state = self._states.get(id(parameter))
            if state is not None and state.added is not None:
                self._watch.records.note(state.added)
                state.added = None


def _with_gradients(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The parameters that a step writes."""
    get_grad = _GRAD.__get__
    return [
        p for group in optimizer.param_groups for p in group["params"] if type(p) in PLAIN and get_grad(p) is not None
    ]


def _step_facts(spot: Spot, *, silent: bool) -> WriteFacts:
    return WriteFacts(spot, "step", Via.STEP, parameter=True, requires_grad=True, grad_enabled=False, silent=silent)

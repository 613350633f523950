"""Follows optimizers: where they are built, what their steps find, and what was kept of the weights they change."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch

from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import DisorderNote, Place, RebuiltNote, StateNote
from autograd_lint.dynamic.tracer import get_trace, set_trace
from autograd_lint.dynamic.watch import Layer, Watch, address_of, is_plain
from autograd_lint.events import Disorder


@dataclass(slots=True)
class _Built:
    """The optimizers that one place built, one after the other, for the same parameters."""

    optimizer: weakref.ref[Any]
    first: weakref.ref[Any]
    steps: int = 0
    rounds: int = 0


@dataclass(slots=True)
class _State:
    """A state dict in the user's hands."""

    ref: weakref.ref[Any]
    place: Place
    addresses: frozenset[int]


class Optimizers:
    """What is known of the optimizers."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._built: dict[Place, _Built] = {}
        self._states: list[_State] = []
        self._idle: weakref.WeakSet[Any] = weakref.WeakSet()
        self._cleared: tuple[CodeType, int] | None = None

    def install(self, patches: Patches) -> None:
        """Replace what hands out the weights, and what clears gradients."""
        module = torch.nn.Module
        patches.set(module, "state_dict", self._wrap_state(module.state_dict))
        for owner in (module, torch.optim.Optimizer):
            patches.set(owner, "zero_grad", self._wrap_clear(owner.zero_grad))

    # ------------------------------------------------------------- building

    @guarded
    def built(self, optimizer: Any, user: FrameType) -> None:
        """The user built an optimizer, which has its first parameters now."""
        place, first = self._watch.frames.place(user), next(iter(optimizer.param_groups[0]["params"]))
        before = self._built.get(place)
        again = before is not None and before.first() is first and before.steps == 1
        rounds = before.rounds + 1 if before is not None and again else 0
        self._built[place] = _Built(weakref.ref(optimizer), weakref.ref(first), 0, rounds)

    @property
    def are_followed(self) -> bool:
        """Whether there is anything that a step may be the end of."""
        return bool(self._built or self._states)

    @guarded
    def stepped(self, optimizer: Any, place: Place, addresses: Iterable[int]) -> None:
        """An optimizer has stepped at `place`: it wrote what is at these addresses."""
        for where, built in self._built.items():
            if built.optimizer() is optimizer:
                built.steps += 1
                if built.rounds > 1:
                    self._watch.records.note(RebuiltNote(where, place))
        if self._states:
            self._note_states(place, addresses)

    # --------------------------------------------------------- state dicts

    def _wrap_state(self, original: Callable[..., Any]) -> Callable[..., Any]:
        watch = self._watch

        def state_dict(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            frame = sys._getframe(1)
            if watch.is_direct(frame):
                self._handed_out(result, frame)
            return result

        return dressed(state_dict, original)

    @guarded
    def _handed_out(self, state: Any, frame: FrameType) -> None:
        addresses = frozenset(address_of(value) for value in state.values() if is_plain(value))
        self._states = [kept for kept in self._states if kept.ref() is not None]
        self._states.append(_State(weakref.ref(state), self._watch.frames.place(frame), addresses))

    def _note_states(self, place: Place, written: Iterable[int]) -> None:
        addresses = frozenset(written)
        self._states = [kept for kept in self._states if kept.ref() is not None]
        for kept in [kept for kept in self._states if not kept.addresses.isdisjoint(addresses)]:
            self._watch.records.note(StateNote(kept.place, place))
            self._states.remove(kept)

    # ---------------------------------------------------------------- order

    def _wrap_clear(self, original: Callable[..., Any]) -> Callable[..., Any]:
        layers, hook, resume = self._watch.layers, self._watch.tracer.hook, self._watch.tracer.resume

        def zero_grad(*args: Any, **kwargs: Any) -> Any:
            paused = get_trace() is hook
            if paused:
                set_trace(None)
            try:
                frame = sys._getframe(1)
                if layers[frame.f_code.co_filename] is Layer.USER:
                    self._cleared = (frame.f_code, frame.f_lasti)
                return original(*args, **kwargs)
            finally:
                if paused:
                    resume()

        return dressed(zero_grad, original)

    @guarded
    def found_nothing(self, optimizer: Any, frame: FrameType, lost: Place | None) -> None:
        """An optimizer is about to step without gradients; those of the pass at `lost` were cleared before."""
        user, _ = self._watch.reach(frame)
        if lost is None:
            self._idle.add(optimizer)
        elif user is not None:
            early = optimizer in self._idle
            kind = Disorder.STEP_BEFORE_BACKWARD if early else Disorder.CLEARED_BEFORE_STEP
            cleared = None if self._cleared is None else self._watch.frames.locate(*self._cleared)
            self._watch.records.note(DisorderNote(self._watch.frames.place(user), kind, lost, cleared))

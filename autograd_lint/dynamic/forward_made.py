"""Notices Parameters that a `forward` of the user's makes anew on each call."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.frames import first_argument
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import MadeNote, Place, Spot
from autograd_lint.dynamic.watch import Watch

_DEPTH: Final = 64
_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class _Made:
    """A Parameter, the class of what it is part of, and the number of the call that made it."""

    spot: Spot
    kind: str
    call: int
    parameter: weakref.ref[Any]


@dataclass(slots=True)
class _Owner:
    """A module whose forward makes Parameters: how often it has returned, and what was made last, by place."""

    module: weakref.ref[torch.nn.Module]
    name: str
    returned: int = 0
    made: dict[Place, _Made] = field(default_factory=dict)
    again: list[tuple[_Made, _Made]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Who makes a Parameter: the forward of `owner`, by building a `kind` at the line that `frame` runs."""

    owner: torch.nn.Module
    kind: str
    frame: FrameType


class ForwardMade:
    """The Parameters that forwards have made so far."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._owners: dict[int, _Owner] = {}
        self._told: set[Place] = set()

    def install(self, patches: Patches) -> None:
        """Replace what makes Parameters."""
        wrapper = self._wrap(torch.nn.Parameter.__new__)
        patches.set(torch.nn.Parameter, "__new__", staticmethod(wrapper))

    def _wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def new(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self._made(result, sys._getframe(1))
            return result

        return dressed(new, original)

    @guarded
    def _made(self, parameter: Any, frame: FrameType) -> None:
        if not isinstance(parameter, torch.nn.Parameter) or not parameter.requires_grad:
            return
        origin = self._origin(frame) if torch.is_grad_enabled() else None
        if origin is None:
            return
        owner = self._owners.get(id(origin.owner))
        if owner is None or owner.module() is not origin.owner:
            if len(self._owners) > _KEPT:
                self._owners.clear()
            owner = _Owner(weakref.ref(origin.owner), type(origin.owner).__name__)
            self._owners[id(origin.owner)] = owner
        spot = self._watch.frames.spot(origin.frame)
        before = owner.made.get(spot.place)
        made = owner.made[spot.place] = _Made(spot, origin.kind, owner.returned, weakref.ref(parameter))
        if before is not None and before.call < made.call:
            owner.again.append((before, made))

    def _origin(self, frame: FrameType | None) -> _Origin | None:
        """The forward of the user's in which this happens, if no constructor of a Module is in between."""
        inner, kind = frame, "Parameter"
        for _ in range(_DEPTH):
            if frame is None:
                return None
            name = frame.f_code.co_name
            if name == "__init__" or (name == "forward" and self._watch.is_direct(frame)):
                module = first_argument(frame)
                if isinstance(module, torch.nn.Module):
                    if name == "forward":
                        user = self._watch.frames.nearest(inner)
                        return None if user is None else _Origin(module, kind, user)
                    inner, kind = frame.f_back, type(module).__name__
            frame = frame.f_back
        return None

    @guarded
    def returned(self, frame: FrameType) -> None:
        """A forward of the user's is about to return: has it dropped what the call before made at the same place?"""
        if not self._owners:
            return
        module = first_argument(frame)
        owner = self._owners.get(id(module))
        if owner is None or owner.module() is not module or not isinstance(module, torch.nn.Module):
            return
        owner.returned += 1
        known = {id(parameter) for parameter in module.parameters()} if owner.again else set()
        for first, second in owner.again:
            if id(first.parameter()) not in known:
                self._told.add(second.spot.place)
                note = MadeNote(second.spot, owner.name, second.kind, kept=id(second.parameter()) in known)
                self._watch.records.note(note)
        owner.again.clear()

    @guarded
    def end(self) -> None:
        """Where a forward ran once only, what it made and dropped tells what it would do again."""
        for owner in self._owners.values():
            for place, made in owner.made.items():
                if place not in self._told and owner.returned == 1 and made.parameter() is None:
                    self._watch.records.note(MadeNote(made.spot, owner.name, made.kind, once=True))

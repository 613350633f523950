"""Looks at the user's Modules when their constructor has ended: what they hold, and have not registered."""

from __future__ import annotations

import dis
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.frames import first_argument
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.records import Place, UnregisteredNote
from autograd_lint.dynamic.watch import Watch, address_of, is_leaf
from autograd_lint.events import Holder

_HOLDERS: Final[dict[type, Holder]] = {list: Holder.LIST, tuple: Holder.TUPLE, set: Holder.SET, dict: Holder.DICT}
_OWN_WAYS: Final = ("parameters", "named_parameters", "__setattr__", "__getattr__", "_apply")
"""A class that defines one of these may look after what it holds by itself."""
_CALLS: Final = 6
_DEPTH: Final = 3
_KEPT: Final = 4096


@dataclass(slots=True)
class _Bound:
    """A module under construction, and where its attributes were bound."""

    module: weakref.ref[torch.nn.Module]
    places: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Held:
    """What was not registered when the constructor ended. Whoever is given `parameters` later looks after them."""

    note: UnregisteredNote
    module: weakref.ref[torch.nn.Module]
    parameters: tuple[weakref.ref[torch.Tensor], ...]


class Construction:
    """The modules whose constructors run, and what was found at their ends."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._bound: dict[int, _Bound] = {}
        self._held: list[_Held] = []

    @guarded
    def bound(self, module: torch.nn.Module, name: str, value: Any, frame: FrameType) -> None:
        """An attribute was bound to a container or a tensor; of interest while the user's constructor runs."""
        if not self._watch.is_direct(frame) or not _is_under_construction(module, frame):
            return
        if len(self._bound) > _KEPT:
            self._bound = {key: known for key, known in self._bound.items() if known.module() is not None}
        known = self._bound.get(id(module))
        if known is None or known.module() is not module:
            known = self._bound[id(module)] = _Bound(weakref.ref(module))
        known.places[name] = self._watch.frames.place(frame)

    @guarded
    def constructed(self, frame: FrameType) -> None:
        """A constructor of the user's is about to return, or to be left by an exception."""
        module = first_argument(frame)
        known = self._bound.get(id(module))
        if known is None or known.module() is not module or not isinstance(module, torch.nn.Module):
            return
        if getattr(type(module).__init__, "__code__", None) is not frame.f_code:
            return  # of a base class
        del self._bound[id(module)]
        if _returns(frame) and not _looks_after_itself(type(module)):
            given = _identities(frame)
            for name, place in known.places.items():
                self._look(module, name, place, given)

    def _look(self, module: torch.nn.Module, name: str, place: Place, given: frozenset[int]) -> None:
        value = vars(module).get(name)
        registered = _Registered(module)
        lost = [] if id(value) in given else [m for m in _members(value) if id(m) not in given and registered.lacks(m)]
        for group in ([m for m in lost if not _is_plain(m)], [m for m in lost if _is_plain(m)]):
            if group:
                parameter = not _is_plain(group[0])
                member = type(group[0]).__name__ if parameter else "tensor"
                holder = _HOLDERS.get(type(value), Holder.ATTRIBUTE)
                note = UnregisteredNote(place, name, type(module).__name__, holder, member, parameter, len(group))
                held = tuple(weakref.ref(p) for each in group for p in _parameters(each))
                self._held.append(_Held(note, weakref.ref(module), held))

    @guarded
    def own(self, parameters: Iterable[Any]) -> None:
        """An optimizer was given these."""
        if self._held:
            owned = {id(parameter) for parameter in parameters}
            self._held = [held for held in self._held if owned.isdisjoint(map(id, _alive(held)))]

    @guarded
    def end(self) -> None:
        """Note what nobody has registered since."""
        for held in self._held:
            module = held.module()
            known = set() if module is None else {id(parameter) for parameter in module.parameters()}
            if known.isdisjoint(map(id, _alive(held))):
                self._watch.records.note(held.note)


class _Registered:
    """What a module knows of."""

    def __init__(self, module: torch.nn.Module) -> None:
        parameters = list(module.parameters())
        self._known = {*map(id, module.modules()), *map(id, parameters)}
        self._memories = {address_of(parameter) for parameter in parameters}

    def lacks(self, member: Any) -> bool:
        """Whether `member` has something to train that the module does not know of."""
        if id(member) in self._known or (_is_plain(member) and address_of(member) in self._memories):
            return False
        return any(id(parameter) not in self._known for parameter in _parameters(member))


def _alive(held: _Held) -> list[torch.Tensor]:
    return [parameter for parameter in (ref() for ref in held.parameters) if parameter is not None]


def _is_under_construction(module: torch.nn.Module, frame: FrameType | None) -> bool:
    for _ in range(_CALLS):
        if frame is None:
            return False
        if frame.f_code.co_name == "__init__" and first_argument(frame) is module:
            return True
        frame = frame.f_back
    return False


def _returns(frame: FrameType) -> bool:
    """Whether a frame that ends does so by a `return`."""
    instruction = dis.opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
    return instruction.startswith("RETURN_")


def _looks_after_itself(kind: type) -> bool:
    """Whether a class of the user's, between this one and Module, has its own way to register."""
    classes = kind.__mro__[: kind.__mro__.index(torch.nn.Module)]
    return any(name in vars(each) for each in classes for name in _OWN_WAYS)


def _identities(frame: FrameType) -> frozenset[int]:
    """What a constructor was given or finds around it, which others may look after."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    names = (*code.co_varnames[1:count], *code.co_freevars)
    found: list[Any] = [frame.f_locals.get(name) for name in names]
    found += [value for value in frame.f_globals.values() if isinstance(value, torch.Tensor | torch.nn.Module)]
    items = (item for value in found if type(value) in _HOLDERS for item in _members(value))
    return frozenset(map(id, (*found, *items)))


def _members(value: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(value, torch.Tensor) or (isinstance(value, torch.nn.Module) and depth):
        yield value
    elif depth < _DEPTH and type(value) in _HOLDERS:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _members(item, depth + 1)


def _is_plain(member: Any) -> bool:
    return type(member) is torch.Tensor


def _parameters(member: Any) -> list[torch.Tensor]:
    """What of a member is to be trained."""
    if isinstance(member, torch.nn.Module):
        return [parameter for parameter in member.parameters() if parameter.requires_grad]
    return [member] if isinstance(member, torch.Tensor) and member.requires_grad and is_leaf(member) else []

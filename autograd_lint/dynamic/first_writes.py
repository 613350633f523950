"""Looks closer at what is written when a place writes for the first time: a copy nobody has, the gradient of a hook."""

from __future__ import annotations

import ast
from itertools import islice
from types import CodeType, FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.records import HookWriteNote, LostWriteNote, Place
from autograd_lint.dynamic.syntax import Sources, base_name
from autograd_lint.dynamic.watch import Watch, address_of, is_plain

_ELEMENTS: Final = 32


class FirstWrites:
    """What the user's own code writes to. `hooks` are the functions registered on tensors, and where."""

    def __init__(self, watch: Watch, sources: Sources) -> None:
        self._watch = watch
        self._sources = sources
        self._hooks: dict[int, tuple[CodeType, Place]] = {}

    def add_hook(self, hook: Any, place: Place) -> None:
        """A hook on a tensor was registered."""
        code = getattr(hook, "__code__", None)
        if isinstance(code, CodeType):
            self._hooks[id(code)] = (code, place)

    @guarded
    def look(self, target: torch.Tensor, op: str, frame: FrameType) -> None:
        """`frame` is about to write `target`."""
        registered = self._hooks.get(id(frame.f_code))
        if registered is not None and self._is_gradient(target, frame):
            place = self._watch.frames.place(frame)
            self._watch.records.note(HookWriteNote(place, op, registered[1]))
        elif self._is_lost(target, frame):
            self._watch.records.note(LostWriteNote(self._watch.frames.place(frame), op))

    @guarded
    def argument(self, target: torch.Tensor, frame: FrameType) -> str:
        """The argument of the function of `frame` that holds `target`, if a variable of the caller's holds it too."""
        code, outer = frame.f_code, self._watch.frames.nearest(frame.f_back)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if not names or outer is None or code.co_name.endswith("_"):
            return ""  # `def scale_(x)`: the name says that it writes its argument
        address, mine, others = address_of(target), frame.f_locals, outer.f_locals
        if not address or not any(_holds(value, address) for value in others.values()):
            return ""
        held = (name for name in names if is_plain(mine.get(name)) and address_of(mine[name]) == address)
        return next(held, "")

    def _is_gradient(self, target: torch.Tensor, frame: FrameType) -> bool:
        """Whether `target` is what the hook was given: behind `self`, if it is a method."""
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        given = (frame.f_locals.get(name) for name in names)
        return any(isinstance(value, torch.Tensor) and address_of(value) == address_of(target) for value in given)

    def _is_lost(self, target: torch.Tensor, frame: FrameType) -> bool:
        """Whether the statement writes to `x[…]`, and that has other memory than `x`."""
        place = self._watch.frames.place(frame)
        match self._sources.node_at(place):
            case ast.Call(func=ast.Attribute(value=ast.Subscript(value=ast.Name(id=name)))) as call:
                parent = self._sources.of(place.filename).parents.get(call)
                base = frame.f_locals.get(name, frame.f_globals.get(name))
                if not isinstance(base, torch.Tensor) or not is_plain(base):
                    return False
                return isinstance(parent, ast.Expr) and address_of(base) != address_of(target)
        return False


def _holds(value: Any, address: int) -> bool:
    """Whether a variable's value is the tensor at `address`, or a plain container that it is in."""
    if type(value) in (list, tuple, dict):
        parts = islice(value.values() if isinstance(value, dict) else value, _ELEMENTS)
        return any(is_plain(part) and address_of(part) == address for part in parts)
    return is_plain(value) and address_of(value) == address


def indexed_name(node: ast.AST | None) -> str:
    """The name of what `x[…].op(…)` indexes."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Subscript() as indexed)):
            return base_name(indexed)
    return ""

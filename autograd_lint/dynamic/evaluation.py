"""Notices forwards in evaluation mode that build a graph which no backward uses."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import EvalNote, Place
from autograd_lint.dynamic.watch import Watch, is_plain

_KEPT: Final = 1024


@dataclass(slots=True)
class _Forwards:
    """The forwards at one place since the last backward: how many have built a graph, on which module."""

    module: int
    mode: Place
    count: int = 0


class Evaluation:
    """The modules that were put into evaluation mode, and where; calls are followed once there is one."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._patches: Patches | None = None
        self._modes: dict[int, tuple[weakref.ref[torch.nn.Module], Place]] = {}
        self._open: dict[Place, _Forwards] = {}

    def install(self, patches: Patches) -> None:
        """Replace what switches between the modes."""
        module, self._patches = torch.nn.Module, patches
        patches.set(module, "eval", self._wrap_mode(module.eval, self._evaluates))
        patches.set(module, "train", self._wrap_mode(module.train, self._trains))

    def _wrap_mode(self, original: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        watch = self._watch

        def switch(module: Any, /, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            frame = sys._getframe(1)
            if watch.is_direct(frame):
                note(module, frame)
            return result

        return dressed(switch, original)

    @guarded
    def _evaluates(self, module: torch.nn.Module, frame: FrameType) -> None:
        if not self._modes and self._patches is not None:
            original: Any = torch.nn.Module.__call__
            self._patches.set(torch.nn.Module, "__call__", self._wrap_call(original))
            self._patches = None
        if len(self._modes) > _KEPT:
            self._modes.clear()
        self._modes[id(module)] = (weakref.ref(module), self._watch.frames.place(frame))

    @guarded
    def _trains(self, module: torch.nn.Module, frame: FrameType) -> None:
        """Training goes on: no backward has come in between."""
        if module.training:
            self._finish(id(module))

    def _wrap_call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        watch, called = self._watch, self._called

        def call(module: Any, /, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            if not module.training and torch.is_grad_enabled():
                frame = sys._getframe(1)
                if watch.is_direct(frame):
                    called(module, result, frame)
            return result

        return dressed(call, original)

    @guarded
    def _called(self, module: torch.nn.Module, result: Any, frame: FrameType) -> None:
        known = self._modes.get(id(module))
        if known is None or known[0]() is not module or not _has_graph(result) or self._is_inside_a_forward(frame):
            return
        place = self._watch.frames.place(frame)
        found = self._open.get(place)
        if found is None or found.module != id(module):
            found = self._open[place] = _Forwards(id(module), known[1])
        found.count += 1

    def _is_inside_a_forward(self, frame: FrameType | None) -> bool:
        """Whether some Module's own `forward` is at work: whoever called it decides."""
        while frame is not None:
            if frame.f_code.co_name == "forward" and self._watch.is_direct(frame):
                return True
            frame = frame.f_back
        return False

    def pass_begins(self) -> None:
        """A backward, whatever it runs through."""
        self._open.clear()

    def end(self) -> None:
        """The program is over."""
        self._finish(None)

    def _finish(self, module: int | None) -> None:
        for place, found in list(self._open.items()):
            if module is None or found.module == module:
                del self._open[place]
                if found.count > 1:
                    self._watch.records.note(EvalNote(place, found.mode))


def _has_graph(result: Any) -> bool:
    items = result if isinstance(result, list | tuple) else (result,)
    return any(is_plain(item) and item.grad_fn is not None for item in items)

"""Notices calls of torch's own tools whose arguments tell a fault: checks, checkpoints, clipping, anomaly detection."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import torch
import torch.utils.checkpoint

from autograd_lint.dynamic.forward_warnings import call_from
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import AnomalyNote, CheckNote, CheckpointNote, ClipNote, Place
from autograd_lint.dynamic.watch import Watch, is_leaf, is_plain

_LOW: Final = (torch.float32, torch.float16, torch.bfloat16, torch.complex64)
_CLIPS: Final = ("clip_grad_norm_", "clip_grad_value_")


class Tools:
    """The wrappers; what is called by a library is the library's affair."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._anomaly: Place | None = None
        self._is_gradient: Callable[[torch.Tensor], bool] = lambda tensor: False

    def install(self, patches: Patches, is_gradient: Callable[[torch.Tensor], bool]) -> None:
        """Replace the tools. `is_gradient` knows what the user has from a `.grad`."""
        self._is_gradient = is_gradient
        for name in ("gradcheck", "gradgradcheck"):
            patches.set(torch.autograd, name, self._wrap(getattr(torch.autograd, name), self._checks(name)))
        for name, first in (("checkpoint", 1), ("checkpoint_sequential", 2)):
            original = getattr(torch.utils.checkpoint, name)
            patches.set(torch.utils.checkpoint, name, self._wrap(original, self._checkpoints(name, first)))
        for name in _CLIPS:
            wrapper = self._wrap(getattr(torch.nn.utils, name), self._clips(name))
            patches.set(torch.nn.utils, name, wrapper)
            patches.set(torch.nn.utils.clip_grad, name, wrapper)
        self._install_anomaly(patches)

    def _wrap(self, original: Callable[..., Any], note: Callable[..., Any]) -> Callable[..., Any]:
        watch = self._watch

        def call(*args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            if not watch.is_direct(frame):
                return original(*args, **kwargs)
            note(frame, *args, **kwargs)
            return call_from(frame, original, *args, **kwargs)

        return dressed(call, original)

    # -------------------------------------------------------------- checks

    def _checks(self, name: str) -> Callable[..., Any]:
        def note(frame: FrameType, *args: Any, **kwargs: Any) -> None:
            # Whoever chose `eps` or `atol` has thought of the precision.
            if len(args) == 2 and kwargs.keys().isdisjoint(("eps", "atol")):
                self._checked(frame, name, args[1])

        return note

    @guarded
    def _checked(self, frame: FrameType, name: str, inputs: Any) -> None:
        alone = isinstance(inputs, torch.Tensor)
        for position, value in enumerate([inputs] if alone else inputs):
            if is_plain(value) and value.requires_grad and value.dtype in _LOW:
                place, dtype = self._watch.frames.place(frame), str(value.dtype).removeprefix("torch.")
                self._watch.records.note(CheckNote(place, name, dtype, None if alone else position))
                return

    # --------------------------------------------------------- checkpoints

    def _checkpoints(self, name: str, first: int) -> Callable[..., Any]:
        def note(frame: FrameType, *args: Any, **kwargs: Any) -> None:
            self._checkpointed(frame, name, args[:1], args[first:], kwargs.get("use_reentrant"))

        return note

    @guarded
    def _checkpointed(self, frame: FrameType, name: str, run: Any, inputs: Any, reentrant: bool | None) -> None:
        if reentrant is False or not torch.is_grad_enabled():
            return
        tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
        plain = not any(tensor.requires_grad for tensor in tensors)
        lost = plain and any(isinstance(f, torch.nn.Module) and _is_trained(f) for f in run)
        if reentrant is None or lost:
            place = self._watch.frames.place(frame)
            self._watch.records.note(CheckpointNote(place, name, reentrant, lost))

    # ------------------------------------------------------------ clipping

    def _clips(self, name: str) -> Callable[..., Any]:
        def note(frame: FrameType, *args: Any, **kwargs: Any) -> None:
            given = args[0] if args else kwargs.get("parameters")
            if isinstance(given, torch.Tensor | list | tuple):  # anything else would be used up by looking
                self._clipped(frame, name, given)

        return note

    @guarded
    def _clipped(self, frame: FrameType, op: str, given: Any) -> None:
        alone = isinstance(given, torch.Tensor)
        items = [given] if alone else list(given)
        without = [number for number, item in enumerate(items) if is_plain(item) and self._has_no_gradient(item)]
        if without:
            place, item = self._watch.frames.place(frame), items[without[0]]
            position = None if alone else without[0]
            partly = len(without) < len(items)
            made = self._watch.node_of(item)
            self._watch.records.note(ClipNote(place, op, position, partly, made, gradient=is_leaf(item)))

    def _has_no_gradient(self, tensor: torch.Tensor) -> bool:
        """Whether it is a gradient itself, or no leaf and was not told to keep its gradient."""
        return self._is_gradient(tensor) if is_leaf(tensor) else not tensor.retains_grad

    # ------------------------------------------------------------- anomaly

    def _install_anomaly(self, patches: Patches) -> None:
        kind: Any = torch.autograd.set_detect_anomaly
        original, watch = kind.__init__, self._watch

        def begin(mode: Any, /, *args: Any, **kwargs: Any) -> None:
            before = torch.is_anomaly_enabled()
            original(mode, *args, **kwargs)
            frame = sys._getframe(1)
            if not before and torch.is_anomaly_enabled() and watch.is_direct(frame):
                self._anomaly = watch.frames.place(frame)

        patches.set(kind, "__init__", dressed(begin, original))

    def end(self) -> None:
        """The watch ends: what is on now stays on."""
        if self._anomaly is not None and torch.is_anomaly_enabled():
            self._watch.records.note(AnomalyNote(self._anomaly))


def _is_trained(module: torch.nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())

"""Saved-tensor hooks that see every save where it happens, and check versions in torch's place.

Active hooks switch torch's own check off, so it is made here, with torch's own words. Two things must be kept in mind
(both were met): a hook that returned its argument would keep a graph alive for ever, as an output owns its node; and a
leaf must be kept as it is, or `leaf.data = …` would not reach backward as it does without hooks.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import Moment, NodeFacts, Place, Spot, StaleSave, StoppedWrite
from autograd_lint.dynamic.saves import silent_write
from autograd_lint.dynamic.tracer import Tracer
from autograd_lint.dynamic.watch import Watch, address_of, version_of

_KEPT: Final = 1 << 16
_HINT: Final = (
    " Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)


class SavedTensorWritten(RuntimeError):
    """Raised before a write to a tensor that is saved for backward, where that was asked for."""


class Packed:
    """What stands in the graph for a saved tensor: `kept` has its memory, the rest is what it was like then."""

    __slots__ = ("__weakref__", "address", "code", "kept", "lasti", "moment", "origin", "ref", "version")

    def __init__(self, tensor: torch.Tensor, moment: Moment, frame: FrameType | None) -> None:
        self.kept = tensor if tensor.is_leaf else torch._C.TensorBase.detach(tensor)
        self.ref = weakref.ref(tensor)
        self.version = version_of(tensor)
        self.address = address_of(tensor)
        self.origin = _origin(tensor)
        self.moment = moment
        self.code: CodeType | None = None if frame is None else frame.f_code
        self.lasti = -1 if frame is None else frame.f_lasti


def _origin(tensor: torch.Tensor) -> tuple[Any, int] | None:
    """The name of the node that made the tensor, and which of its outputs it is, as torch tells once it was written."""
    if tensor.is_leaf:
        return None
    try:
        node = tensor.grad_fn
    except RuntimeError:
        return None  # a view that torch refuses to use any more
    if node is None:
        return None
    # The node of a view is made anew once its base was written, which is when this is asked for.
    return ("AsStrided", 0) if tensor._is_view() else (node.name(), tensor.output_nr)


class SaveHooks:
    """The hooks, on for every thread that starts while they are installed."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._live: dict[int, list[weakref.ref[Packed]]] = {}
        self._needed = threading.local()

    # ----------------------------------------------------------- installing

    def install(self, patches: Patches) -> None:
        """Turn the hooks on; off while `torch.func`, which refuses hooks, is at work."""
        self._push()
        patches.on_undo(self._pop)
        module = torch._C._autograd
        for name, action in (("_saved_tensors_hooks_disable", self._pop), ("_saved_tensors_hooks_enable", self._push)):
            patches.set(module, name, self._around(getattr(module, name), action, before=action == self._pop))
        run = threading.Thread.run

        def run_with_hooks(thread: threading.Thread) -> None:
            self._push()
            try:
                run(thread)
            finally:
                self._pop()

        patches.set(threading.Thread, "run", dressed(run_with_hooks, run))

    def _push(self) -> None:
        torch._C._autograd._push_saved_tensors_default_hooks(self._pack, self._unpack)

    def _pop(self) -> None:
        torch._C._autograd._pop_saved_tensors_default_hooks()

    def _around(self, original: Callable[..., Any], action: Callable[[], None], *, before: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if before:
                action()
            result = original(*args, **kwargs)
            if not before:
                action()
            return result

        return dressed(call, original)

    # ---------------------------------------------------------------- hooks

    def _pack(self, tensor: torch.Tensor) -> Packed:
        watch = self._watch
        frame = watch.frames.nearest(sys._getframe(1))
        # The node that saves has its number already.
        moment = Moment(watch.log.tick, threading.get_ident(), watch.next_number() - 1)
        packed = Packed(tensor, moment, frame)
        if frame is not None:
            watch.tracer.saved(moment.seq, frame)
        if len(self._live) > _KEPT:
            self._live = {key: refs for key, refs in self._live.items() if any(ref() is not None for ref in refs)}
        live = self._live.setdefault(packed.address, [])
        live[:] = [ref for ref in live if ref() is not None]
        live.append(weakref.ref(packed))
        return packed

    def _unpack(self, packed: Packed) -> torch.Tensor:
        found = version_of(packed.kept)
        if found != packed.version:
            self._note(packed, found)
            raise RuntimeError(_text(packed, found))
        if self._watch.log.silent_tick:
            self._note_silent(packed)
        return packed.kept

    @guarded
    def _note(self, packed: Packed, found: int) -> None:
        watch = self._watch
        needed: Spot | None = getattr(self._needed, "spot", None)
        write = watch.log.first_after(packed.address, packed.moment, packed.version)
        if needed is None or write is None:
            return
        node = NodeFacts(_current_name(), self.place_of(packed))
        stale = StaleSave(node, "", needed, write, version_saved=packed.version, version_found=found)
        watch.records.stale[stale] = None

    @guarded
    def _note_silent(self, packed: Packed) -> None:
        needed: Spot | None = getattr(self._needed, "spot", None)
        if needed is None or address_of(packed.kept) not in self._watch.log.exposed:
            return
        write = silent_write(self._watch, packed.kept, packed.ref(), packed.moment)
        if write is not None:
            node = NodeFacts(_current_name(), self.place_of(packed))
            self._watch.records.stale[StaleSave(node, "", needed, write, silent=True)] = None

    def place_of(self, packed: Packed) -> Place | None:
        """Where a tensor was saved."""
        return None if packed.code is None else self._watch.frames.locate(packed.code, packed.lasti)

    def needed_at(self, spot: Spot | None) -> None:
        """A backward of this thread begins at `spot`, or has ended."""
        self._needed.spot = spot

    def refuse(self, tensor: torch.Tensor) -> None:
        """Raise if a graph still needs what `tensor`, which is about to be written, holds now."""
        for ref in self._live.get(address_of(tensor), ()):
            packed = ref()
            if packed is not None and version_of(packed.kept) == packed.version:
                saved = self.place_of(packed)
                self._note_stopped(saved)
                raise SavedTensorWritten(self._refusal(saved))

    @guarded
    def _note_stopped(self, saved: Place | None) -> None:
        user, _ = self._watch.reach(sys._getframe(1))
        if user is not None:
            place = self._watch.frames.locate(user.f_code, user.f_lasti)
            self._watch.records.stopped.append(StoppedWrite(place, saved))

    @staticmethod
    def _refusal(place: Place | None) -> str:
        where = "" if place is None else f" at {place.shown}"
        return f"autograd-lint: this changes a tensor that was saved for backward{where} and is still needed"


class SaveTracer(Tracer):
    """Knows the places of nodes that saved something, and traces nothing: for use beside another tracer."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self._spots: dict[tuple[int, int], tuple[CodeType, int, int, int]] = {}

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def saved(self, number: int, frame: FrameType) -> None:
        """The node with this number saves something now."""
        if len(self._spots) > _KEPT:
            for key in list(self._spots)[: _KEPT // 2]:
                del self._spots[key]
        spot = (frame.f_code, frame.f_lasti, frame.f_lineno, self.log.tick)
        self._spots[threading.get_ident(), number] = spot

    def _find(self, number: int, thread: int) -> tuple[CodeType, int, int, int] | None:
        return self._spots.get((thread, number))


def _current_name() -> str:
    node = torch._C._current_autograd_node()
    return "" if node is None else str(node.name())


def _text(packed: Packed, found: int) -> str:
    """The words of torch/csrc/autograd/saved_variable.cpp."""
    tensor = packed.kept
    made = ""
    if packed.origin is not None:
        name, number = packed.origin
        made = f", which is output {number} of {name.removesuffix('0').removesuffix('Backward')},"
    return (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{tensor.type()} {list(tensor.shape)}]{made} is at version {found}; "
        f"expected version {packed.version} instead.{_HINT}"
    )

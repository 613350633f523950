"""Notices the ways to a tensor's memory that go around its version counter: `.data`, NumPy, storages.

What is written through NumPy calls nothing of torch. While such an array is alive, its memory is compared at each line.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.forward_warnings import call_from
from autograd_lint.dynamic.frames import shown_filename
from autograd_lint.dynamic.gradients import Gradients
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import AliasUse, Moment, Place, RefusedNote, Spot, Via, WriteFacts, row_of
from autograd_lint.dynamic.refusals import refusal_of_call
from autograd_lint.dynamic.watch import Watch, address_of, is_leaf, is_plain
from autograd_lint.events import Refusal

_BASE: Final[Any] = torch._C.TensorBase
_DATA: Final[Any] = _BASE.__dict__["data"]
_LARGEST: Final = 1 << 16
"""Bytes of memory that are compared at each line; larger arrays are not."""
_MOST: Final = 16
_READS: Final = ("item", "tolist", "__repr__", "__format__", "__float__", "__int__", "__bool__", "numpy", "__array__")
_LEAVING: Final = ("item", "tolist", "__float__", "__int__")
"""The reads that make numbers one can compute on."""


@dataclass(slots=True)
class _Exposed:
    """Memory that an array of NumPy shares. `held` keeps it until the line that made the array has run."""

    address: int
    size: int
    array: weakref.ref[Any]
    held: Any
    sum: int
    tick: int


class Memory:
    """Watches aliases: made where, written where, read where."""

    def __init__(self, watch: Watch, gradients: Gradients) -> None:
        self._watch = watch
        self._gradients = gradients
        self._exposed: list[_Exposed] = []
        self._before = ("", 0)

    def install(self, patches: Patches) -> None:
        """Replace what makes aliases, and what reads values."""
        patches.set(torch.Tensor, "detach", self._wrap_detach(torch.Tensor.detach))
        patches.set(torch.Tensor, "data", property(self._get_data(), self._set_data(), None, _DATA.__doc__))
        for name in _READS:
            patches.set(torch.Tensor, name, self._wrap_read(getattr(torch.Tensor, name), name))
        for name in ("from_numpy", "as_tensor", "asarray", "from_dlpack"):
            patches.set(torch, name, self._wrap_from(getattr(torch, name)))
        patches.set(torch.Tensor, "untyped_storage", self._wrap_storage(torch.Tensor.untyped_storage))

    # --------------------------------------------------------- aliases

    @guarded
    def _made(self, source: torch.Tensor, result: Any, how: str, frame: FrameType) -> None:
        watch = self._watch
        address = address_of(source)
        watch.aliases.add(result, how, watch.frames.place(frame), address=address, tick=watch.log.tick)
        if how == "data":
            watch.log.expose(address)
            self._gradients.pass_on(source, result)

    def _wrap_detach(self, original: Callable[..., Any]) -> Callable[..., Any]:
        watch, made, cut = self._watch, self._made, self._gradients.unreached.cut

        def detach(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            frame = sys._getframe(1)
            if watch.is_direct(frame) and is_plain(args[0]):
                made(args[0], result, "detach", frame)
                cut(args[0], "detach", frame)
            return result

        return dressed(detach, original)

    def _get_data(self) -> Callable[[Any], Any]:
        watch, made, cut = self._watch, self._made, self._gradients.unreached.cut

        def get(tensor: Any) -> Any:
            result = _DATA.__get__(tensor)
            frame = sys._getframe(1)
            if watch.is_direct(frame) and is_plain(tensor):
                made(tensor, result, "data", frame)
                if not is_leaf(tensor):
                    cut(tensor, "data", frame)
            return result

        return get

    def _set_data(self) -> Callable[[Any, Any], None]:
        watch = self._watch

        def set_data(tensor: Any, value: Any) -> None:
            before = address_of(tensor)
            _DATA.__set__(tensor, value)
            frame = sys._getframe(1)
            # `x.data *= 2` assigns the memory it has written in place.
            if watch.is_direct(frame) and is_plain(tensor) and address_of(tensor) != before:
                self._assigned(tensor, frame)

        return set_data

    @guarded
    def _assigned(self, tensor: torch.Tensor, frame: FrameType) -> None:
        watch, address = self._watch, address_of(tensor)
        facts = WriteFacts(
            self._watch.frames.spot(frame),
            ".data =",
            Via.DATA,
            in_graph=not tensor.is_leaf,
            leaf=tensor.is_leaf,
            parameter=isinstance(tensor, torch.nn.Parameter),
            requires_grad=tensor.requires_grad,
            grad_enabled=torch.is_grad_enabled(),
            silent=True,
        )
        watch.records.writes[facts] = None
        watch.log.expose(address)
        watch.log.assign(tensor, facts)
        watch.log.add(address, facts, seq=watch.next_number(), version=tensor._version)

    # ----------------------------------------------------------- reads

    def _wrap_read(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        watch, aliases, cut = self._watch, self._watch.aliases, self._gradients.unreached.cut
        array = name in ("numpy", "__array__")

        def read(*args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            if not is_plain(args[0]):
                return original(*args, **kwargs)
            if args[0].requires_grad and name in _LEAVING and watch.is_direct(frame):
                cut(args[0], name.strip("_"), frame)
            if aliases and watch.is_direct(frame):
                self._read(args[0], frame)
            if not array and args[0].requires_grad:
                return call_from(frame, original, *args, **kwargs)  # torch may warn of it
            if not array:
                return original(*args, **kwargs)
            return self._to_array(original, args, kwargs, frame)

        return dressed(read, original)

    @guarded
    def _read(self, tensor: torch.Tensor, frame: FrameType) -> None:
        """An alias is looked at: was its memory written since it was made, through another name?"""
        alias = self._watch.aliases.find(tensor)
        if alias is None:
            return
        for write in self._watch.log.all_after(alias.address, Moment(alias.tick, 0, -1)):
            if write.in_graph and not write.through:
                place = self._watch.frames.place(frame)
                self._watch.records.aliases[AliasUse(alias.how, alias.place, place, write)] = None
                return

    def _to_array(self, original: Callable[..., Any], args: Any, kwargs: Any, frame: FrameType) -> Any:
        watch, tensor = self._watch, args[0]
        user, _ = watch.reach(frame)
        try:
            result = original(*args, **kwargs)
        except RuntimeError as error:
            reason = refusal_of_call(error)
            if reason is not None and user is not None:
                self._refused(reason, tensor, user)
            raise
        if user is not None:
            self._expose(tensor, result, user)
        return result

    @guarded
    def _refused(self, reason: Refusal, tensor: torch.Tensor, user: FrameType) -> None:
        place = self._watch.frames.place(user)
        self._watch.records.note(RefusedNote(place, reason, self._watch.node_of(tensor)))

    # ----------------------------------------------------------- NumPy

    def _wrap_from(self, original: Callable[..., Any]) -> Callable[..., Any]:
        watch = self._watch

        def convert(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            source = args[0] if args else None
            frame = sys._getframe(1)
            if source is not None and watch.is_direct(frame) and is_plain(result):
                self._converted(source, result, frame)
            return result

        return dressed(convert, original)

    @guarded
    def _converted(self, source: Any, result: torch.Tensor, frame: FrameType) -> None:
        """A tensor was made from an array, or from a tensor through an exchange format: it may share the memory."""
        if type(source).__module__ == "numpy":
            self._expose(result, source, frame)
        elif is_plain(source) and result is not source and address_of(result) == address_of(source):
            self._made(source, result, "data", frame)

    def _wrap_storage(self, original: Callable[..., Any]) -> Callable[..., Any]:
        watch = self._watch

        def untyped_storage(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if watch.is_direct(sys._getframe(1)) and is_plain(args[0]):
                self._expose(args[0], result, sys._getframe(1))
            return result

        return dressed(untyped_storage, original)

    @guarded
    def _expose(self, tensor: torch.Tensor, array: Any, frame: FrameType) -> None:
        address, size = address_of(tensor), _BASE.untyped_storage(tensor).nbytes()
        if not address or not 0 < size <= _LARGEST or tensor.device.type != "cpu":
            return
        total = zlib.crc32(ctypes.string_at(address, size))
        try:
            shared = weakref.ref(array)
        except TypeError:
            return  # no array: a copy was asked for, as a number or a list
        held = _BASE.detach(tensor)
        self._exposed.append(_Exposed(address, size, shared, held, total, self._watch.log.tick))
        del self._exposed[:-_MOST]
        if self._watch.tracer.on_line is None:
            self._before = (frame.f_code.co_filename, frame.f_lineno)
            self._watch.tracer.on_line = self._compare

    @guarded
    def _compare(self, frame: FrameType) -> None:
        """At a line of the user's code: did the line before change exposed memory without torch?"""
        before, self._before = self._before, (frame.f_code.co_filename, frame.f_lineno)
        if not self._exposed:
            self._watch.tracer.on_line = None
            return
        alive = []
        for item in self._exposed:
            if item.held is None and item.array() is None:
                continue
            total = zlib.crc32(ctypes.string_at(item.address, item.size))
            if total != item.sum:
                if not self._watch.log.written_since(item.address, item.tick):
                    self._foreign_write(item.address, row_of(shown_filename(before[0]), before[1]))
                item.sum, item.tick = total, self._watch.log.tick
            item.held = None
            alive.append(item)
        self._exposed = alive

    def _foreign_write(self, address: int, place: Place) -> None:
        log = self._watch.log
        facts = WriteFacts(Spot(place), "", Via.FOREIGN, through="numpy", silent=True)
        self._watch.records.writes[facts] = None
        log.expose(address)
        log.add(address, facts, seq=self._watch.next_number(), version=-1)

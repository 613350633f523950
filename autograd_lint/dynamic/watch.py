"""What the parts of the observer share: the log, the records, and the way from a frame of torch to the user's."""

from __future__ import annotations

import ctypes
import enum
import os
import sys
import threading
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.aliases import AliasTable
from autograd_lint.dynamic.frames import Frames, real_path
from autograd_lint.dynamic.records import NodeFacts, Place, Records
from autograd_lint.dynamic.store import WriteLog
from autograd_lint.dynamic.tracer import Tracer

_TORCH: Final = str(Path(torch.__file__).resolve().parent) + os.sep
_BASE: Final[Any] = torch._C.TensorBase
PLAIN: Final = frozenset((torch.Tensor, torch.nn.Parameter))
"""The types of tensors that nothing of Python stands behind."""
_LARGEST: Final = 1 << 20
"""Bytes of memory that are compared before and after a write that no counter may notice."""


@dataclass(frozen=True, slots=True)
class Files:
    """Exceptions to which files are the user's: `named` is compiled code that is, `foreign` are files that are not."""

    named: Collection[str] = ()
    foreign: Collection[str] = ()


class Layer(enum.Enum):
    """Whose code stands between the user's line and torch's core."""

    USER = "none"
    TORCH = "torch's"
    OPTIMIZER = "an optimizer's"
    MODULE = "a module's"
    OTHER = "another library's"


class _Layers(dict[str, Layer]):
    """By the name that code objects give their file. A dictionary is asked faster than anything written in Python."""

    def __init__(self, frames: Frames) -> None:
        super().__init__()
        self._users = frames.users

    def __missing__(self, filename: str) -> Layer:
        layer = self[filename] = self._find(filename)
        return layer

    def _find(self, filename: str) -> Layer:
        if self._users[filename]:
            return Layer.USER
        path = real_path(filename)
        if not path.startswith(_TORCH):
            return Layer.OTHER
        if path.startswith(f"{_TORCH}optim{os.sep}"):
            return Layer.OPTIMIZER
        return Layer.MODULE if path.startswith(f"{_TORCH}nn{os.sep}modules{os.sep}") else Layer.TORCH


class Watch:
    """One observation. Everything the wrappers need, and nothing that outlives them.

    `refuse` is asked before each write whether it may be; it raises if not.
    """

    def __init__(self, files: Files, make: Callable[[Frames, WriteLog, Callable[[], int]], Tracer]) -> None:
        self.frames = Frames(files.named, files.foreign)
        self.layers = _Layers(self.frames)
        self.log = WriteLog()
        self.records = Records()
        self.aliases = AliasTable()
        self.next_number = _sequence_peek()
        self.refuse: Callable[[torch.Tensor], None] | None = None
        self.tracer = make(self.frames, self.log, self.next_number)

    def reach(self, frame: FrameType | None) -> tuple[FrameType | None, FrameType | None]:
        """The user's frame that led to `frame`, and the innermost one of an optimizer or module in between, if any.

        Neither inside a transform of `torch.func`, whose tensors have no memory of their own.
        """
        layers, between = self.layers, None
        while frame is not None:
            layer = layers[frame.f_code.co_filename]
            if layer is Layer.USER:
                break
            if between is None and (layer is Layer.OPTIMIZER or layer is Layer.MODULE):
                between = frame
            frame = frame.f_back
        if frame is None or torch._C._functorch.peek_interpreter_stack() is not None:
            return None, None
        return frame, between

    def entry_name(self, frame: FrameType, *, otherwise: str) -> str:
        """What the user's code called to get to `frame`; `otherwise` where it called a module."""
        outer: FrameType | None = frame
        while outer is not None and self.layers[outer.f_code.co_filename] is not Layer.USER:
            frame, outer = outer, outer.f_back
        name = frame.f_code.co_name
        return otherwise if name in ("_wrapped_call_impl", "_call_impl") else name

    def is_direct(self, frame: FrameType) -> bool:
        """Whether the caller is the user's code itself."""
        return self.layers[frame.f_code.co_filename] is Layer.USER

    def node(self, node: Any) -> NodeFacts:
        """The name of a node and its place."""
        return NodeFacts(node.name(), self.place_of(node))

    def place_of(self, node: Any) -> Place | None:
        """Where a node was made."""
        return self.tracer.place_of(node._sequence_nr(), threading.get_ident())

    def node_of(self, tensor: torch.Tensor) -> NodeFacts | None:
        """What made a tensor, if it is in the graph. A view that torch would refuse has none to tell."""
        try:
            node = tensor.grad_fn
        except RuntimeError:
            return None
        return None if node is None else self.node(node)


def _sequence_peek() -> Callable[[], int]:
    """Tells the number of this thread's next node; without such numbers all nodes are number 0."""
    peek: Callable[[], int] = getattr(torch.autograd, "_get_sequence_nr", lambda: 0)
    return peek


def address_of(tensor: torch.Tensor) -> int:
    """The address of a tensor's memory; 0 where it has none."""
    try:
        return int(_BASE.untyped_storage(tensor).data_ptr())
    except (RuntimeError, NotImplementedError):
        return 0  # sparse, meta, or wrapped by a transform


def versions_of(tensors: Sequence[torch.Tensor]) -> dict[int, int]:
    """The version counters, by the address of the memory."""
    storage = _BASE.untyped_storage
    try:
        return {storage(tensor).data_ptr(): tensor._version for tensor in tensors}
    except (RuntimeError, NotImplementedError):
        return {address_of(tensor): version_of(tensor) for tensor in tensors}


def checksum(tensor: torch.Tensor) -> int | None:
    """A checksum of all the memory of a tensor; None where that is much, or on a device."""
    storage = _BASE.untyped_storage(tensor)
    size = storage.nbytes()
    if not 0 < size <= _LARGEST or tensor.device.type != "cpu":
        return None
    return zlib.crc32(ctypes.string_at(storage.data_ptr(), size))


def version_of(tensor: torch.Tensor) -> int:
    """The version counter; -1 for inference tensors, which have none."""
    return -1 if tensor.is_inference() else tensor._version


def is_leaf(tensor: torch.Tensor) -> bool:
    """Whether no recorded operation made the tensor. A view whose base was written may refuse to tell: it is none."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False


def is_plain(value: object) -> bool:
    """Whether `value` is a tensor that nothing of Python stands behind; fake and wrapped ones are left alone."""
    return type(value) in PLAIN


def caller(depth: int = 2) -> FrameType:
    """The frame that called the wrapper that calls this."""
    return sys._getframe(depth)

"""Landlock: no file is written, removed or made outside one folder, no TCP, no signal to others. Needs no privilege."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

from autograd_lint.dynamic.sandbox.kernel import system_call

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1

# Reading is not among what is governed, so it stays as it is; starting another program is governed and granted to none.
_EXECUTE, _WRITE, _REMOVE_DIR, _REMOVE_FILE = 1 << 0, 1 << 1, 1 << 4, 1 << 5
_MAKE_DEVICES: Final = 1 << 6 | 1 << 11
_MAKE_DIR, _MAKE_FILE, _MAKE_SOCKET, _MAKE_FIFO, _MAKE_LINK = 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 12
_MOVE, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_GRANTED: Final = _WRITE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _MAKE_FIFO | _MAKE_LINK
_TCP: Final = 1 << 0 | 1 << 1
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 1 << 0 | 1 << 1

MOVES, TRUNCATION, TCP, DEVICES, SIGNALS = 2, 3, 4, 5, 6
"""The version that first governs each."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("granted", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """The version of Landlock that this kernel has; 0: none."""
    if sys.platform != "linux":
        return 0
    try:
        return system_call(_CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(folder: str, available: int) -> None:
    """From now on, for this process and its threads: writing in `folder` and to the null device only."""
    size = 24 if available >= SIGNALS else 16 if available >= TCP else 8
    ruleset = system_call(_CREATE, _ruleset(available), size, 0)
    try:
        _grant(ruleset, folder, _granted(available))
        _grant(ruleset, os.devnull, _granted(available) & (_WRITE | _TRUNCATE))
        system_call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(available: int) -> _Ruleset:
    files = _granted(available) | _EXECUTE | _MAKE_DEVICES | _MAKE_SOCKET
    if available >= DEVICES:
        files |= _DEVICE_CONTROL
    network = _TCP if available >= TCP else 0
    return _Ruleset(files, network, _ABSTRACT_SOCKETS_AND_SIGNALS if available >= SIGNALS else 0)


def _granted(available: int) -> int:
    moves = _MOVE if available >= MOVES else 0
    return _GRANTED | moves | (_TRUNCATE if available >= TRUNCATION else 0)


def _grant(ruleset: int, path: str, granted: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, _PathRule(granted, opened), 0)
    finally:
        os.close(opened)

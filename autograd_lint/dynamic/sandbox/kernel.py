"""The system calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

_SET_PARENT_DEATH_SIGNAL: Final = 1
_SET_CHILD_SUBREAPER: Final = 36
_SET_NO_NEW_PRIVILEGES: Final = 38
_CAPABILITY_VERSION: Final = 0x20080522


def system_call(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """The raw system call `number`; raises OSError when it fails."""
    return _checked(_LIBC.syscall(ctypes.c_long(number), *map(_as_argument, arguments)))


def prctl(option: int, value: int = 0, pointer: ctypes.Structure | None = None) -> int:
    """One of the many settings of a process."""
    third = ctypes.byref(pointer) if pointer is not None else ctypes.c_ulong(0)
    return _checked(_LIBC.prctl(option, ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def die_with_parent(signal: int) -> None:
    """Get `signal` when the parent ends."""
    prctl(_SET_PARENT_DEATH_SIGNAL, signal)


def adopt_orphans(*, adopt: bool = True) -> None:
    """Become the parent of every descendant whose own parent ends; or do so no longer."""
    prctl(_SET_CHILD_SUBREAPER, int(adopt))


def renounce_privileges() -> None:
    """Give up every capability, for ever: no program that is started can bring one back."""
    prctl(_SET_NO_NEW_PRIVILEGES, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_LIBC.capset(header, nothing))


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones."""
    _checked(_LIBC.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    names = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    _checked(_LIBC.mount(*names, ctypes.c_ulong(flags), options.encode() or None))


def _as_argument(value: int | bytes | ctypes.Structure | None) -> object:
    if isinstance(value, int):
        return ctypes.c_long(value)
    return ctypes.byref(value) if isinstance(value, ctypes.Structure) else value


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

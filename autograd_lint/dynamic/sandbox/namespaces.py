"""Namespaces: a machine without network, without other processes, and with a disk that can be read only.

Users may make them on most systems, not in every container: `probe` tries in a process of its own what is allowed here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from autograd_lint.dynamic.sandbox.kernel import mount, system_call, unshare

USER, NETWORK, IPC, PID, MOUNT = "user", "network", "ipc", "pid", "mount"
_FLAGS: Final = {USER: 0x10000000, NETWORK: 0x40000000, IPC: 0x08000000, PID: 0x20000000, MOUNT: 0x00020000}
ALL: Final = frozenset(_FLAGS)

_READ_ONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 8, 1 << 12, 1 << 14, 1 << 18
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE = 442, -100, 0x8000
_ATTRIBUTE_READ_ONLY, _ATTRIBUTE_NO_DEVICES = 1, 4
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_FILES_OF_A_SCRATCH: Final = 10_000


class _MountAttributes(ctypes.Structure):
    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    ]


def probe(folder: str) -> frozenset[str]:
    """The namespaces that this process may make. `folder`: an empty one, for the trial of mounts."""
    if sys.platform != "linux":
        return frozenset()
    as_user = frozenset(_in_trial_process(lambda: _try_all(folder, (USER, NETWORK, IPC, PID))).split())
    if USER in as_user:
        return as_user
    # What a half-made user namespace allowed says nothing: try as the privileged do, without one.
    return frozenset(_in_trial_process(lambda: _try_all(folder, (NETWORK, IPC, PID))).split())


def enter(kinds: frozenset[str]) -> None:
    """Enter new namespaces of `kinds`. The process number space is that of the children, not this process's own."""
    if USER in kinds:
        _enter_user()
    for kind in (NETWORK, IPC, PID, MOUNT):
        if kind in kinds:
            unshare(_FLAGS[kind])


def close_disk(folder: str, size: int) -> None:
    """Make every disk read-only but `folder`, and every device but the harmless ones unusable, in this namespace."""
    mount("none", "/", flags=_RECURSIVE | _PRIVATE)
    devices = [path for path in _DEVICES if os.path.exists(path)]
    for path in devices:
        mount(path, path, flags=_BIND)
    _set_attributes("/", _MountAttributes(set=_ATTRIBUTE_READ_ONLY | _ATTRIBUTE_NO_DEVICES), _AT_RECURSIVE)
    for path in devices:
        _set_attributes(path, _MountAttributes(clear=_ATTRIBUTE_NO_DEVICES), 0)
    _mount_scratch(folder, size)


def show_own_processes() -> bool:
    """Let /proc show this process number space; containers often forbid it."""
    try:
        mount("proc", "/proc", "proc", _READ_ONLY | _NOSUID | _NODEV | _NOEXEC)
    except OSError:
        return False
    return True


def open_scratch(folder: str, size: int) -> None:
    """Cover `folder` by an empty one of at most `size` bytes that ends with this process."""
    unshare(_FLAGS[MOUNT] | _FLAGS[IPC])
    _mount_scratch(folder, size)


def _mount_scratch(folder: str, size: int) -> None:
    options = f"size={size},nr_inodes={_FILES_OF_A_SCRATCH},mode=700"
    mount("scratch", folder, "tmpfs", _NOSUID | _NODEV | _NOEXEC, options)


def _set_attributes(path: str, attributes: _MountAttributes, flags: int) -> None:
    system_call(_MOUNT_SETATTR, _HERE, os.fsencode(path), flags, attributes, ctypes.sizeof(attributes))


def _enter_user() -> None:
    user, group = os.geteuid(), os.getegid()
    unshare(_FLAGS[USER])
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def _try_all(folder: str, kinds: tuple[str, ...]) -> str:
    got = [kind for kind in kinds if _is_possible(partial(enter, frozenset({kind})))]
    if IPC in got and _is_possible(partial(_try_mounts, folder)):
        got.append(MOUNT)
    return " ".join(got)


def _try_mounts(folder: str) -> None:
    enter(frozenset({MOUNT}))
    close_disk(folder, 1 << 20)
    open_scratch(folder, 1 << 20)


def _is_possible(act: Callable[[], None]) -> bool:
    try:
        act()
    except OSError:
        return False
    return True


def _in_trial_process(work: Callable[[], str]) -> str:
    """What `work` returns in a process of its own, which then ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="ascii") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer

"""A filter of system calls: no child process, no socket, no hand on other processes, no change to the machine.

It names what is denied rather than what is allowed, because torch and its libraries use many calls and new ones every
year. Needs no privilege, and cannot be taken off again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autograd_lint.dynamic.sandbox.kernel import prctl
from autograd_lint.dynamic.sandbox.syscalls import architecture, number

_DENIED: Final = {
    "other programs": "fork vfork execve execveat",
    "the network": "socket",
    "other processes": "pidfd_open pidfd_getfd pidfd_send_signal ptrace process_vm_readv process_vm_writev"
    " process_madvise process_mrelease kcmp move_pages migrate_pages",
    "their priority": "setpriority sched_setscheduler sched_setparam sched_setattr ioprio_set",
    "namespaces": "unshare setns",
    "mounts": "mount umount2 pivot_root chroot mount_setattr open_tree open_tree_attr move_mount fsopen fsconfig"
    " fsmount fspick swapon swapoff quotactl quotactl_fd",
    "the machine": "init_module finit_module delete_module kexec_load kexec_file_load reboot acct iopl ioperm syslog"
    " vhangup sethostname setdomainname",
    "the clock": "settimeofday clock_settime clock_adjtime adjtimex",
    "ways around a filter": "io_uring_setup io_uring_enter io_uring_register open_by_handle_at lookup_dcookie",
    "parts of the kernel that broke before": "bpf perf_event_open userfaultfd fanotify_init add_key request_key keyctl",
    "memory that no limit counts or that stays": "memfd_create memfd_secret shmget msgget semget mq_open",
}

_ATTRIBUTES: Final = {
    "modes and owners": "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat file_setattr",
    "times": "utime utimes utimensat futimesat",
    "extended attributes": "setxattr lsetxattr fsetxattr setxattrat"
    " removexattr lremovexattr fremovexattr removexattrat",
    "length": "truncate",
}
"""What Landlock does not govern, or not from its first version on; a disk mounted read-only stops it too."""

_CLONE_THREAD: Final = 0x10000
_DEATH_SIGNAL, _ALLOW_TRACER = 1, 0x59616D61
_TERMINAL_INPUT: Final = (0x5412, 0x541C, 0x8901, 0x8902)
_FILE_FLAGS: Final = (0x40086602, 0x401C5820)
_SET_OWNER: Final = (8, 15)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Deny a call if `argument & mask` is among `values`, or, with `unless`, if it is not."""

    name: str
    argument: int
    values: tuple[int, ...]
    unless: bool = False
    mask: int = 0xFFFFFFFF


def is_available() -> bool:
    """Whether this kernel takes filters and the numbers of this processor's calls are known."""
    if sys.platform != "linux" or architecture() is None:
        return False
    try:
        prctl(_GET_SECCOMP)
    except OSError:
        return False
    return True


def restrict(*, attributes: bool) -> None:
    """From now on, for this thread and those it starts. `attributes`: those of files may be changed."""
    program = _filter(os.getpid(), attributes=attributes)
    code = ctypes.create_string_buffer(program, len(program))
    prctl(_SET_SECCOMP, _MODE_FILTER, _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p)))


_GET_SECCOMP, _SET_SECCOMP, _MODE_FILTER = 21, 22, 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


# ------------------------------------------------------------------ the filter, as the kernel's small machine reads it

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_OTHER_INTERFACE: Final = 0x40000000


def _filter(pid: int, *, attributes: bool) -> bytes:
    # Calls of another architecture have other numbers: nobody here has a reason to make them.
    parts = [_step(_LOAD, _AT_ARCHITECTURE), _step(_EQUAL, architecture() or 0, 1, 0), _step(_RETURN, _KILL)]
    parts += [_step(_LOAD, _AT_NUMBER), _step(_AT_LEAST, _OTHER_INTERFACE, 0, 1), _fail(errno.EPERM)]
    denied = _DENIED if attributes else _DENIED | _ATTRIBUTES
    for name in " ".join(denied.values()).split():
        parts += _deny(name, errno.EPERM)
    # Their arguments lie in memory, where a filter cannot look; libraries then use the older call.
    parts += _deny("clone3", errno.ENOSYS) + _deny("openat2", errno.ENOSYS)
    for rule in _rules(pid, attributes=attributes):
        parts += _judge(rule)
    return b"".join([*parts, _step(_RETURN, _ALLOW)])


def _rules(pid: int, *, attributes: bool) -> Iterator[_Rule]:
    yield _Rule("clone", 0, (_CLONE_THREAD,), unless=True, mask=_CLONE_THREAD)
    yield _Rule("kill", 0, (0, pid), unless=True)
    for name in ("tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        yield _Rule(name, 0, (pid,), unless=True)
    for name in ("prlimit64", "sched_setaffinity"):
        yield _Rule(name, 0, (0, pid), unless=True)
    yield _Rule("prctl", 0, (_DEATH_SIGNAL, _ALLOW_TRACER))
    yield _Rule("ioctl", 1, _TERMINAL_INPUT + (() if attributes else _FILE_FLAGS))
    yield _Rule("fcntl", 1, _SET_OWNER)
    if not attributes:
        # Opened for reading, but emptied: the first two versions of Landlock let that pass.
        emptied = os.O_ACCMODE | os.O_TRUNC
        yield _Rule("open", 1, (os.O_TRUNC,), mask=emptied)
        yield _Rule("openat", 2, (os.O_TRUNC,), mask=emptied)


def _judge(rule: _Rule) -> list[bytes]:
    called = number(rule.name)
    if called is None:
        return []
    if_other, if_among = _step(_RETURN, _ALLOW), _fail(errno.EPERM)
    if rule.unless:
        if_other, if_among = if_among, if_other
    body = [_step(_LOAD, _AT_ARGUMENTS + 8 * rule.argument), _step(_AND, rule.mask)]
    body += [_step(_EQUAL, value, len(rule.values) - index, 0) for index, value in enumerate(rule.values)]
    body += [if_other, if_among]
    return [_step(_EQUAL, called, 0, len(body)), *body]


def _deny(name: str, error: int) -> list[bytes]:
    called = number(name)
    return [] if called is None else [_step(_EQUAL, called, 0, 1), _fail(error)]


def _fail(error: int) -> bytes:
    return _step(_RETURN, _FAIL | error)


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)

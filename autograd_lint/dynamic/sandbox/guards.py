"""Guard rails: Python's own audit events, stopped early so that a program can be told what it wanted and may not.

They stop no program that means harm: compiled code raises no events. The walls do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_MOST_KEPT: Final = 20
_LONGEST: Final = 200


class Refused(PermissionError):
    """The sandbox does not allow what a program is about to do."""

    def __str__(self) -> str:
        return str(self.strerror)


def install(scratch: str) -> list[str]:
    """Stop what is not allowed from now on, in this process and for good; the list grows by what was refused."""
    refused: list[str] = []
    checks = _checks(os.path.realpath(scratch))
    sys.addaudithook(_hook(checks, refused))
    return refused


Check = Callable[[tuple[object, ...]], str | None]
"""What a program wanted, from the arguments of an event; None: it may."""


def _hook(checks: Mapping[str, Check], refused: list[str]) -> Callable[[str, tuple[object, ...]], None]:
    # The program may replace what it finds in modules: everything needed is held here.
    find, exception, most, longest = checks.get, Refused, _MOST_KEPT, _LONGEST

    def judge(event: str, arguments: tuple[object, ...]) -> None:
        check = find(event)
        wanted = check(arguments) if check is not None else None
        if wanted is not None:
            wanted = wanted[:longest]
            if len(refused) < most and wanted not in refused:
                refused.append(wanted)
            raise exception(1, wanted)

    return judge


def _checks(scratch: str) -> dict[str, Check]:
    checks: dict[str, Check] = {event: _never(wanted) for event, wanted in _NEVER.items()}
    for event, (verb, places) in _ON_FILES.items():
        checks[event] = _outside(scratch, verb, places)
    checks["open"] = _open_outside(scratch)
    for event in ("os.kill", "os.killpg"):
        checks[event] = _signal
    return checks


_NEVER: Final = {
    "socket.__new__": "wanted to open a socket",
    "socket.getaddrinfo": "wanted to look up a host on the network",
    "socket.gethostbyname": "wanted to look up a host on the network",
    "socket.gethostbyaddr": "wanted to look up a host on the network",
    "subprocess.Popen": "wanted to start another program",
    "os.system": "wanted to start another program",
    "os.exec": "wanted to become another program",
    "os.spawn": "wanted to start another program",
    "os.posix_spawn": "wanted to start another program",
    "os.startfile": "wanted to start another program",
    "os.fork": "wanted to start a process",
    "os.forkpty": "wanted to start a process",
    "pty.spawn": "wanted to start another program",
    "resource.prlimit": "wanted to change the limits of a process",
}

_ON_FILES: Final[dict[str, tuple[str, tuple[tuple[int, int | None], ...]]]] = {
    "os.remove": ("remove", ((0, 1),)),
    "os.rmdir": ("remove", ((0, 1),)),
    "os.rename": ("move", ((0, 2), (1, 3))),
    "os.link": ("link", ((0, 2), (1, 3))),
    "os.symlink": ("make the link", ((1, 2),)),
    "os.mkdir": ("make the folder", ((0, 2),)),
    "os.truncate": ("truncate", ((0, None),)),
    "os.chmod": ("change the mode of", ((0, 2),)),
    "os.chown": ("change the owner of", ((0, 3),)),
    "os.utime": ("change the times of", ((0, 3),)),
    "os.setxattr": ("change an attribute of", ((0, None),)),
    "os.removexattr": ("change an attribute of", ((0, None),)),
    "os.chflags": ("change the flags of", ((0, None),)),
}
"""Event: the verb for the message, and where the paths stand, each with the place of the folder it is relative to."""


def _never(wanted: str) -> Check:
    def check(arguments: tuple[object, ...]) -> str | None:
        return wanted

    return check


def _outside(scratch: str, verb: str, places: tuple[tuple[int, int | None], ...]) -> Check:
    is_within = _within(scratch)

    def check(arguments: tuple[object, ...]) -> str | None:
        for place, folder in places:
            path = arguments[place]
            # Relative to an open folder: which one, only the kernel can tell.
            if folder is not None and arguments[folder] != -1:
                continue
            if isinstance(path, (str, bytes)) and not is_within(path):
                return f"wanted to {verb} {_text(path)}"
        return None

    return check


def _open_outside(scratch: str) -> Check:
    is_within = _within(scratch)

    def check(arguments: tuple[object, ...]) -> str | None:
        path, mode, flags = arguments
        writes = not set("wax+").isdisjoint(mode) if isinstance(mode, str) else _has_write_flags(flags)
        if writes and isinstance(path, (str, bytes)) and path != os.devnull and not is_within(path):
            return f"wanted to write to {_text(path)}"
        return None

    return check


def _has_write_flags(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITE_FLAGS)


def _within(scratch: str) -> Callable[[str | bytes], bool]:
    resolve, decode, separator = os.path.realpath, os.fsdecode, os.sep

    def is_within(path: str | bytes) -> bool:
        try:
            resolved = resolve(decode(path))
        except (OSError, ValueError):
            return True
        return resolved == scratch or resolved.startswith(scratch + separator)

    return is_within


def _signal(arguments: tuple[object, ...], own: Callable[[], int] = os.getpid) -> str | None:
    target = arguments[0]
    return None if target in (0, own()) else f"wanted to send a signal to process {target}"


def _text(path: str | bytes) -> str:
    return os.fsdecode(path)

"""How long a process had to wait for a processor: on a busy machine that is no fault of the program's."""

from __future__ import annotations

import os

_open, _read, _close = os.open, os.read, os.close  # programs may replace them


def waited(pid: int | str = "self") -> float:
    """Seconds that the process `pid` was ready to run and others did; 0 where that cannot be told."""
    try:
        file = _open(f"/proc/{pid}/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        fields = _read(file, 128).split()
    except OSError:
        return 0.0
    finally:
        _close(file)
    return int(fields[1]) / 1e9 if len(fields) > 1 and fields[1].isdigit() else 0.0

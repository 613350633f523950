"""Writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile


def write_whole(path: str, data: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write beside `path`, then rename: whoever reads it finds the old file or the new one. A link is replaced.

    `owner` is a user and a group, set where that is allowed. Raises OSError; then nothing has changed.
    """
    handle, beside = tempfile.mkstemp(prefix=".autograd-lint-", dir=os.path.dirname(path))
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if owner is not None and hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only the owner's own groups, or root, may do that
                os.chown(beside, *owner)
        os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise

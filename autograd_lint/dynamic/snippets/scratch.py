"""Scratch folders on a common disk, where programs cannot be given a file system of their own: measured and removed."""

from __future__ import annotations

import errno
import os
from typing import Final

_BLOCK: Final = 512


def used(folder: str, enough: int) -> int:
    """The bytes that the files in `folder` take, or more than `enough`, as folders too deep to be named count too."""
    total, folders = 0, [folder]
    while folders and total <= enough:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return enough + 1
            # The program goes on making and removing files while they are counted.
            continue
    return total


def remove(folder: str) -> None:
    """Remove `folder`, if it is there, with all that is in it, however deep and whatever the modes.

    Folders are moved up before they are emptied: a path that programs made step by step may be too long to be named.
    """
    if not os.path.lexists(folder):
        return
    os.chmod(folder, 0o700)
    moved = 0
    while entries := list(os.scandir(folder)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            for inner in list(os.scandir(entry.path)):
                if inner.is_dir(follow_symlinks=False):
                    moved += 1
                    os.chmod(inner.path, 0o700)
                    os.rename(inner.path, os.path.join(folder, f".moved-{os.getpid()}-{moved}"))
                else:
                    os.unlink(inner.path)
            os.rmdir(entry.path)
    os.rmdir(folder)

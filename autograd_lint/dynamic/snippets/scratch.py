"""Scratch folders on a common disk, where programs cannot be given a file system of their own: measured and removed."""

from __future__ import annotations

import errno
import os
import shutil
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

    Nobody may be at work in it. Goes from folder to folder, since what programs made step by step may be too deep for a
    path, for recursion and for open files.
    """
    if not os.path.lexists(folder):
        return
    if os.open not in os.supports_dir_fd:
        shutil.rmtree(folder)
        return
    os.chmod(folder, 0o700)
    here, names = os.open(folder, _FOLDER), [""]
    inner = [_remove_files(here)]
    while inner:
        if inner[-1]:
            names.append(inner[-1].pop())
            os.chmod(names[-1], 0o700, dir_fd=here)
            here = _go(here, names[-1])
            inner.append(_remove_files(here))
        else:
            inner.pop()
            here = _go(here, "..")
            if len(names) > 1:
                os.rmdir(names[-1], dir_fd=here)
            names.pop()
    os.close(here)
    os.rmdir(folder)


_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def _go(here: int, name: str) -> int:
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def _remove_files(folder: int) -> list[str]:
    """Remove all that is no folder; the names of those that are."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]

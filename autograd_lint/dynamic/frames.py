"""Whose code is running: the nearest frame of the user's program, and the place in it."""

from __future__ import annotations

import linecache
import os
from collections.abc import Collection
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from autograd_lint.dynamic.records import Place, Spot, row_of
from autograd_lint.finding import Position, Range

_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep
_STDLIB: Final = str(Path(os.__file__).resolve().parent) + os.sep
_INSTALLED: Final = ("site-packages", "dist-packages")


def first_argument(frame: FrameType) -> object:
    """What a function was given first, `self` for a method, as its name is bound now; None if it takes nothing."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


class UserFiles(dict[str, bool]):
    """Whether a file, by the name code objects give it, belongs to the user's program; filled as it is asked.

    `named` are names in angle brackets, as `exec` gives them, that count as the user's; `foreign` are files that do
    not.
    """

    def __init__(self, named: Collection[str] = (), foreign: Collection[str] = ()) -> None:
        super().__init__(dict.fromkeys(named, True) | dict.fromkeys(foreign, False))

    def __missing__(self, filename: str) -> bool:
        answer = self[filename] = _is_users(filename)
        return answer


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        # Only cells of an interactive session have a text; the rest is code that libraries generate.
        return filename.startswith("<ipython-input") and bool(linecache.getlines(filename))
    path = real_path(filename)
    if path.startswith(_OURS) or any(name in path.split(os.sep) for name in _INSTALLED):
        return False
    return not path.startswith(_STDLIB)


def real_path(filename: str) -> str:
    """The file behind a name; absolute ones are looked up once a process, as each folder on the way is asked."""
    return _real_path(filename) if os.path.isabs(filename) else os.path.realpath(filename)


_real_path: Final = cache(os.path.realpath)


class Frames:
    """Finds frames of the user's program and turns them into places."""

    def __init__(self, named: Collection[str] = (), foreign: Collection[str] = ()) -> None:
        self.users = UserFiles(named, foreign)
        self._places: dict[tuple[int, int], Place] = {}
        self._codes: dict[int, CodeType] = {}
        self._tables: dict[int, list[tuple[int | None, int | None, int | None, int | None]]] = {}

    def nearest(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the user's program, `frame` included."""
        users = self.users
        while frame is not None:
            if users[frame.f_code.co_filename]:
                return frame
            frame = frame.f_back
        return None

    def spot(self, frame: FrameType) -> Spot:
        """The place of a user's frame and of the user's frames that called it."""
        calls: list[Place] = []
        outer = self.nearest(frame.f_back)
        while outer is not None:
            calls.append(self.place(outer))
            outer = self.nearest(outer.f_back)
        return Spot(self.place(frame), tuple(reversed(calls)))

    def place(self, frame: FrameType) -> Place:
        """What `frame` is executing."""
        return self.locate(frame.f_code, frame.f_lasti)

    def locate(self, code: CodeType, lasti: int) -> Place:
        """The place of the instruction at offset `lasti`. Comparing code objects is slow, so their ids are the keys."""
        key = (id(code), lasti)
        place = self._places.get(key)
        if place is None:
            self._codes[id(code)] = code
            place = self._places[key] = self._resolve(code, lasti)
        return place

    def _resolve(self, code: CodeType, lasti: int) -> Place:
        table = self._tables.get(id(code))
        if table is None:
            table = self._tables[id(code)] = list(code.co_positions())
        row, end_row, column, end_column = table[lasti // 2] if lasti >= 0 else (None, None, None, None)
        filename = shown_filename(code.co_filename)
        if row is None:
            return row_of(filename, code.co_firstlineno)
        if end_row is None or column is None or end_column is None:
            return row_of(filename, row)
        start = Position(row, _in_characters(code.co_filename, row, column))
        end = Position(end_row, _in_characters(code.co_filename, end_row, end_column))
        return Place(filename, Range(start, end))


def shown_filename(filename: str) -> str:
    """The absolute path; names in angle brackets stay as they are."""
    return filename if filename.startswith("<") else os.path.abspath(filename)


def _in_characters(filename: str, row: int, column: int) -> int:
    """A column that counts bytes from 0, as one that counts characters from 1."""
    line = linecache.getline(filename, row)
    if line.isascii():
        return column + 1
    return len(line.encode("utf-8")[:column].decode("utf-8", errors="replace")) + 1

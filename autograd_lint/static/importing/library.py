"""The imported files of a run: each is read once, and only the statements that are used are parsed.

What was parsed is kept for the next file that imports it, the least lately used is forgotten first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

import libcst as cst

from autograd_lint.errors import SourceError
from autograd_lint.source import read_source
from autograd_lint.static.importing.outline import Outline, read_outline
from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.lower import lower_module
from autograd_lint.static.syntax.parse import parse
from autograd_lint.static.syntax.positions import Positions

_MOST_KEPT: Final = 400_000
"""Characters of parsed statements that are kept; LibCST needs some hundred bytes for each."""

_LARGEST: Final = 400_000
"""Bytes of a file that is still followed."""

_OVERHEAD: Final = 500
"""What an outline takes, in characters of parsed code, as far as the kept ones are counted."""

Signature: TypeAlias = tuple[int, int]


@dataclass
class Part:
    """One parsed statement of a file, which begins after `offset` rows. Not slotted, for its lazy property."""

    tree: cst.Module
    module: ir.Module
    offset: int

    @cached_property
    def positions(self) -> Positions:
        """Where the nodes stand, counted from the statement's first row."""
        return Positions(self.tree)


@dataclass(slots=True)
class Book:
    """One imported file: its outline, and what of it is parsed. `parts` has None for what cannot be parsed."""

    path: str
    signature: Signature
    outline: Outline | None
    parts: dict[int, Part | None] = field(default_factory=dict)
    size: int = _OVERHEAD

    def size_of(self, number: int) -> int:
        """The characters of the statement `number`, which need not be parsed for that."""
        return len(self.outline.source_of(number)) if self.outline is not None else 0

    def part(self, number: int) -> Part | None:
        """The statement `number`, parsed now if it was not yet."""
        if number not in self.parts:
            self.parts[number] = self._parse(number)
        return self.parts[number]

    def _parse(self, number: int) -> Part | None:
        if self.outline is None:
            return None
        text = self.outline.source_of(number)
        self.size += len(text)
        try:
            tree = parse(text)
        except SourceError:  # the checks of the file itself tell what is wrong with it
            return None
        return Part(tree, lower_module(tree, self.path), self.outline.chunks[number].first - 1)


class Library:
    """The books in use, the one used last at the end."""

    def __init__(self) -> None:
        self._books: OrderedDict[str, Book] = OrderedDict()

    def book(self, path: str) -> Book | None:
        """The file at `path`; None when it cannot be read or is too large to follow."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        signature = (status.st_mtime_ns, status.st_size)
        known = self._books.get(path)
        if known is None or known.signature != signature:
            known = self._books[path] = Book(path, signature, _read(path, status.st_size))
        self._books.move_to_end(path)
        return known

    def forget(self) -> None:
        """Let go of what is too much, between two files that are checked."""
        total = sum(book.size for book in self._books.values())
        while total > _MOST_KEPT and self._books:
            total -= self._books.popitem(last=False)[1].size


def _read(path: str, size: int) -> Outline | None:
    if size > _LARGEST:
        return None
    try:
        return read_outline(read_source(path).text)
    except SourceError:  # told when that file itself is checked
        return None


LIBRARY: Final = Library()
"""One for each process."""

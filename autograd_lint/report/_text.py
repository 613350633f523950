"""Text for a terminal: how wide it is, and nothing in it that could move the cursor or hide code."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

TAB: Final = 4


def one_line(text: str) -> str:
    """`text` on one line, with control characters made visible."""
    return "".join(_visible(character) for character in text)


def count(number: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def expand(text: str) -> tuple[Sequence[str], Sequence[int]]:
    """What a terminal should show for each character, and the cell where each begins (one more: the end)."""
    if text.isascii() and text.isprintable():
        return text, range(len(text) + 1)
    cells: list[int] = []
    pieces: list[str] = []
    cell = 0
    for character in text:
        cells.append(cell)
        piece = " " * (TAB - cell % TAB) if character == "\t" else _visible(character)
        cell += len(piece) if character == "\t" else _width(piece)
        pieces.append(piece)
    cells.append(cell)
    return pieces, cells


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        code = ord(character)
        return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
    # Format characters can reorder what is read; lone surrogates come from file names that are not UTF-8.
    if category in ("Cf", "Cs", "Zl", "Zp"):
        return "\ufffd"
    return character


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1

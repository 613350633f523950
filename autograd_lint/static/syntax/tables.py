"""Large files: a table of data is left out before parsing, for LibCST needs a thousand bytes for each of its own.

What a bracket of so many characters holds is no program that a person wrote line by line. It becomes an unknown value;
rows and columns of everything else stay.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Final

LONGEST_BRACKET: Final = 30_000
"""Characters between two brackets that are still read; several hundred lines."""

UNKNOWN_NAME: Final = "__left_out__"
"""Stands for what was left out. No program binds it, so that its value is unknown."""

_TOKEN: Final = re.compile(
    r'''"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'''
    r"""|\'\'\'[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*\'\'\'"""
    r'''|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'''
    r"""|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"""
    r"""|\#[^\r\n]*"""
    r"""|[()\[\]{}]""",
    re.DOTALL,
)
_OUTSIDE: Final = (
    "\ndef ",
    "\n    def ",
    "\nclass ",
    "\n    return ",
    "\n        return ",
    "\n@",
    "\n    @",
    "\nimport ",
)
"""How rows begin that are no part of an expression."""

_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_WORD: Final = re.compile(r"[\w.]*\Z")
_ROW_END: Final = re.compile(r"\r\n|\r|\n")


def without_tables(text: str) -> str:
    """`text` with an unknown value for each outermost bracket that is too long; as it is, where it has none."""
    if not _may_have_table(text):
        return text
    pieces: list[str] = []
    done = 0
    for start, end in _outermost_brackets(text):
        if end - start > LONGEST_BRACKET:
            pieces += [text[done:start], _stand_in(text, start, end)]
            done = end
    return "".join([*pieces, text[done:]])


def _may_have_table(text: str) -> bool:
    """Whether the text has room for a table between two rows that can stand in no bracket; quick to tell."""
    start = 0
    while len(text) - start > LONGEST_BRACKET:
        end = max(text.rfind(sign, start + 1, start + LONGEST_BRACKET) for sign in _OUTSIDE)
        if end < 0:
            return True
        start = end
    return False


def count_code(text: str) -> int:
    """How many characters stand outside strings and comments."""
    return len(text) - sum(len(found.group()) for found in _TOKEN.finditer(text) if len(found.group()) > 1)


def _outermost_brackets(text: str) -> Iterator[tuple[int, int]]:
    """Where each bracket that no other one contains begins and ends; stops at one that does not fit."""
    waiting: list[str] = []
    first = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token in _CLOSING:
            if not waiting:
                first = found.start()
            waiting.append(_CLOSING[token])
        elif token in (")", "]", "}"):
            if not waiting or waiting.pop() != token:
                return
            if not waiting:
                yield first, found.end()


def _stand_in(text: str, start: int, end: int) -> str:
    """What is written for the bracket from `start` to `end`, over as many rows and to the same column."""
    opening, closing = "(", ")"
    what = UNKNOWN_NAME
    if _continues_expression(text, start):
        opening, closing = text[start], text[end - 1]
        if opening == "(":
            what = f"*{UNKNOWN_NAME}, **{UNKNOWN_NAME}"
    inside = text[start + 1 : end - 1]
    rows = _ROW_END.findall(inside)
    last = _ROW_END.split(inside)[-1]
    padding = len(last) if rows else max(0, len(last) - len(what))
    return f"{opening}{what}{''.join(rows)}{' ' * padding}{closing}"


def _continues_expression(text: str, start: int) -> bool:
    """Whether the bracket at `start` calls or indexes what stands before it."""
    before = text[max(0, start - 100) : start].rstrip(" \t")
    if before.endswith((")", "]", "}")):
        return True
    word = _WORD.search(before)
    return word is not None and bool(word.group()) and not keyword.iskeyword(word.group())

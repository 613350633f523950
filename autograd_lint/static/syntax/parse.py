"""From text to a LibCST tree, with errors that say where; what Python itself cannot compile is refused beforehand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import libcst as cst

from autograd_lint.errors import SourceError
from autograd_lint.layout import split_lines
from autograd_lint.static.syntax.tables import count_code, without_tables

MOST_BRACKETS: Final = 200
"""Brackets inside each other that Python's own tokenizer allows. LibCST's parser recurses until it crashes."""

_LONG_ROW: Final = 4000
"""A row of more characters may hold a chain of operators too deep for a recursive parser."""

MOST_CODE: Final = 1_000_000
"""Characters of code in one file that are still parsed, which takes a gigabyte of memory and some ten seconds."""

_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"()[]{}"))
_DEEP: Final = ("too many nested", "too many levels of indentation")


def parse(text: str) -> cst.Module:
    """The tree of a file's text. Raises SourceError at the row and column of a syntax error."""
    if _is_deep(text) or _has_long_row(text):
        _refuse_too_deep(text)
    text = _reduced(text)
    try:
        with _no_validation():
            return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        refused = _python_error(text)
        if isinstance(refused, SyntaxError):
            raise _syntax_error(refused) from error
        message = f"{error.message.rstrip('.')} (Python itself accepts it)"
        raise _cannot_parse(message, row=error.editor_line, column=error.editor_column) from error


@contextmanager
def _no_validation() -> Iterator[None]:
    """Let nodes be made without checks: they are for trees made by hand, and a sixth of the time of parsing."""
    check = cst.CSTNode.__post_init__
    cst.CSTNode.__post_init__ = _accept  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        cst.CSTNode.__post_init__ = check  # type: ignore[method-assign]


def _accept(_node: cst.CSTNode) -> None:
    """Take the node as the parser made it."""


def _is_deep(text: str) -> bool:
    """Whether brackets may be nested too deeply, those in strings and comments included; a matter of microseconds.

    Each round takes away the innermost pairs; brackets that have no partner stay.
    """
    left = text.encode("utf-8", "replace").translate(None, _NO_BRACKETS)
    for _ in range(MOST_BRACKETS):
        inner = left.replace(b"()", b"").replace(b"[]", b"").replace(b"{}", b"")
        if len(inner) == len(left):
            return len(left) > MOST_BRACKETS
        left = inner
    return bool(left)


def _has_long_row(text: str) -> bool:
    start = 0
    while len(text) - start > _LONG_ROW:
        end = max(text.rfind("\n", start, start + _LONG_ROW), text.rfind("\r", start, start + _LONG_ROW))
        if end < 0:
            return True
        start = end + 1
    return False


def _refuse_too_deep(text: str) -> None:
    error = _python_error(text)
    if isinstance(error, SyntaxError):
        if str(error.msg).startswith(_DEEP) or _is_deep(text):
            raise _syntax_error(error)
    elif error is not None:
        rows = split_lines(text)
        longest = max(range(len(rows)), key=lambda index: len(rows[index]))
        raise _cannot_parse("nested too deeply, for Python too", row=longest + 1, column=1)


def _reduced(text: str) -> str:
    """`text` without its tables of data, unless there is an error in it."""
    reduced = without_tables(text)
    if reduced != text and _python_error(text) is not None:
        reduced = text
    if len(reduced) > MOST_CODE and count_code(reduced) > MOST_CODE:
        size = count_code(reduced) / 1_000_000
        raise SourceError(
            f"the file is not judged: it holds {size:.1f} MB of code, {MOST_CODE // 1_000_000} MB at most"
        )
    return reduced


def _python_error(text: str) -> SyntaxError | MemoryError | RecursionError | None:
    """What Python says against the text. Not the first to be asked: it may be older than the syntax of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<file>", "exec", dont_inherit=True)
    except (SyntaxError, MemoryError, RecursionError) as error:
        return error
    return None


def _syntax_error(error: SyntaxError) -> SourceError:
    return _cannot_parse(error.msg, row=error.lineno or 1, column=error.offset or 1)


def _cannot_parse(message: str, *, row: int, column: int) -> SourceError:
    text = f"cannot parse the file: {message[:1].lower()}{message[1:]}"
    return SourceError(text, row=max(row, 1), column=max(column, 1))

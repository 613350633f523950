"""The values of number and string literals, read from their source text."""

from __future__ import annotations

import ast
import warnings


def integer(text: str) -> int | float:
    """An integer literal's value; what Python itself refuses (`007`, 5,000 digits) is read as a float."""
    try:
        return int(text, 0)
    except ValueError:
        return float(text)


def string(text: str) -> str | bytes:
    """A string literal's value; prefixes, quotes and escapes are those of Python."""
    quote = text[0]
    if quote not in "'\"" or "\\" in text or "\r" in text:
        return _evaluated(text)
    if text[1:3] == quote * 2 and len(text) > 5:
        return text[3:-3]
    return text[1:-1]


def _evaluated(text: str) -> str | bytes:
    try:
        with warnings.catch_warnings():
            # An invalid escape is the program's affair; Python's warning would name no file.
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        # An escape that Python refuses, as in "\x": the program cannot run, but its text is still a string.
        return text
    return value if isinstance(value, bytes) else str(value)

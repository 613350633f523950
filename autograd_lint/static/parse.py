"""From text to a LibCST tree, with errors that say where."""

from __future__ import annotations

import libcst as cst

from autograd_lint.errors import SourceError


def parse(text: str) -> cst.Module:
    """The tree of a file's text. Raises SourceError at the row and column of a syntax error."""
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        message = error.message.rstrip(".")
        raise SourceError(
            f"cannot parse the file: {message[:1].lower()}{message[1:]}",
            row=max(error.editor_line, 1),
            column=max(error.editor_column, 1),
        ) from error

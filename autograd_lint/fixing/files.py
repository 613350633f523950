"""Writes a fixed file whole or not at all, as it was but for its text: encoding, byte order mark, mode and links."""

from __future__ import annotations

import codecs
import os

from autograd_lint.atomic import write_whole
from autograd_lint.errors import OutputError
from autograd_lint.source import SourceFile, read_source


def encoded(source: SourceFile) -> bytes:
    """The bytes of a file with this text. Raises OutputError where its encoding has no such character."""
    try:
        data = source.text.encode(source.encoding)
    except UnicodeError as error:
        raise OutputError(f"cannot write {source.path}: {source.encoding} has no such character: {error}") from error
    return codecs.BOM_UTF8 + data if source.has_bom else data


def write_fixed(before: SourceFile, after: SourceFile) -> None:
    """Replace the file that `before` was read from. Raises OutputError; the file is then as it was."""
    path = os.path.realpath(before.path)  # a link stays a link
    data = encoded(after)
    try:
        if read_source(path).text != before.text:
            raise OutputError(f"cannot write {before.path}: it was changed while it was checked")
        _replace(path, data)
    except OSError as error:
        raise OutputError(f"cannot write {before.path}: {error.strerror or error}") from error


def _replace(path: str, data: bytes) -> None:
    """Put `data` in place of what the file holds; mode and owner stay."""
    status = os.stat(path)
    if not os.access(path, os.W_OK):
        raise PermissionError(13, "it is read-only")
    write_whole(path, data, mode=status.st_mode & 0o7777, owner=(status.st_uid, status.st_gid))

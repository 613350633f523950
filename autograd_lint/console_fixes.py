"""What the fixing options print: diffs, the fixed text of standard input, and how much was fixed."""

from __future__ import annotations

import os
import sys

from autograd_lint.fingerprint import relative_path
from autograd_lint.fixing.diff import unified
from autograd_lint.fixing.files import encoded
from autograd_lint.fixing.run import FixResult
from autograd_lint.report._text import count
from autograd_lint.source import SourceFile
from autograd_lint.streams import is_terminal, print_bytes, print_error, print_out


def print_diffs(fixed: FixResult) -> None:
    """The diff of every file that fixes would change: where it may go to `patch`, in the bytes of that file."""
    for change in fixed.changes:
        name = change.before.path
        shown = relative_path(name, os.getcwd())
        shown = name if shown.startswith("../") else shown
        mark = "\ufeff" if change.before.has_bom else ""
        if is_terminal(sys.stdout):
            print_out(unified(change.before.text, change.after.text, shown))
        else:
            told = unified(mark + change.before.text, mark + change.after.text, shown)
            print_bytes(_in_encoding(told, change.before.encoding))


def _in_encoding(told: str, encoding: str) -> bytes:
    try:
        return told.encode(encoding)
    except UnicodeError:  # the name of the file, or what a fix writes
        return told.encode("utf-8", "backslashreplace")


def print_fixed(source: SourceFile) -> None:
    """The text of standard input after its fixes, byte for byte."""
    print_bytes(encoded(source))


def tell_fixed(fixed: FixResult, *, written: bool) -> None:
    """How many findings were fixed, and which files could not be written."""
    for failure in fixed.failures:
        print_error(f"error: {failure}")
    if fixed.changes or written:
        told = "fixed" if written else "would fix"
        files = f" in {count(len(fixed.changes), 'file')}" if fixed.changes else ""
        print_error(f"{told} {count(fixed.count, 'finding')}{files}")

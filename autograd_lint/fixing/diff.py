"""Unified diffs of fixed files."""

from __future__ import annotations

import difflib
import re
from typing import Final

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def unified(before: str, after: str, name: str) -> str:
    """The diff of two texts of the file `name`, as `patch` reads it; empty where they are the same."""
    name += "\t" if " " in name else ""  # by which `patch` knows where such a name ends
    lines = difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), name, name)
    return "".join(line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n" for line in lines)

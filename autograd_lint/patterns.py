"""Patterns over paths with the meaning they have in a `.gitignore`, relative to the folder they were written in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pathspec


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns written in (or for) the folder `base`."""

    base: str
    spec: pathspec.GitIgnoreSpec

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """True: matched; False: matched by a negated pattern; None: no pattern speaks of it, or it is elsewhere."""
        relative = os.path.relpath(path, self.base).replace(os.sep, "/")
        if relative == "." or relative.startswith("../"):
            return None
        return self.spec.check_file(relative + "/" if is_folder else relative).include


def compile_patterns(base: str, lines: Sequence[str]) -> Patterns:
    """Patterns from the lines of a `.gitignore` or a list in the configuration."""
    return Patterns(base, pathspec.GitIgnoreSpec.from_lines(lines))


def read_patterns(path: str, base: str) -> Patterns | None:
    """The patterns in the file `path`, if it is a readable file that has any."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    return compile_patterns(base, lines) if any(line.strip() for line in lines) else None


def matches_file(base: str, pattern: str, path: str) -> bool:
    """Whether a `per-file-ignores` pattern speaks of a file; with `!` before it, whether it does not."""
    if pattern.startswith("!"):
        return not matches_file(base, pattern[1:], path)
    outside = os.path.relpath(path, base).startswith("..")
    found = compile_patterns(os.path.dirname(path) if outside else base, [pattern])
    return found.decide(path, is_folder=False) is True

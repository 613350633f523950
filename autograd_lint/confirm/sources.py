"""The texts that findings speak of, each read once: those of the files checked, and of files they are imported by."""

from __future__ import annotations

from typing import Final

from autograd_lint.confirm.aims import Tree, tree_of
from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding
from autograd_lint.source import STDIN_NAME, SourceFile, read_source
from autograd_lint.streams import print_error

STDIN_PROGRAM: Final = "<stdin>"
"""The name under which standard input runs."""


class Sources:
    """Files by the name that findings give them; `stdin` is what standard input held."""

    def __init__(self, stdin: SourceFile | None = None) -> None:
        self._known: dict[str, SourceFile | None] = {} if stdin is None else {stdin.path: stdin}

    def get(self, name: str) -> SourceFile | None:
        """The file; None where it cannot be read any more, which is told once."""
        if name not in self._known:
            self._known[name] = _read(name)
        return self._known[name]

    def tree(self, name: str) -> Tree:
        """Its syntax."""
        source = self.get(name)
        return tree_of("" if source is None else source.text)

    def beside(self, finding: Finding) -> list[SourceFile]:
        """The other files that a finding has places in: one of them may be what leads there."""
        names = dict.fromkeys(related.filename for related in finding.related if related.filename != finding.filename)
        return [source for name in names if (source := self.get(name)) is not None]


def program_name(path: str) -> str:
    """The name under which the file at `path` runs."""
    return STDIN_PROGRAM if path == STDIN_NAME else path


def _read(name: str) -> SourceFile | None:
    if name == STDIN_NAME:
        return None
    try:
        return read_source(name)
    except SourceError as error:
        print_error(f"warning: {name}: changed while it was checked: {error} [not-confirmed]")
        return None

"""What a format is given: the findings to show, the texts they point into, and how to show them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograd_lint.errors import SourceError
from autograd_lint.finding import Finding
from autograd_lint.fingerprint import relative_path
from autograd_lint.layout import split_lines
from autograd_lint.source import SourceFile, read_source


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`findings` are those to show, `files` all that were checked; `root` is what relative paths in CI start from.

    `ran`: a program was watched, no files were checked. `show_refuted`: texts for people show also what a run has
    refuted; data for tools has it always.
    """

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    root: str
    texts: Texts
    colour: bool = False
    show_refuted: bool = False
    ran: bool = False
    folder: str = field(default_factory=os.getcwd)

    @property
    def told(self) -> tuple[Finding, ...]:
        """The findings that texts for people show."""
        return tuple(finding for finding in self.findings if self.show_refuted or not finding.refuted)

    def shown_path(self, path: str) -> str:
        """`path` as a reader in the current folder writes it: relative, unless it is elsewhere."""
        relative = relative_path(path, self.folder).replace("/", os.sep)
        return path if relative.startswith(os.pardir + os.sep) else relative


class Texts:
    """The lines of files, read when first asked for."""

    def __init__(self, known: Iterable[SourceFile] = ()) -> None:
        self._lines = {source.path: split_lines(source.text) for source in known}

    def line(self, path: str, row: int) -> str | None:
        """Row `row` (from 1) of the file `path`; None where there is none."""
        if path not in self._lines:
            try:
                self._lines[path] = split_lines(read_source(path).text)
            except SourceError:
                self._lines[path] = []
        lines = self._lines[path]
        return lines[row - 1] if 1 <= row <= len(lines) else None

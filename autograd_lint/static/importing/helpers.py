"""Functions of other files that run a backward or a step: to call one is as good as to do it.

Only their names are looked for, in the text, so that a file that calls none costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from autograd_lint.static.importing.imports import imported_names
from autograd_lint.static.importing.outline import Imported
from autograd_lint.static.importing.project import Project
from autograd_lint.static.syntax import ir

_RUNS: Final = re.compile(r"\.(?:backward|step)\(")
_BUILDING: Final = "parameters"
"""What a file calls that builds an optimizer."""


def training_helpers(module: ir.Module, project: Project | None) -> frozenset[str]:
    """The last names of the imported functions that `module` calls and that run a backward or a step."""
    if project is None or _BUILDING not in module.scope.calls:
        return frozenset()
    return frozenset(name for name in _called(module, project))


def _called(module: ir.Module, project: Project) -> Iterator[str]:
    calls = module.scope.calls
    for statement in _imports(module.body):
        for bound, imported in imported_names(statement):
            if bound in calls and imported.name is not None:
                if _runs(project, module.filename, imported):
                    yield bound
            elif bound not in calls:
                yield from _members(project, module.filename, imported, calls)


def _members(project: Project, filename: str, imported: Imported, calls: set[str]) -> Iterator[str]:
    """The functions of an imported module that are called as its attributes."""
    dotted = ".".join(part for part in (imported.module, imported.name) if part)
    outline = project.outline(filename, Imported(dotted, imported.level, None))
    if outline is not None:
        yield from (name for name in outline.names.keys() & calls if _RUNS.search(outline.text_of(name)))


def _runs(project: Project, filename: str, imported: Imported) -> bool:
    outline = project.outline(filename, Imported(imported.module, imported.level, None))
    return outline is not None and _RUNS.search(outline.text_of(imported.name or "")) is not None


def _imports(block: ir.Block) -> Iterator[ir.Stmt]:
    for statement in block:
        if isinstance(statement, ir.Import | ir.ImportFrom):
            yield statement
        elif isinstance(statement, ir.Try):
            yield from _imports(statement.body)

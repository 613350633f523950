"""Import statements: which names stand for torch, which for files of the project, which for something not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autograd_lint.static.importing.outline import Imported
from autograd_lint.static.importing.project import deferred, without_project
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Deferred, TorchName, Value
from autograd_lint.static.operations.torch_names import canonical
from autograd_lint.static.syntax import ir

if TYPE_CHECKING:
    from collections.abc import Iterator

_STAR: Final = {
    "torch.nn": ("Module", "Parameter", "Linear", "Sequential", "ModuleList", "ReLU", "Conv2d", "functional"),
}


def bind_import(run: Run, node: ir.Import) -> None:
    """`import a.b as c`."""
    for name, imported in imported_names(node):
        run.env.bind(name, _value(run, imported))


def bind_import_from(run: Run, node: ir.ImportFrom) -> None:
    """`from a import b as c`."""
    if node.names is None:
        _bind_star(run, node)
        return
    for name, imported in imported_names(node):
        run.env.bind(name, _value(run, imported))


def bind_fallbacks(run: Run, node: ir.Try) -> None:
    """The handlers of a `try` import what its body could not: those are the names where the body's lead nowhere."""
    project = run.project
    tried = {name: imported for part in node.body for name, imported in imported_names(part)}
    if project is None or not tried:
        return
    for handler in node.handlers:
        for part in handler.body:
            for name, imported in imported_names(part):
                known = tried.get(name)
                if known is None or project.place(run.filename, known) is not None or _is_torch(known):
                    continue
                if project.place(run.filename, imported) is not None:
                    run.env.bind(name, _value(run, imported))


def _bind_star(run: Run, node: ir.ImportFrom) -> None:
    for name in _STAR.get(node.module, ()):
        run.env.bind(name, TorchName(canonical(f"{node.module}.{name}")))
    star = Imported(node.module, node.level, None)
    if run.project is not None and not _is_torch(star):
        for name in run.project.public_names(run.filename, star):
            run.env.bind(name, _value(run, Imported(node.module, node.level, name)))


def imported_names(node: ir.Stmt) -> Iterator[tuple[str, Imported]]:
    """The names an import statement binds."""
    if isinstance(node, ir.Import):
        for dotted, alias in node.names:
            top = dotted.partition(".")[0]
            yield alias or top, Imported(dotted if alias else top, 0, None)
    elif isinstance(node, ir.ImportFrom):
        for name, alias in node.names or ():
            yield alias or name, Imported(node.module, node.level, name)


def _value(run: Run, imported: Imported) -> Value:
    if run.project is None or _is_torch(imported) or "__class_body__" in run.env.names:
        return without_project(imported)
    return deferred(run.project, run.filename, imported)


def _is_torch(imported: Imported) -> bool:
    return not imported.level and imported.module.partition(".")[0] == "torch"


def annotation_value(run: Run, expr: ir.Expr) -> Value | None:
    """What a plain annotation names; None for others, and for imported names, which are not followed for this."""
    base = expr
    while type(base) is ir.Attr:
        base = base.base
    if type(base) is not ir.Name or isinstance(run.env.peek(base.id), Deferred):
        return None
    return run.evaluate(expr)

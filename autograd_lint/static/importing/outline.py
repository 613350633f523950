"""What an imported file binds at its top, and by which rows: found without parsing it with LibCST.

Most names of an imported file are never used, so that only the statements that bind a used one are parsed for good.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from autograd_lint.layout import split_lines
from autograd_lint.source import has_torch_sign

_MOST_CHUNKS: Final = 8
"""A variable that more statements than these have to do with is not known."""

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_EXECUTED: Final = (ast.Expr, ast.For, ast.While, ast.With, ast.Delete, ast.AugAssign, ast.If, ast.Try)


@dataclass(frozen=True, slots=True)
class Imported:
    """One name an import binds: a module when `name` is None."""

    module: str
    level: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Binding:
    """How a name gets its value: by the first of `imports` that can be found, or by the statements `chunks`.

    `varies`: something else than a definition binds it; `doubtful`: which of several is not known.
    """

    imports: tuple[Imported, ...] = ()
    chunks: tuple[int, ...] = ()
    varies: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of a statement at the top of a file, from `first` to `last`."""

    first: int
    last: int


@dataclass(slots=True)
class Outline:
    """The names a file binds at its top. `stars` are its star imports; `exported` is what `__all__` lists."""

    text: str
    chunks: list[Chunk] = field(default_factory=list)
    names: dict[str, Binding] = field(default_factory=dict)
    stars: list[Imported] = field(default_factory=list)
    exported: frozenset[str] | None = None
    has_torch: bool = False

    def source_of(self, number: int) -> str:
        """The text of a statement."""
        chunk = self.chunks[number]
        return "\n".join(split_lines(self.text)[chunk.first - 1 : chunk.last]) + "\n"

    def text_of(self, name: str) -> str:
        """The text of the function or class `name`; empty where something else binds the name."""
        binding = self.names.get(name)
        if binding is None or binding.varies or binding.doubtful or len(binding.chunks) != 1:
            return ""
        return self.source_of(binding.chunks[0])

    def public(self) -> Iterator[str]:
        """The names that a star import binds, those of this file's own star imports left out."""
        for name in self.names:
            if name in self.exported if self.exported is not None else not name.startswith("_"):
                yield name


def read_outline(text: str) -> Outline | None:
    """The outline of a file, or None when Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    outline = Outline(text, has_torch=has_torch_sign(text))
    reader = _Reader(outline)
    for statement in tree.body:
        reader.add(statement)
    reader.conclude()
    return outline


Names: TypeAlias = dict[str, Binding]


class _Reader:
    """Fills an outline, statement by statement."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._mentioned: list[tuple[int, set[str]]] = []

    def add(self, statement: ast.stmt) -> None:
        """Take in the next statement at the top."""
        number = self._number(statement)
        names = self._outline.names
        if isinstance(statement, ast.If) and _is_main_guard(statement.test):
            return
        if isinstance(statement, _EXECUTED) or _writes_into(statement):
            self._mentioned.append((number, set(_loaded(statement))))
        if isinstance(statement, ast.Assign) and _binds_all(statement):
            self._outline.exported = _strings(statement.value)
        for name, binding in self._bindings(statement, number).items():
            known = names.get(name)
            if binding.varies and known is not None and known.chunks:
                binding = replace(binding, chunks=(*known.chunks, *binding.chunks))
            names[name] = binding

    def conclude(self) -> None:
        """A variable is made by everything at the top that may change it."""
        for name, binding in self._outline.names.items():
            if binding.varies:
                chunks = {*binding.chunks, *(n for n, mentioned in self._mentioned if name in mentioned)}
                doubtful = binding.doubtful or len(chunks) > _MOST_CHUNKS
                self._outline.names[name] = replace(binding, chunks=tuple(sorted(chunks)), doubtful=doubtful)

    def _number(self, statement: ast.stmt) -> int:
        """The chunk of a statement; statements that share a row share the chunk."""
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(d.lineno for d in decorators)])
        last = statement.end_lineno or statement.lineno
        chunks = self._outline.chunks
        if chunks and chunks[-1].last >= first:
            chunks[-1] = Chunk(chunks[-1].first, max(last, chunks[-1].last))
        else:
            chunks.append(Chunk(first, last))
        return len(chunks) - 1

    def _bindings(self, statement: ast.stmt, number: int) -> Names:
        if isinstance(statement, ast.Import):
            return {
                alias.asname or alias.name.partition(".")[0]: Binding(
                    (Imported(alias.name if alias.asname else alias.name.partition(".")[0], 0, None),)
                )
                for alias in statement.names
            }
        if isinstance(statement, ast.ImportFrom):
            return self._from(statement)
        if isinstance(statement, _DEFINITIONS):
            return {statement.name: Binding(chunks=(number,))}
        if isinstance(statement, ast.If):
            return self._if(statement, number)
        if isinstance(statement, ast.Try):
            return self._try(statement, number)
        return dict.fromkeys(_stored(statement), Binding(chunks=(number,), varies=True))

    def _from(self, statement: ast.ImportFrom) -> Names:
        names: Names = {}
        for alias in statement.names:
            if alias.name == "*":
                self._outline.stars.append(Imported(statement.module or "", statement.level, None))
            else:
                imported = Imported(statement.module or "", statement.level, alias.name)
                names[alias.asname or alias.name] = Binding((imported,))
        return names

    def _block(self, statements: list[ast.stmt], number: int) -> Names:
        names: Names = {}
        for statement in statements:
            names.update(self._bindings(statement, number))
        return names

    def _if(self, statement: ast.If, number: int) -> Names:
        other = self._block(statement.orelse, number)
        if _is_type_checking(statement.test):
            return {**self._block(statement.body, number), **other}
        names = self._block(statement.body, number)
        both = names.keys() & other.keys()
        return {
            name: replace(binding, varies=not binding.imports, doubtful=name in both and bool(binding.imports))
            for name, binding in {**names, **other}.items()
        }

    def _try(self, statement: ast.Try, number: int) -> Names:
        """What the body binds, and by imports of the handlers where those of the body lead nowhere."""
        names = self._block([*statement.body, *statement.orelse], number)
        for handler in statement.handlers:
            for name, binding in self._block(handler.body, number).items():
                known = names.get(name)
                if known is None:
                    names[name] = replace(binding, doubtful=not binding.imports)
                elif known.imports and binding.imports:
                    names[name] = Binding((*known.imports, *binding.imports))
        names.update(self._block(statement.finalbody, number))
        return names


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _writes_into(statement: ast.stmt) -> bool:
    """`x.y = …` or `x[…] = …`: the value of x changes."""
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Attribute | ast.Subscript) for target in statement.targets
    )


def _binds_all(statement: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets)


def _strings(value: ast.expr) -> frozenset[str] | None:
    if not isinstance(value, ast.List | ast.Tuple):
        return None
    parts = [element.value for element in value.elts if isinstance(element, ast.Constant)]
    return frozenset(str(part) for part in parts) if len(parts) == len(value.elts) else None


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are executed with it: the bodies of functions are not."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        if not isinstance(here, (*_DEFINITIONS, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(here))


def _stored(statement: ast.stmt) -> set[str]:
    return {node.id for node in _walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _loaded(statement: ast.stmt) -> set[str]:
    return {node.id for node in _walk(statement) if isinstance(node, ast.Name)}

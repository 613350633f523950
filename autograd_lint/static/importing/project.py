"""What the file being checked imports from its own project: names that lead to functions and classes of other files.

An imported name is looked up when it is first used. Then the statements that bind it in its file are executed
abstractly, in a run of their own, and nothing else of that file is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.static.importing.library import LIBRARY, Book, Part
from autograd_lint.static.importing.locate import Locator, Place
from autograd_lint.static.importing.outline import Binding, Imported, Outline
from autograd_lint.static.interpret.state import Frame, Language, Path, PathEnded, ProgramRaised, Run
from autograd_lint.static.model.machine import TorchError
from autograd_lint.static.model.values import (
    Builtin,
    Class,
    Const,
    Deferred,
    Env,
    Foreign,
    Function,
    LocalModule,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.torch_names import canonical

_STEPS_A_PART: Final = 1_000
_STEPS_A_FILE: Final = 4_000
_STEPS_A_CALL: Final = 1_500
_STEPS_A_PROGRAM: Final = 2_000
_MOST_RENEWALS: Final = 4
_MOST_CODE: Final = 200_000
"""Characters of imported statements that are executed for one file."""
_LASTING: Final = (Builtin, Function, Class, Const, TorchName, Foreign, LocalModule)
"""Values that a run does not change."""


class Project:
    """What one checked file sees of its project. `steps` are left for executing imported functions.

    `barred` are the functions that took too many of them, or ended the path: they are not known.
    """

    def __init__(self, filename: str, language: Language) -> None:
        self.filename = filename
        self.language = language
        self.steps = _STEPS_A_FILE
        self.renewals = _MOST_RENEWALS
        self.room = _MOST_CODE
        self.barred: set[int] = set()
        self._locators: dict[str, Locator] = {}
        self._spaces: dict[str, Namespace] = {}

    def begin_run(self) -> None:
        """Forget what the last run may have changed: the variables of imported files."""
        for space in self._spaces.values():
            space.forget_variables()

    def begin_program(self) -> None:
        """What earlier programs of the file used up, the next ones have again, in part."""
        if self.steps < _STEPS_A_PROGRAM and self.renewals > 0:
            self.steps, self.renewals = _STEPS_A_PROGRAM, self.renewals - 1

    def has_room(self, size: int) -> bool:
        """Whether a statement of `size` characters may be parsed and executed too; after one that may not, none may."""
        if self.room >= 0:
            self.room -= size
        return self.room >= 0

    def call_steps(self) -> int:
        """How many steps a call of an imported function may take."""
        return min(_STEPS_A_CALL, self.steps)

    def value(self, importer: str, imported: Imported) -> Value:
        """What an import in the file `importer` binds."""
        found = self.find(importer, imported)
        return found if found is not None else without_project(imported)

    def find(self, importer: str, imported: Imported) -> Value | None:
        """The same, None where it leads out of the project."""
        if not imported.level and imported.module.partition(".")[0] == "torch":
            return without_project(imported)
        place = self.place(importer, imported)
        if place is None:
            return None
        if imported.name is None:
            return LocalModule(place, without_project(imported))
        return self.member(place, imported.name)

    def place(self, importer: str, imported: Imported) -> Place | None:
        """Where the module of an import is."""
        locator = self._locators.get(importer)
        if locator is None:
            locator = self._locators[importer] = Locator(importer)
        return locator.find(imported.module, imported.level)

    def member(self, place: Place, name: str) -> Value | None:
        """The attribute `name` of a module."""
        space = self._space(place.file) if place.file else None
        value = space.lookup(name) if space is not None else None
        if value is None:
            child = place.child(name)
            value = LocalModule(child, Unknown()) if child is not None else None
        return value

    def outline(self, importer: str, imported: Imported) -> Outline | None:
        """What the file of an imported module binds; None when the project does not hold it."""
        place = self.place(importer, imported)
        book = LIBRARY.book(place.file) if place is not None and place.file else None
        return book.outline if book is not None else None

    def public_names(self, importer: str, star: Imported) -> tuple[str, ...]:
        """The names that a star import binds."""
        place = self.place(importer, star)
        space = self._space(place.file) if place is not None and place.file else None
        return tuple(space.public()) if space is not None else ()

    def part_of(self, token: object) -> Part | None:
        """The imported statement that has the node `token` in it."""
        for space in self._spaces.values():
            for part in space.parts():
                if part.positions.holds(token):
                    return part
        return None

    def close(self) -> None:
        """The file is done."""
        LIBRARY.forget()

    def _space(self, path: str) -> Namespace | None:
        space = self._spaces.get(path)
        if space is None:
            book = LIBRARY.book(path)
            if book is None or book.outline is None:
                return None
            space = self._spaces[path] = Namespace(self, book)
        return space


class Namespace(Env):
    """The names at the top of an imported file, filled when they are first asked for."""

    __slots__ = ("_book", "_busy", "_parts", "_project")

    def __init__(self, project: Project, book: Book) -> None:
        super().__init__()
        self._project = project
        self._book = book
        self._busy: set[str] = set()
        self._parts: dict[int, Part] = {}
        self.names["__name__"] = Const(book.path)

    def missing(self, name: str) -> Value | None:
        """A name that no function binds, looked up in this file."""
        return self.lookup(name)

    def lookup(self, name: str) -> Value | None:
        """The value of `name`; None when the file does not bind it, or cannot matter."""
        value = self.names.get(name)
        if value is not None:
            return value
        if name in self._busy:
            return Unknown()
        self._busy.add(name)
        try:
            value = self._look(name)
        finally:
            self._busy.discard(name)
        if value is not None:
            self.names[name] = value
        return value

    def public(self) -> Iterator[str]:
        """The names that a star import of this file binds."""
        outline = self._book.outline
        if outline is None or "*" in self._busy:
            return
        self._busy.add("*")
        yield from outline.public()
        for star in outline.stars if outline.exported is None else ():
            yield from self._project.public_names(self._book.path, star)
        self._busy.discard("*")

    def parts(self) -> Iterator[Part]:
        """The statements executed."""
        yield from self._parts.values()

    def forget_variables(self) -> None:
        """Drop every value that a run can change; definitions and what is imported for good stay."""
        for name in [name for name, value in self.names.items() if not self._lasts(name, value)]:
            del self.names[name]

    def _lasts(self, name: str, value: Value) -> bool:
        outline = self._book.outline
        binding = outline.names.get(name) if outline is not None else None
        is_variable = binding.varies if binding is not None else name != "__name__"
        return not is_variable and isinstance(value, _LASTING)

    def _look(self, name: str) -> Value | None:
        outline = self._book.outline
        binding = outline.names.get(name) if outline is not None else None
        if binding is None:
            return self._starred(name)
        if binding.doubtful:
            return Unknown()
        if binding.imports:
            found = (self._project.find(self._book.path, imported) for imported in binding.imports)
            known = next((value for value in found if value is not None), None)
            return known if known is not None else without_project(binding.imports[0])
        return self._made(name, binding) if outline is not None and outline.has_torch else None

    def _starred(self, name: str) -> Value | None:
        outline = self._book.outline
        for star in reversed(outline.stars) if outline is not None else ():
            if name in self._project.public_names(self._book.path, star):
                return self._project.value(self._book.path, Imported(star.module, star.level, name))
        return None

    def _made(self, name: str, binding: Binding) -> Value:
        """The value that the statements of a binding give `name`."""
        for number in binding.chunks:
            part = self._part(number)
            if part is None or not self._execute(part, decided=binding.varies):
                self.names.pop(name, None)
                return Unknown()
        return self.names.get(name, Unknown())

    def _part(self, number: int) -> Part | None:
        part = self._parts.get(number)
        if part is None and self._project.has_room(self._book.size_of(number)):
            part = self._book.part(number)
            if part is not None:
                self._parts[number] = part
        return part

    def _execute(self, part: Part, *, decided: bool) -> bool:
        """Execute a statement of the file; whether all of it was. `decided`: no branch may have been a guess."""
        path = Path()
        project = self._project
        run = Run(self._book.path, path, steps=_STEPS_A_PART, language=project.language, project=project)
        run.frames.append(Frame(self))
        try:
            run.execute(part.module.body)
        except (PathEnded, ProgramRaised, TorchError):
            return False
        return not (decided and path.choices)


def deferred(project: Project, importer: str, imported: Imported) -> Deferred:
    """The value of an imported name until it is used."""
    return Deferred(lambda: project.value(importer, imported))


def without_project(imported: Imported) -> Value:
    """What an import binds as far as its words tell; a relative import names something not known."""
    if imported.level:
        return Unknown()
    if (imported.module, imported.name) == ("collections", "OrderedDict"):
        return Builtin("dict")
    if imported.name is None:
        is_torch = imported.module.partition(".")[0] == "torch"
        return TorchName(imported.module) if is_torch else Foreign(imported.module)
    full = f"{imported.module}.{imported.name}"
    return TorchName(canonical(full)) if imported.module.partition(".")[0] == "torch" else Foreign(full)

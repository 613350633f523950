"""Runs a file's definitions, then calls the one that a finding is in, with made-up arguments, until it goes through."""

from __future__ import annotations

import ast
import builtins
import copy
import linecache
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.cutting import (
    ABSENT,
    ENOUGH,
    LACKING,
    OVER,
    PLAIN,
    REFUSED,
    ROUNDS,
    UNPACKED,
    WAITS,
    Cutter,
    Enough,
    Guards,
    Over,
    rounds,
)
from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.inventing import Inventor
from autograd_lint.dynamic.slices.lessons import Spec, is_autograds
from autograd_lint.dynamic.slices.stubs import Options, Stub, plain, unpacked
from autograd_lint.dynamic.slices.targets import Call, Definition, call_of, call_with, functions_in, path_to, total_of
from autograd_lint.dynamic.slices.words import OPTION_NAMES
from autograd_lint.dynamic.snippets.failures import message_of

DRIVER: Final = "<driver>"
_DRIVER_TEXT: Final = """\
def drive(make, total):
    for _ in range(2):
        function, given, named = make()
        loss = total(function(*given, **named))
        if loss is not None:
            loss.backward()
"""
"""The caller, which holds what it gives."""
_ATTEMPTS: Final = 24
_PASSES: Final = 3
_SAME: Final = 4
"""So many times a statement may fail at the same thing: it may take another tensor than the first that was changed."""
_UNDEFINED: Final = re.compile(r"NameError: name '(\w+)' is not defined")
_ABOUT_FILES: Final = re.compile(r"path|file|director|folder|exist|found|download", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Way:
    """How to call a definition: with what may be left out; a private method `direct`ly, not by what calls it."""

    optional: bool = False
    direct: bool = False


@dataclass(slots=True)
class Slice:
    """A file in pieces: its top-level statements run one by one, and what fails is left out."""

    text: str
    filename: str
    names: dict[str, Any]
    guesses: Guesses = field(default_factory=Guesses)
    again: Callable[[], None] = lambda: None
    """Told that a run begins anew."""
    failures: list[str] = field(default_factory=list)
    supplied: list[str] = field(default_factory=list)
    omitted: list[int] = field(default_factory=list)
    guards: Guards = field(default_factory=Guards)
    over: Over = field(default_factory=lambda: Over(is_autograds))
    tree: ast.Module = field(init=False)
    _given: dict[str, Any] = field(init=False)
    _farthest: tuple[int, str] = (0, "")
    """How many rows were reached when a run failed at last with one that it had not come to before, and at what."""
    _held: list[Call] = field(default_factory=list)
    """What functions were given, so that it can be looked at when all is over."""

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        self._given = dict(self.names)
        self._begin()
        linecache.cache[DRIVER] = (len(_DRIVER_TEXT), None, _DRIVER_TEXT.splitlines(keepends=True), DRIVER)

    def _begin(self) -> None:
        """Forget what the program has defined."""
        tools: dict[str, Any] = {
            ROUNDS: self._rounds,
            ENOUGH: Enough(),
            REFUSED: (RuntimeError, ValueError),
            OVER: self.over,
        }
        tools.update({UNPACKED: partial(unpacked, self.guesses), PLAIN: plain})
        tools[WAITS] = self.guards
        tools.update({LACKING: (OSError, AssertionError), ABSENT: self._absent})
        self.names.clear()
        self.names.update({**self._given, **tools, "__builtins__": builtins, "__file__": self.filename})

    def _rounds(self, items: Iterable[Any], form: Sequence[Any] = ()) -> Iterator[Any]:
        """The rounds that a loop is cut to; `form` is what each item is unpacked into."""
        return (unpacked(self.guesses, item, form) for item in rounds(items)) if form else rounds(items)

    def _absent(self, row: int, name: str, form: Sequence[Any]) -> Any:
        """What a call in `row` would have given, had it found what it wants; asked where it has just failed."""
        error = sys.exc_info()[1]
        if isinstance(error, AssertionError) and not _ABOUT_FILES.search(str(error)):
            raise error
        made = f"the result of `{name}` in row {row}"
        if made not in self.supplied:
            self.supplied.append(made)
        value = Stub(f"{name}()", self.guesses)
        return unpacked(self.guesses, value, form) if form else value

    def run_script(self, rows: Collection[int], reached: _Reached) -> None:
        """Run all statements; again from the top while there is something learnt and `rows` are not all `reached`."""
        for number in range(_PASSES):
            if number:
                self._begin()
                self.failures.clear()
            known = dict(self.guesses.specs), dict(self.guesses.results)
            self.run_module(script=True)
            if self.failures:
                self._measure(self.failures[-1], reached)
            changed = known != (self.guesses.specs, self.guesses.results)
            waits, self.guards.forced = self.guards.met and not self.guards.forced, self.guards.met
            if set(rows) <= set(reached()) or not (waits or (self.failures and changed)):
                return

    def _measure(self, error: str, reached: _Reached) -> None:
        """Remember the `error` of a run that came to rows that none had come to before."""
        rows = len(reached())
        if rows > self._farthest[0]:
            self._farthest = rows, error

    @property
    def ended(self) -> str:
        """What the run that came farthest failed at; empty if all went through in the end."""
        return (self._farthest[1] or self.failures[-1]) if self.failures else ""

    def run_module(self, *, script: bool) -> None:
        """Run the top-level statements; with `script` all of them, else the definitions and what they may need."""
        self.names["__name__"] = "__main__" if script else "sliced"
        for statement in self.tree.body:
            if script or _defines(statement):
                self._run_statement(statement, script=script)
            elif not _is_text(statement):
                self.omitted.append(statement.lineno)

    def _run_statement(self, statement: ast.stmt, *, script: bool) -> None:
        before, last, same = len(self.failures), "", 0
        learnt: dict[str, Spec] = {}
        for number in range(_ATTEMPTS):
            if number:
                self.again()
            error = self._execute(statement)
            if error is None:
                del self.failures[before:]
                return
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._stub_imports(statement)
                return
            self.failures.append(error)
            same = same + 1 if error == last else 0
            if same == _SAME:
                # The tensors come from statements that ran before: the first lesson counts when these run again.
                self.guesses.specs.update(learnt)
                return
            if not self._supply(error) and not (script and self.guesses.learn(error)):
                return
            learnt = learnt if last else dict(self.guesses.specs)
            last = error

    def _execute(self, statement: ast.stmt) -> str | None:
        """Run one statement, cut; what it raised, if it did."""
        cut = Cutter().visit(_copy(statement))
        module = ast.fix_missing_locations(ast.Module([cut], type_ignores=[]))
        return self._failure_of(lambda: exec(compile(module, self.filename, "exec", dont_inherit=True), self.names))

    def _failure_of(self, run: Callable[[], object]) -> str | None:
        """The text of what `run` raised. Only the end of the time goes on."""
        try:
            run()
        except (Exception, SystemExit) as error:  # the program's own, of any kind: the next attempt learns from it
            return f"{type(error).__name__}: {message_of(error)}"
        return None

    def _supply(self, error: str) -> bool:
        """Make up the name that the program lacks, because what would have defined it could not run."""
        lacking = _UNDEFINED.match(error)
        if lacking is None or lacking[1] in self.names:
            return False
        name = lacking[1]
        options = name.lower() in OPTION_NAMES
        self.names[name] = Options(name, self.guesses) if options else Stub(name, self.guesses)
        self.supplied.append(name)
        return True

    def _stub_imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.names.setdefault(name, Stub(alias.name, self.guesses))

    # -------------------------------------------------------------- targets

    def drive(self, rows: Collection[int], reached: _Reached) -> None:
        """Call what holds `rows`, those that are not `reached` yet, until it goes through."""
        for row, path in self._definitions(rows, reached):
            for way in (_Way(), _Way(optional=True), _Way(direct=True)):
                if row not in reached():
                    self.guards.forced = way != _Way() and self.guards.met
                    self._until_it_goes(path, way, reached)

    def _until_it_goes(self, path: list[Definition], way: _Way, reached: _Reached) -> None:
        """Call it until a call goes through, or nothing is learnt any more."""
        before = len(self.failures)
        for _ in range(_ATTEMPTS):
            self.again()
            error = self._failure_of(lambda: self._attempt(path, way))
            if error is None:
                del self.failures[before:]
                return
            self.failures.append(error)
            self._measure(error, reached)
            if not self._supply(error) and not self.guesses.learn(error):
                return

    def _definitions(self, rows: Collection[int], reached: _Reached) -> Iterator[tuple[int, list[Definition]]]:
        """The chains of definitions, from the top level inwards, around each row that nothing has reached."""
        done: set[int] = set()
        for row in rows:
            path = path_to(self.tree.body, row)
            if path and path[-1].lineno not in done and row not in reached():
                done.add(path[-1].lineno)
                self.guesses.forget()
                yield row, path

    def _attempt(self, path: list[Definition], way: _Way) -> None:
        self.guesses.given.clear()
        inventor = Inventor(self.guesses, optional=way.optional)
        outer = self.names.get(path[0].name)
        if outer is None:
            return
        call = call_of(outer, path, inventor, direct=way.direct)
        if call is not None:
            made = self._drive(call, path[-1])
            for function, node in functions_in(made, path[-1]):
                self._drive(partial(call_with, function, node, inventor), node)

    def _drive(self, call: Callable[[], Call], node: ast.AST) -> list[Any]:
        """Call twice, with a backward through each result; the results."""
        exec(compile(_DRIVER_TEXT, DRIVER, "exec"), self.names)
        # What runs backward itself has freed the graph of what it returns.
        backward = any(isinstance(part, ast.Attribute) and part.attr == "backward" for part in ast.walk(node))
        results: list[Any] = []

        def total(result: Any) -> torch.Tensor | None:
            results.append(result)
            return None if backward else total_of(result)

        def hold() -> Call:
            self._held.append(call())
            return self._held[-1]

        self.names["drive"](hold, total)
        return results


def _defines(statement: ast.stmt) -> bool:
    """Whether definitions may need it: it binds names, or adds to what they are bound to."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))):
            return name in _ADDING
    return not isinstance(statement, ast.For | ast.While | ast.Expr | ast.With)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


_ADDING: Final = frozenset(
    {"add_argument", "set_defaults", "append", "extend", "insert", "update", "setdefault", "add"}
)
_Reached = Callable[[], Collection[int]]


def _copy(statement: ast.stmt) -> ast.stmt:
    """The statement anew, since cutting changes it."""
    return copy.deepcopy(statement)

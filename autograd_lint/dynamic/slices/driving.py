"""Runs a file's definitions, then calls the one that a finding is in, with made-up arguments, until it goes through."""

from __future__ import annotations

import ast
import builtins
import copy
import linecache
import re
import types
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.cutting import ENOUGH, OVER, REFUSED, ROUNDS, UNPACKED, Cutter, Enough, Over, rounds
from autograd_lint.dynamic.slices.guesses import Guesses, Spec, is_autograds
from autograd_lint.dynamic.slices.inventing import Inventor, uses_of
from autograd_lint.dynamic.slices.stubs import Options, Stub, unpacked
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
_UNDEFINED: Final = re.compile(r"NameError: name '(\w+)' is not defined")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(slots=True)
class Slice:
    """A file in pieces: its top-level statements run one by one, and what fails is left out."""

    text: str
    filename: str
    names: dict[str, Any]
    guesses: Guesses = field(default_factory=Guesses)
    failures: list[str] = field(default_factory=list)
    supplied: list[str] = field(default_factory=list)
    omitted: list[int] = field(default_factory=list)
    over: Over = field(default_factory=lambda: Over(is_autograds))
    tree: ast.Module = field(init=False)
    _given: dict[str, Any] = field(init=False)
    _held: list[_Call] = field(default_factory=list)
    """What functions were given, so that it can be looked at when all is over."""

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        self._given = dict(self.names)
        self._begin()
        linecache.cache[DRIVER] = (len(_DRIVER_TEXT), None, _DRIVER_TEXT.splitlines(keepends=True), DRIVER)

    def _begin(self) -> None:
        """Forget what the program has defined."""
        tools: dict[str, Any] = {ROUNDS: rounds, ENOUGH: Enough(), REFUSED: (RuntimeError, ValueError), OVER: self.over}
        tools[UNPACKED] = unpacked
        self.names.clear()
        self.names.update({**self._given, **tools, "__builtins__": builtins, "__file__": self.filename})

    def run_script(self, rows: Collection[int], reached: _Reached) -> None:
        """Run all statements; again from the top while there is something learnt and `rows` are not all `reached`."""
        for number in range(_PASSES):
            if number:
                self._begin()
                self.failures.clear()
            known = dict(self.guesses.specs)
            self.run_module(script=True)
            if not self.failures or self.guesses.specs == known or set(rows) <= set(reached()):
                return

    def run_module(self, *, script: bool) -> None:
        """Run the top-level statements; with `script` all of them, else the definitions and what they may need."""
        self.names["__name__"] = "__main__" if script else "sliced"
        for statement in self.tree.body:
            if script or _defines(statement):
                self._run_statement(statement, script=script)
            elif not _is_text(statement):
                self.omitted.append(statement.lineno)

    def _run_statement(self, statement: ast.stmt, *, script: bool) -> None:
        before, last = len(self.failures), ""
        learnt: dict[str, Spec] = {}
        for _ in range(_ATTEMPTS):
            error = self._execute(statement)
            if error is None:
                del self.failures[before:]
                return
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._stub_imports(statement)
                return
            self.failures.append(error)
            if error == last:
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
            self._until_it_goes(path, optional=False)
            if row not in reached():
                self._until_it_goes(path, optional=True)

    def _until_it_goes(self, path: list[_Definition], *, optional: bool) -> None:
        """Call it until a call goes through, or nothing is learnt any more."""
        before = len(self.failures)
        for _ in range(_ATTEMPTS):
            error = self._failure_of(lambda: self._attempt(path, optional=optional))
            if error is None:
                del self.failures[before:]
                return
            self.failures.append(error)
            if not self._supply(error) and not self.guesses.learn(error):
                return

    def _definitions(self, rows: Collection[int], reached: _Reached) -> Iterator[tuple[int, list[_Definition]]]:
        """The chains of definitions, from the top level inwards, around each row that nothing has reached."""
        done: set[int] = set()
        for row in rows:
            path = _path_to(self.tree.body, row)
            if path and path[-1].lineno not in done and row not in reached():
                done.add(path[-1].lineno)
                self.guesses.forget()
                yield row, path

    def _attempt(self, path: list[_Definition], *, optional: bool) -> None:
        inventor = Inventor(self.guesses, optional=optional)
        outer = self.names.get(path[0].name)
        if outer is None:
            return
        call = self._call_of(outer, path, inventor)
        if call is not None:
            made = self._drive(call, path[-1])
            for function, node in _functions_in(made, path[-1]):
                self._drive(partial(_call, function, node, inventor), node)

    def _drive(self, call: Callable[[], _Call], node: ast.AST) -> list[Any]:
        """Call twice, with a backward through each result; the results."""
        exec(compile(_DRIVER_TEXT, DRIVER, "exec"), self.names)
        # What runs backward itself has freed the graph of what it returns.
        backward = any(isinstance(part, ast.Attribute) and part.attr == "backward" for part in ast.walk(node))
        results: list[Any] = []

        def total(result: Any) -> torch.Tensor | None:
            results.append(result)
            return None if backward else _total(result)

        def hold() -> _Call:
            self._held.append(call())
            return self._held[-1]

        self.names["drive"](hold, total)
        return results

    def _call_of(self, outer: Any, path: list[_Definition], inventor: Inventor) -> Callable[[], _Call] | None:
        """What to call: the function; of a class, an object's `forward`, or the method that the row is in."""
        if not isinstance(path[0], ast.ClassDef):
            return partial(_call, outer, path[0], inventor)
        if issubclass(outer, torch.autograd.Function):
            return _apply(outer, path[0], inventor)
        constructor = _method(path[0], "__init__")
        positional, named = inventor.arguments(outer, constructor)
        made = outer(*positional, **named)
        if self.guesses.zeros and isinstance(made, torch.nn.Module):
            _clear(made)
        method = path[1] if len(path) > 1 and not isinstance(path[1], ast.ClassDef) else None
        if isinstance(made, torch.nn.Module):
            inventor.modules.append(made)
            if method is None or method.name in ("__init__", "forward") or method.name.startswith("_"):
                method = _method(path[0], "forward")
        if method is None or method.name == "__init__":
            return None
        bound = made if method.name == "forward" and isinstance(made, torch.nn.Module) else getattr(made, method.name)
        return lambda: (bound, *inventor.arguments(getattr(made, method.name), method, path[0]))


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
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Call = tuple[Callable[..., Any], list[Any], dict[str, Any]]
"""A function and its arguments."""


def _call(function: Callable[..., Any], node: ast.AST, inventor: Inventor) -> _Call:
    return (function, *inventor.arguments(function, node))


def _apply(function: Any, node: ast.ClassDef, inventor: Inventor) -> Callable[[], _Call]:
    """A call of a custom Function: what its forward takes after the context."""
    forward = _method(node, "forward")
    names = [each.arg for each in forward.args.args] if forward is not None else []
    names = names[1:] if names and _method(node, "setup_context") is None else names

    def make() -> _Call:
        kinds = ((name, "Tensor" if sure else "", uses_of(forward, name)) for name, sure in _kinds(names))
        return function.apply, [inventor.value(*kind) for kind in kinds], {}

    return make


def _functions_in(results: list[Any], outer: ast.AST) -> Iterator[tuple[Callable[..., Any], ast.AST]]:
    """The functions that a call has returned, those that are defined in what was called, with their definitions."""
    inner = {node.lineno: node for node in ast.walk(outer) if isinstance(node, ast.FunctionDef | ast.Lambda)}
    for result in results[-1:]:
        for value in result if isinstance(result, list | tuple) else (result,):
            code = getattr(value, "__code__", None)
            first = getattr(code, "co_firstlineno", 0)
            if isinstance(value, types.FunctionType) and first in inner and inner[first] is not outer:
                yield value, inner[first]


def _kinds(names: list[str]) -> Iterator[tuple[str, bool]]:
    """Names, and whether each is surely a tensor: the first one is."""
    for number, name in enumerate(names):
        yield name, number == 0 or name in ("weight", "bias", "y", "other")


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == name), None)


def _path_to(body: list[ast.stmt], row: int) -> list[_Definition]:
    """The definitions around `row`, outermost first: functions and methods, not what is nested in them."""
    for statement in body:
        if isinstance(statement, _DEFINITIONS) and statement.lineno <= row <= (statement.end_lineno or row):
            inner = _path_to(statement.body, row) if isinstance(statement, ast.ClassDef) else []
            return [statement, *inner]
    return []


def _total(result: Any) -> torch.Tensor | None:
    """One number that has to do with all of a result that has a graph."""
    parts = [part.float().sum() for part in _tensors(result) if part.requires_grad and part.grad_fn is not None]
    return torch.stack(parts).sum() if parts else None


@torch.no_grad()
def _clear(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        parameter.zero_()


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, list | tuple):
        for item in result:
            yield from _tensors(item)
    elif isinstance(result, dict):
        yield from _tensors(list(result.values()))


def _copy(statement: ast.stmt) -> ast.stmt:
    """The statement anew, since cutting changes it."""
    return copy.deepcopy(statement)

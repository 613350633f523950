"""Runs a file's definitions, then calls the one that a finding is in, with made-up arguments, until it goes through."""

from __future__ import annotations

import ast
import builtins
import copy
import linecache
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.cutting import ENOUGH, OVER, REFUSED, ROUNDS, Cutter, Enough, Over, rounds
from autograd_lint.dynamic.slices.guesses import Guesses, Spec, is_autograds
from autograd_lint.dynamic.slices.inventing import Inventor
from autograd_lint.dynamic.slices.stubs import Options, Stub
from autograd_lint.dynamic.slices.words import OPTION_NAMES
from autograd_lint.dynamic.snippets.failures import message_of

DRIVER: Final = "<driver>"
_DRIVER_TEXT: Final = """\
def drive(call, total):
    for _ in range(2):
        loss = total(call())
        if loss is not None:
            loss.backward()
"""
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
    over: Over = field(default_factory=lambda: Over(is_autograds))
    tree: ast.Module = field(init=False)
    _given: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        self._given = dict(self.names)
        self._begin()
        linecache.cache[DRIVER] = (len(_DRIVER_TEXT), None, _DRIVER_TEXT.splitlines(keepends=True), DRIVER)

    def _begin(self) -> None:
        """Forget what the program has defined."""
        tools = {ROUNDS: rounds, ENOUGH: Enough(), REFUSED: (RuntimeError, ValueError), OVER: self.over}
        self.names.clear()
        self.names.update({**self._given, **tools, "__builtins__": builtins, "__file__": self.filename})

    def run_script(self, rows: Collection[int], reached: _Reached) -> None:
        """Run all statements; again from the top while there is something learnt and `rows` are not all `reached`."""
        for _ in range(_PASSES):
            known = dict(self.guesses.specs)
            self.run_module(script=True)
            if not self.failures or self.guesses.specs == known or set(rows) <= set(reached()):
                return
            self._begin()
            self.failures.clear()

    def run_module(self, *, script: bool) -> None:
        """Run the top-level statements; with `script` all of them, else the definitions and what they may need."""
        self.names["__name__"] = "__main__" if script else "sliced"
        for statement in self.tree.body:
            if script or not isinstance(statement, ast.For | ast.While | ast.Expr | ast.With):
                self._run_statement(statement, script=script)

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
            if self._until_it_goes(path, optional=False) and row not in reached():
                self._until_it_goes(path, optional=True)

    def _until_it_goes(self, path: list[_Definition], *, optional: bool) -> bool:
        """Whether a call went through, after so many attempts."""
        before = len(self.failures)
        for _ in range(_ATTEMPTS):
            error = self._failure_of(lambda: self._attempt(path, optional=optional))
            if error is None:
                del self.failures[before:]
                return True
            self.failures.append(error)
            if not self._supply(error) and not self.guesses.learn(error):
                return False
        return False

    def _definitions(self, rows: Collection[int], reached: _Reached) -> Iterator[tuple[int, list[_Definition]]]:
        """The chains of definitions, from the top level inwards, around each row that nothing has reached."""
        done: set[int] = set()
        for row in rows:
            path = _path_to(self.tree.body, row)
            if path and path[-1].lineno not in done and row not in reached():
                done.add(path[-1].lineno)
                self.guesses = self._fresh()
                yield row, path

    def _fresh(self) -> Guesses:
        self.guesses.specs.clear()
        self.guesses.__init__()  # type: ignore[misc] # stubs hold on to this object
        return self.guesses

    def _attempt(self, path: list[_Definition], *, optional: bool) -> None:
        inventor = Inventor(self.guesses, optional=optional)
        outer = self.names.get(path[0].name)
        if outer is None:
            return
        call = self._call_of(outer, path, inventor)
        if call is not None:
            exec(compile(_DRIVER_TEXT, DRIVER, "exec"), self.names)
            # What runs backward itself has freed the graph of what it returns.
            backward = any(isinstance(node, ast.Attribute) and node.attr == "backward" for node in ast.walk(path[-1]))
            self.names["drive"](call, _nothing if backward else _total)

    def _call_of(self, outer: Any, path: list[_Definition], inventor: Inventor) -> Callable[[], Any] | None:
        """What to call: the function; of a class, an object's `forward`, or the method that the row is in."""
        if not isinstance(path[0], ast.ClassDef):
            return lambda: _called(outer, inventor.arguments(outer, path[0]))
        if issubclass(outer, torch.autograd.Function):
            return _apply(outer, path[0], inventor)
        constructor = _method(path[0], "__init__")
        positional, named = inventor.arguments(outer, constructor)
        made = outer(*positional, **named)
        method = path[1] if len(path) > 1 and not isinstance(path[1], ast.ClassDef) else None
        if isinstance(made, torch.nn.Module):
            inventor.modules.append(made)
            if method is None or method.name in ("__init__", "forward") or method.name.startswith("_"):
                method = _method(path[0], "forward")
        if method is None or method.name == "__init__":
            return None
        bound = made if method.name == "forward" and isinstance(made, torch.nn.Module) else getattr(made, method.name)
        return lambda: _called(bound, inventor.arguments(getattr(made, method.name), method, path[0]))


_Reached = Callable[[], Collection[int]]
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _apply(function: Any, node: ast.ClassDef, inventor: Inventor) -> Callable[[], Any]:
    """A call of a custom Function: what its forward takes after the context."""
    forward = _method(node, "forward")
    names = [each.arg for each in forward.args.args] if forward is not None else []
    names = names[1:] if names and _method(node, "setup_context") is None else names
    return lambda: function.apply(*[inventor.value(name, "Tensor" if sure else "", {}) for name, sure in _kinds(names)])


def _called(function: Callable[..., Any], given: tuple[list[Any], dict[str, Any]]) -> Any:
    return function(*given[0], **given[1])


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


def _nothing(_: Any) -> None:
    return None


def _total(result: Any) -> torch.Tensor | None:
    """One number that has to do with all of a result that has a graph."""
    parts = [part.float().sum() for part in _tensors(result) if part.requires_grad and part.grad_fn is not None]
    return torch.stack(parts).sum() if parts else None


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

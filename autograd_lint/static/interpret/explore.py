"""Which programs a file holds, and along which paths each is executed.

A file is run from the top, as a script; then every function, and every method of every class, that nobody called is
run with unknown arguments. Each is run again and again, deciding unknown branches differently, until all paths or the
budget are exhausted; paths with fewer decisions changed come first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import libcst as cst

from autograd_lint.events import (
    Accumulation,
    Backward,
    ClippedNothing,
    Cut,
    DeadEnd,
    EvalForward,
    Event,
    LostWrite,
    MadeInForward,
    Misordered,
    Refusal,
    Refused,
    Site,
    Unregistered,
    Write,
)
from autograd_lint.static.importing.helpers import training_helpers
from autograd_lint.static.importing.project import Project
from autograd_lint.static.interpret.binding import bind_parameters
from autograd_lint.static.interpret.callers import called_without_gradients
from autograd_lint.static.interpret.calls import call_hook, call_value, instantiate, is_function_class, run_frame
from autograd_lint.static.interpret.classes import find_in_class
from autograd_lint.static.interpret.expressions import evaluate
from autograd_lint.static.interpret.state import Args, Frame, Language, Lost, Path, PathEnded, ProgramRaised, Run
from autograd_lint.static.interpret.statements import assign, execute
from autograd_lint.static.model.machine import GraphNode, TorchError
from autograd_lint.static.model.passes import Request, needed_by_return
from autograd_lint.static.model.tape import Tape
from autograd_lint.static.model.values import NONE, Class, Dict, Env, Function, Instance, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.forward_hooks import is_removed
from autograd_lint.static.operations.gradients import flush_pending
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.patterns import registration, validation
from autograd_lint.static.patterns.cuts import graph_tensors, lost_gradients
from autograd_lint.static.patterns.function_checks import enter_function_method, takes_context
from autograd_lint.static.syntax import ir

_LANGUAGE: Final = Language(evaluate, execute, assign, call_value, call_hook)
_MOST_PATHS: Final = 48
_STEPS_A_PATH: Final = 6_000
_STEPS_AN_ENTRY: Final = 24_000
_STEPS_A_FILE: Final = 150_000
_MOST_REPEATS: Final = 3
_TRAINING: Final = frozenset({"backward", "step"})
_ACCUSING: Final = (
    Refused,
    Accumulation,
    ClippedNothing,
    Cut,
    DeadEnd,
    LostWrite,
    MadeInForward,
    Misordered,
    Unregistered,
)
"""Events that rules report as errors whatever they say."""


@dataclass(frozen=True, slots=True)
class PathResult:
    """What one path told: events, each with whether torch had already raised; what it executed; the leaves it `fed`.

    `tape` keeps its steps, if that was asked for.
    """

    events: tuple[tuple[Event, bool], ...]
    reached: frozenset[cst.CSTNode]
    failed: bool
    fed: frozenset[tuple[Site | None, str]] = frozenset()
    tape: Tape | None = None


@dataclass(slots=True)
class Budget:
    """Steps left for the file, what it imports, and whether the steps are kept."""

    project: Project | None = None
    steps: int = _STEPS_A_FILE
    taped: bool = False


Entry: TypeAlias = Callable[[Run], "Value | None"]


def project_of(filename: str) -> Project:
    """What the file can import from its own project."""
    return Project(filename, _LANGUAGE)


def explore(module: ir.Module, project: Project | None = None, *, taped: bool = False) -> Iterator[list[PathResult]]:
    """The paths of every program in the file, one list a program; with their steps if `taped`.

    Without a `project`, what is imported is not known.
    """
    programs = list(_programs(module, Budget(project, taped=taped)))
    if not any(isinstance(event, Cut) for paths in programs for path in paths for event, _ in path.events):
        return iter(programs)
    fed = {leaf for paths in programs for path in paths for leaf in path.fed}
    return iter([[_without_fed(path, fed) for path in paths] for paths in programs])


def _without_fed(path: PathResult, fed: set[tuple[Site | None, str]]) -> PathResult:
    """A leaf that gets its gradient along another path, or in another method, is not lost."""
    events = tuple(
        (event, late)
        for event, late in path.events
        if not (isinstance(event, Cut) and (event.leaf.made, event.leaf.name) in fed)
    )
    return replace(path, events=events)


def _programs(module: ir.Module, budget: Budget) -> Iterator[list[PathResult]]:
    called: set[int] = set()
    helpers = training_helpers(module, budget.project)
    if not module.scope.triggers and not helpers:
        return
    scopes: list[Env] = []

    def script(run: Run) -> Value | None:
        env = Env()
        scopes.append(env)
        run.frames.append(Frame(env))
        run.execute(module.body)
        return None

    yield _paths(module, script, budget, called)
    relevant = _relevant_names(module, helpers)
    env = scopes[0]
    for function in _functions(module.body):
        value = env.names.get(function.name)
        if id(function) not in called and function.name in relevant and isinstance(value, Function):
            if value.node is function:
                yield _alone(module, value, _paths(module, _function_entry(env, value), budget, called))
    in_place = {node.name for node in _classes(module.body) if node.scope.in_place}
    leads = helpers | in_place | {function.name for function in _functions(module.body) if function.name in relevant}
    for node in _classes(module.body):
        value = env.names.get(node.name)
        if isinstance(value, Class) and value.node is node and _is_relevant(node.scope, leads):
            yield from _explore_class(module, env, value, budget, called, leads)


def _explore_class(
    module: ir.Module, env: Env, cls: Class, budget: Budget, called: set[int], leads: frozenset[str]
) -> Iterator[list[PathResult]]:
    """Every method of a class that nobody called, `forward` first; the constructor alone when that is all there is.

    `leads` are functions that could lead to a finding.
    """
    methods = [v for v in cls.attrs.values() if isinstance(v, Function) and v.owner is cls]
    methods.sort(key=lambda f: _method_order(f))
    scopes = {name: v.node.scope for name, v in cls.attrs.items() if isinstance(v, Function) and v.owner is cls}
    leads |= _training(scopes, leads) | {name for name, scope in scopes.items() if scope.triggers}
    ran = False
    for method in methods:
        if id(method.node) in called or not _worth(method, leads) or _is_init(method):
            continue
        ran = True
        yield _alone(module, method, _paths(module, _method_entry(env, cls, method), budget, called))
    init, _ = find_in_class(cls, "__init__")
    if ran or not isinstance(init, Function) or id(init.node) in called:
        return
    if _is_relevant(init.node.scope, leads):
        yield _paths(module, _construction_entry(env, cls), budget, called)


def _alone(module: ir.Module, function: Function, results: list[PathResult]) -> list[PathResult]:
    """What was told of a function nobody had called yet: its callers in this file may switch gradients off."""
    if not any(_needs_gradients(event) for result in results for event, _ in result.events):
        return results
    if isinstance(function.node, ir.Lambda) or function.node.name not in called_without_gradients(module):
        return results
    return [replace(r, events=tuple(e for e in r.events if not _needs_gradients(e[0]))) for r in results]


def _needs_gradients(event: Event) -> bool:
    """The event is no fault where gradients are off, and nothing certain."""
    if isinstance(event, Write):
        return event.refusal in (Refusal.LEAF, Refusal.VIEW_OF_LEAF) and not event.certain
    return isinstance(event, EvalForward)


def _method_order(function: Function) -> int:
    return 0 if isinstance(function.node, ir.FunctionDef) and function.node.name == "forward" else 1


def _is_init(function: Function) -> bool:
    return isinstance(function.node, ir.FunctionDef) and function.node.name == "__init__"


def _worth(function: Function, leads: frozenset[str]) -> bool:
    """The method could lead to a finding: by itself, or as the `forward` of a class that has something to find."""
    return _is_relevant(function.node.scope, leads) or _method_order(function) == 0


def _is_relevant(scope: ir.Scope, leads: frozenset[str]) -> bool:
    return scope.triggers or not leads.isdisjoint(scope.calls)


def _paths(module: ir.Module, entry: Entry, budget: Budget, called: set[int]) -> list[PathResult]:
    """Run one program along its paths: first until every statement was reached, then, if torch seemed to raise, along
    as many as the budget allows, to see whether it always does."""
    limit = min(_STEPS_AN_ENTRY, budget.steps)
    survey = Survey(module.filename, entry, limit, budget.project, taped=budget.taped)
    if budget.project is not None:
        budget.project.begin_program()
    before = survey.steps
    survey.run(())
    survey.cover()
    if any(_is_accusation(event) for result in survey.results for event, _ in result.events):
        survey.exhaust()
    budget.steps -= before - survey.steps
    judged = any(isinstance(event, Backward) for result in survey.results for event, _ in result.events)
    called |= survey.called if judged else survey.called - survey.forwards  # these run alone, for a backward to come
    return survey.results


def _is_accusation(event: Event) -> bool:
    """The event may become an error, which must then hold on every path."""
    if isinstance(event, Write):
        return event.stale is not None or event.refusal is not None or event.alias_read is not None
    return isinstance(event, _ACCUSING) or (isinstance(event, Backward) and event.failure is not None)


@dataclass(slots=True)
class Survey:
    """The paths of one program run so far, and the decisions not yet tried."""

    filename: str
    entry: Entry
    steps: int
    project: Project | None = None
    taped: bool = False
    results: list[PathResult] = field(default_factory=list)
    called: set[int] = field(default_factory=set)
    forwards: set[int] = field(default_factory=set)
    """Methods called `forward` among these, of programs that return nothing."""
    reached: set[cst.CSTNode] = field(default_factory=set)
    waiting: deque[tuple[tuple[bool, ...], ir.Block]] = field(default_factory=deque)

    def run(self, prefix: tuple[bool, ...]) -> bool:
        """Run the path that `prefix` begins and note where it could have gone otherwise; whether it came to its end."""
        run, result = self._once(prefix)
        for _ in range(_MOST_REPEATS):
            if not run.cut:
                break
            run, result = self._once(prefix)  # an imported function ended the path: now it is not known
        if run.cut and self.project is not None:
            self.project.steps = 0  # too many of them do: none is known any more
            run, result = self._once(prefix)
        path = run.path
        self.results.append(result)
        if self.project is None or self.project.steps > 0:  # else what was called may have met too little that is known
            self.called |= run.called
            self.forwards |= run.forwards
        self.reached |= run.reached
        choices = path.choices
        for i in range(len(prefix), min(len(choices), _MOST_PATHS)):
            self.waiting.append(((*choices[:i], not choices[i]), path.untaken.get(i, ())))
        return not run.truncated

    def _once(self, prefix: tuple[bool, ...]) -> tuple[Run, PathResult]:
        if self.project is not None:
            self.project.begin_run()
        path = Path(prefix, self.reached)
        steps = min(_STEPS_A_PATH, self.steps)
        run = Run(self.filename, path, steps=steps, language=_LANGUAGE, project=self.project)
        run.tape = Tape() if self.taped else None
        result = _one_path(run, self.entry)
        self.steps -= steps - max(run.steps, 0) + 1
        return run, result

    def cover(self) -> None:
        """Run the paths that lead to statements not yet reached."""
        others: deque[tuple[tuple[bool, ...], ir.Block]] = deque()
        while self.waiting and self._has_room():
            prefix, block = self.waiting.popleft()
            if block and block[0].cst not in self.reached:
                self.run(prefix)
            else:
                others.append((prefix, ()))
        self.waiting.extend(others)

    def exhaust(self) -> None:
        """Run the other paths, those with few decisions changed first."""
        while self.waiting and self._has_room():
            if not self.run(self.waiting.popleft()[0]) and self.steps <= 0:
                self.results.pop()  # the budget ended it: that it met no error there shows nothing

    def _has_room(self) -> bool:
        return self.steps > 0 and len(self.results) < _MOST_PATHS


def _one_path(run: Run, entry: Entry) -> PathResult:
    machine = run.machine
    value: Value | None = None
    try:
        value = entry(run)
        flush_pending(run)
        if value is not None and run.last_return is not None:
            _need_what_is_returned(run, value)
            if value is not NONE:
                run.forwards.clear()
    except (PathEnded, ProgramRaised):
        flush_pending(run)
    except TorchError:
        machine.failed = True
    _tell_sums_never_cleared(run)
    registration.conclude(run)
    validation.conclude(run)
    events = list(machine.events)
    events.extend((record.event(), record.late) for record in machine.writes)
    events.extend((done.event, done.late) for done in run.gradients.passes)
    events.extend(_lost_leaves(run, value))
    events.extend((event, False) for event in lost_gradients(run, value))
    if run.anomaly is not None:
        events.append((run.anomaly, False))
    events.extend((event, False) for judge in run.awaited if (event := judge()) is not None)
    removed = {id(handle) for handle, _ in run.hooks if isinstance(handle, Unknown) and is_removed(handle)}
    events.extend((event, False) for handle, event in run.hooks if id(handle) not in removed)
    fed = frozenset((leaf.site, leaf.name) for leaf in run.gradients.fed.values())
    return PathResult(tuple(events), frozenset(run.reached), machine.failed, fed, run.tape)


def _tell_sums_never_cleared(run: Run) -> None:
    """A loop ends with gradients added to used ones that nothing ever cleared: its next round would step with them."""
    for tensor in {id(t): t for t in run.gradients.touched}.values():
        if tensor.grad_sum is not None and not tensor.grad_clears and tensor.grad_sum.in_loop:
            run.machine.emit(tensor.grad_sum)


def _lost_leaves(run: Run, returned: Value | None) -> Iterator[tuple[Event, bool]]:
    """Leaves a backward reached, whose gradients nobody can read, and those it may reach where others have the result.

    A moved leaf that no backward of the whole path reaches, and nobody else has, loses nothing. Nor does one of a test
    that no backward reaches: what the test calls is mostly asked for its values; nor one whose result was told to
    retain its gradient. A number that is moved, and whose
    gradient nobody asks for, stands in for a loss where there is none.
    """
    others = {id(t) for t in graph_tensors([*run.given, *([returned] if returned is not None else [])])}
    for lost in run.lost:
        result = lost.result
        if result is not None and (result.retains_grad or _stands_in(lost, result)):
            continue
        reached = lost.leaf.grad is not NONE
        held = lost.result is None or id(lost.result) in others or lost.result.grad_reads
        if reached or ((held or run.truncated or not lost.event.move) and not lost.tested):
            yield replace(lost.event, certain=reached), lost.late


def _stands_in(lost: Lost, result: Tensor) -> bool:
    layout = lost.leaf.layout
    return lost.event.move and not result.grad_reads and layout is not None and not layout.shape


def _need_what_is_returned(run: Run, value: Value) -> None:
    """A graph that leaves through `return` is needed by whoever runs backward through it."""
    roots = [t for t in _tensors(value) if isinstance(run.machine.edge(t), GraphNode)]
    certain = [t for t in roots if _is_in_graph(run, t)]
    if run.last_return is None or run.machine.failed:
        return
    if certain:
        _need(run, certain, run.last_return, known=True)
        if run.tape is not None:
            run.tape.end(tuple(certain), run.filename, run.last_return)
    if run.machine.differentiated and len(certain) < len(roots):
        _need(run, [t for t in roots if not _is_in_graph(run, t)], run.last_return, known=False)


def _need(run: Run, roots: Sequence[Tensor], node: ir.Node, *, known: bool) -> None:
    names = tuple(root.name for root in roots)
    request = Request(
        run.site(node), tuple(roots), names, seeded=True, retain=None, create=False, known=known, name="return"
    )
    needed_by_return(run.machine, request)


def _is_in_graph(run: Run, tensor: Tensor) -> bool:
    edge = run.machine.edge(tensor)
    return isinstance(edge, GraphNode) and edge.certain


def _tensors(value: Value, depth: int = 0) -> Iterator[Tensor]:
    tensor = known_tensor(value)
    if tensor is not None:
        yield tensor
    elif isinstance(value, Seq) and depth < 3:
        for item in value.items:
            yield from _tensors(item, depth + 1)
    elif isinstance(value, Dict) and depth < 3:
        for item in value.items.values():
            yield from _tensors(item, depth + 1)
    elif isinstance(value, Unknown) and value.attrs and depth < 3:  # `results["scores"] = …`, into what was given
        for item in value.attrs.values():
            yield from _tensors(item, depth + 1)


# -------------------------------------------------------------------- entries


_BUILD_GRAPHS: Final = frozenset({"__init__", "forward", "__call__", "training_step"})
"""Methods that are there to be called with gradients on."""


def _function_entry(env: Env, function: Function) -> Entry:
    def enter(run: Run) -> Value | None:
        run.frames.append(Frame(env))
        run.machine.alone = True
        return _call_unknown_arguments(run, function, [])

    return enter


def _method_entry(env: Env, cls: Class, method: Function) -> Entry:
    alone = isinstance(method.node, ir.FunctionDef) and method.node.name not in _BUILD_GRAPHS

    def enter(run: Run) -> Value | None:
        run.frames.append(Frame(env))
        run.machine.alone = alone
        if method.kind == "static" and is_function_class(cls) and takes_context(cls, method):
            return enter_function_method(run, cls, method, lambda env: _run_bound(run, method, env))
        if method.kind == "static":
            return _call_unknown_arguments(run, method, [])
        if method.kind == "class":
            return _call_unknown_arguments(run, method, [cls])
        instance = instantiate(run, cls, Args([], open=True), cls.node)
        run.calls = ()
        run.last_return = None
        run.owner = instance
        run.watch.inherited = tuple(instance.attrs.values()) if isinstance(instance, Instance) else ()
        run.machine.differentiated = not alone and isinstance(instance, Instance) and instance.module
        return _call_unknown_arguments(run, method, [instance])

    return enter


def _construction_entry(env: Env, cls: Class) -> Entry:
    def enter(run: Run) -> Value | None:
        run.frames.append(Frame(env))
        instantiate(run, cls, Args([], open=True), cls.node)
        return None

    return enter


def _call_unknown_arguments(run: Run, function: Function, first: list[Value]) -> Value:
    env = Env(function.env)
    bind_parameters(run, function, Args(first, open=True), env)
    owner = first[0] if first and isinstance(first[0], Instance) else None
    return _run_bound(run, function, env, owner)


def _run_bound(run: Run, function: Function, env: Env, owner: Instance | None = None) -> Value:
    frame = Frame(env, function, function.owner, owner, given=tuple(env.names.items()))
    return run_frame(run, frame, None)


def _functions(block: ir.Block) -> Iterator[ir.FunctionDef]:
    """The functions a file defines at its top, under `if` and `try` too."""
    for statement in block:
        if isinstance(statement, ir.FunctionDef):
            yield statement
        else:
            for inner in _inner_blocks(statement):
                yield from _functions(inner)


def _classes(block: ir.Block) -> Iterator[ir.ClassDef]:
    for statement in block:
        if isinstance(statement, ir.ClassDef):
            yield statement
        else:
            for inner in _inner_blocks(statement):
                yield from _classes(inner)


def _inner_blocks(statement: ir.Stmt) -> tuple[ir.Block, ...]:
    if isinstance(statement, ir.If):
        return (statement.body, statement.orelse)
    if isinstance(statement, ir.Try):
        return (statement.body, *(h.body for h in statement.handlers), statement.orelse, statement.finalbody)
    return (statement.body,) if isinstance(statement, ir.With) else ()


def _relevant_names(module: ir.Module, helpers: frozenset[str]) -> frozenset[str]:
    """The functions and classes that could lead to a finding, by themselves or by what they call in this file."""
    scopes = {function.name: function.scope for function in _functions(module.body)}
    scopes |= {node.name: node.scope for node in _classes(module.body)}
    return _callers(scopes, {name for name, scope in scopes.items() if _is_relevant(scope, helpers)})


def _training(scopes: Mapping[str, ir.Scope], helpers: frozenset[str]) -> frozenset[str]:
    """Those of some functions or methods that run a backward or a step, by themselves or by what they call."""
    runs = helpers | _TRAINING
    return _callers(scopes, {name for name, scope in scopes.items() if not runs.isdisjoint(scope.calls)})


def _callers(scopes: Mapping[str, ir.Scope], names: set[str]) -> frozenset[str]:
    """`names`, and those of `scopes` that call one of them, directly or through others."""
    while True:
        more = {name for name, scope in scopes.items() if name not in names and scope.calls & names}
        if not more:
            return frozenset(names)
        names |= more

"""Notes about optimizers and torch's tools to events: what the source calls the things they speak of."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import singledispatch

from autograd_lint.dynamic.places import Places
from autograd_lint.dynamic.records import (
    AnomalyNote,
    CheckNote,
    CheckpointNote,
    ClipNote,
    DisorderNote,
    Place,
    RebuiltNote,
    StateNote,
)
from autograd_lint.dynamic.syntax import Located, Syntax, name_of
from autograd_lint.events import (
    AnomalyMode,
    Checkpointed,
    ClippedNothing,
    Event,
    GradientChecked,
    Misordered,
    OptimizerRebuilt,
    StateKept,
    TensorRef,
)


@singledispatch
def event_of_note(note: object, places: Places) -> Event | None:
    """The event a note tells of; None where the source shows that it is none."""
    raise TypeError(f"no event is known for {type(note).__name__}")


@event_of_note.register
def _(note: CheckNote, places: Places) -> Event:
    name = name_of(_argument(places.sources.node_at(note.place), 1, note.position))
    return GradientChecked(site=places.site(note.place), target=TensorRef(name), check=note.check, dtype=note.dtype)


@event_of_note.register
def _(note: CheckpointNote, places: Places) -> Event:
    return Checkpointed(site=places.site(note.place), function=note.function, reentrant=note.reentrant, lost=note.lost)


@event_of_note.register
def _(note: ClipNote, places: Places) -> Event:
    name = name_of(_argument(places.sources.node_at(note.place), 0, note.position))
    made = places.node_site(note.made)
    target = TensorRef(name, in_graph=True, made=made, made_by=places.node_word(note.made))
    return ClippedNothing(site=places.site(note.place), target=target, op=note.op, partly=note.partly)


@event_of_note.register
def _(note: AnomalyNote, places: Places) -> Event:
    return AnomalyMode(site=places.site(note.place))


@event_of_note.register
def _(note: RebuiltNote, places: Places) -> Event:
    name = _assigned_name(places, note.place)
    return OptimizerRebuilt(site=places.site(note.place), optimizer=name, step=places.site(note.step))


@event_of_note.register
def _(note: DisorderNote, places: Places) -> Event:
    return Misordered(
        site=places.site(note.place),
        disorder=note.disorder,
        optimizer=name_of(_receiver(places.sources.node_at(note.place))),
        backward=places.site(note.backward),
        cleared=None if note.cleared is None else places.site(note.cleared),
    )


@event_of_note.register
def _(note: StateNote, places: Places) -> Event | None:
    """One that has a name, which is read after the step."""
    node = places.sources.node_at(note.place)
    read = _read_later(node, note, places) if isinstance(node, ast.Call) else None
    if read is None:
        return None
    return StateKept(
        site=places.site(note.place),
        name=_assigned_name(places, note.place),
        owner=name_of(_receiver(node)),
        stepped=places.site(note.stepped),
        read=places.site_of(read, note.place),
    )


def _read_later(node: Located, note: StateNote, places: Places) -> Located | None:
    """Where the variable is read once the step has run: after the loop that assigns it, or else after the step."""
    syntax = places.sources.of(note.place.filename)
    name = _assigned_name(places, note.place)
    loop = _around(syntax, node, (ast.For, ast.While, ast.AsyncFor))
    scope = _around(syntax, node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    last = (loop.end_lineno or loop.lineno) if isinstance(loop, ast.stmt) else 0
    if note.stepped.filename == note.place.filename:
        last = max(last, note.stepped.range.end.row)
    for read in syntax.reads_of(name) if name else ():
        if read.lineno > last and _around(syntax, read, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) is scope:
            return read
    return None


def _around(syntax: Syntax, node: ast.AST, kinds: tuple[type[ast.AST], ...]) -> ast.AST | None:
    return next((outer for outer in _outward(syntax, node) if isinstance(outer, kinds)), None)


def _outward(syntax: Syntax, node: ast.AST) -> Iterator[ast.AST]:
    while node in syntax.parents:
        node = syntax.parents[node]
        yield node


def _assigned_name(places: Places, place: Place) -> str:
    """The one variable that an expression is assigned to."""
    parent = places.parent(places.sources.node_at(place), place)
    return name_of(parent.targets[0]) if isinstance(parent, ast.Assign) and len(parent.targets) == 1 else ""


def _receiver(node: Located | None) -> ast.expr | None:
    return node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None


def _argument(node: Located | None, index: int, position: int | None) -> ast.expr | None:
    """Argument `index` of a call, or item `position` of a list or tuple there."""
    if not isinstance(node, ast.Call) or len(node.args) <= index:
        return None
    argument = node.args[index]
    if position is None:
        return argument
    items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else []
    return items[position] if position < len(items) else None

"""Notes about optimizers and torch's tools to events: what the source calls the things they speak of."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import singledispatch
from typing import Final

from autograd_lint.dynamic.first_writes import indexed_name
from autograd_lint.dynamic.places import Places
from autograd_lint.dynamic.records import (
    AnomalyNote,
    CheckNote,
    CheckpointNote,
    ClipNote,
    DisorderNote,
    EvalNote,
    HookWriteNote,
    KeptGraphs,
    LostWriteNote,
    MadeNote,
    Place,
    RebuiltNote,
    StateNote,
    UnregisteredNote,
)
from autograd_lint.dynamic.syntax import Located, Syntax, name_of
from autograd_lint.events import (
    AnomalyMode,
    Checkpointed,
    ClippedNothing,
    EvalForward,
    Event,
    GradientChecked,
    GradientWritten,
    GraphKept,
    LostWrite,
    MadeInForward,
    Misordered,
    OptimizerRebuilt,
    StateKept,
    TensorRef,
    Unregistered,
)

_LOOPS: Final = (ast.For, ast.While, ast.AsyncFor)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


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
    target = TensorRef(name, in_graph=not note.gradient, made=made, made_by=places.node_word(note.made))
    site = places.site(note.place)
    return ClippedNothing(site=site, target=target, op=note.op, partly=note.partly, gradient=note.gradient)


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


@event_of_note.register
def _(note: LostWriteNote, places: Places) -> Event:
    name = indexed_name(places.sources.node_at(note.place))
    return LostWrite(site=places.site(note.place), target=TensorRef(name), op=note.op)


@event_of_note.register
def _(note: HookWriteNote, places: Places) -> Event:
    name = name_of(_receiver(places.sources.node_at(note.place)))
    return GradientWritten(site=places.site(note.place), op=note.op, registered=places.site(note.registered), name=name)


@event_of_note.register
def _(note: KeptGraphs, places: Places) -> Event | None:
    """Where the source of the loop shows what collects the roots."""
    node = places.sources.node_at(note.place)
    root = name_of(_receiver(node))
    if node is None or not root:
        return None
    found = _collector(places.sources.of(note.place.filename), node, root)
    if found is None:
        return None
    statement, holder, added = found
    return GraphKept(
        site=places.site_of(statement, note.place),
        value=TensorRef(root, in_graph=True),
        holder=holder,
        added=added,
        backward=places.site(note.place),
    )


@event_of_note.register
def _(note: UnregisteredNote, places: Places) -> Event:
    node = places.sources.node_at(note.place)
    statement = None if node is None else places.sources.of(note.place.filename).statement_of(node)
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return Unregistered(
        site=places.site(note.place) if value is None else places.site_of(value, note.place),
        attribute=note.attribute,
        owner=note.owner,
        holder=note.holder,
        member=note.member,
        parameter=note.parameter,
        count=note.count,
    )


@event_of_note.register
def _(note: MadeNote, places: Places) -> Event:
    site = places.site(note.spot.place, note.spot.calls)
    return MadeInForward(site=site, certain=not note.once, owner=note.owner, made=note.made, kept=note.kept)


@event_of_note.register
def _(note: EvalNote, places: Places) -> Event:
    node = places.sources.node_at(note.place)
    name = name_of(node.func) if isinstance(node, ast.Call) else ""
    return EvalForward(site=places.site(note.place), module=name, mode=places.site(note.mode))


def _collector(syntax: Syntax, backward: Located, root: str) -> tuple[Located, str, bool] | None:
    """The one place in the loop around `backward` that adds `root` to something, what that is, and if it is a sum."""
    loop = _around(syntax, backward, _LOOPS)
    found: list[tuple[Located, str, bool]] = []
    for node in ast.walk(loop) if loop is not None else ():
        match node:
            case ast.AugAssign(target=target, op=ast.Add(), value=value) if _is_root(value, root):
                found.append((node, name_of(target), True))
            case ast.Call(func=ast.Attribute(value=holder, attr="append" | "add"), args=[value]) if (
                name_of(value) == root
            ):
                found.append((node, name_of(holder), False))
            case ast.Assign(targets=[ast.Subscript(value=holder)], value=value) if name_of(value) == root:
                found.append((node, name_of(holder), False))
    return found[0] if len(found) == 1 else None


def _is_root(value: ast.expr, root: str) -> bool:
    """The root itself, or its product with something."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
        return _is_root(value.left, root) or _is_root(value.right, root)
    return name_of(value) == root


def _read_later(node: Located, note: StateNote, places: Places) -> Located | None:
    """Where the variable is read once the step has run: after the loop that assigns it, or else after the step."""
    syntax = places.sources.of(note.place.filename)
    name = _assigned_name(places, note.place)
    loop, scope = _around(syntax, node, _LOOPS), _around(syntax, node, _FUNCTIONS)
    last = (loop.end_lineno or loop.lineno) if isinstance(loop, ast.stmt) else 0
    if note.stepped.filename == note.place.filename:
        last = max(last, note.stepped.range.end.row)
    for read in syntax.reads_of(name) if name else ():
        if read.lineno > last and _around(syntax, read, _FUNCTIONS) is scope:
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

"""Named tuples: classes that derive from `typing.NamedTuple`, and the calls that make such classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from autograd_lint.static.interpret.classes import class_chain
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Class, Const, Foreign, Native, Seq, Unknown, Value
from autograd_lint.static.syntax import ir

FACTORIES: Final = frozenset({"typing.NamedTuple", "collections.namedtuple"})


def is_named_tuple(cls: Class) -> bool:
    """The class derives from `NamedTuple` and has no methods of its own: its objects are tuples and nothing else."""
    bases = [link.name for link in class_chain(cls) if isinstance(link, Foreign)]
    own = any(isinstance(statement, ir.FunctionDef) for statement in cls.node.body)
    return bases == ["typing.NamedTuple"] and len(cls.bases) == 1 and not own


def build(fields: Sequence[str], defaults: dict[str, Value], args: Args) -> Seq:
    """The tuple that such a class makes of its arguments; what is missing is its default, else unknown."""
    items = [args.get(position, name) or defaults.get(name) or Unknown() for position, name in enumerate(fields)]
    return Seq("tuple", items, fields=tuple(fields), counted=True)


def make(args: Args) -> Value:
    """`namedtuple("Point", "x y")` or `NamedTuple("Point", [("x", Tensor)])`: what builds the tuples."""
    fields = _field_names(args.get(1, "field_names") or args.kw.get("fields"))
    if fields is None or args.kw.keys() - {"field_names", "fields"}:
        return Unknown()
    return Native(_builder(fields))


def _builder(fields: Sequence[str]) -> Callable[[Run, Args, ir.Node], Value]:
    return lambda run, args, node: build(fields, {}, args)


def _field_names(value: Value | None) -> tuple[str, ...] | None:
    if isinstance(value, Const) and isinstance(value.value, str):
        return tuple(value.value.replace(",", " ").split())
    if not isinstance(value, Seq) or value.open:
        return None
    firsts = [item.items[0] if isinstance(item, Seq) and item.items else item for item in value.items]
    names = [first.value for first in firsts if isinstance(first, Const) and isinstance(first.value, str)]
    return tuple(names) if len(names) == len(firsts) else None

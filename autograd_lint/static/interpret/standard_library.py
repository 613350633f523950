"""Containers and iterators of Python's standard library: `deque`, `chain`, `islice`, `SimpleNamespace` and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import libcst as cst

from autograd_lint.static.interpret.builtin_calls import call_builtin, is_open_iterable, iterate
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import (
    Builtin,
    Class,
    Const,
    Dict,
    Foreign,
    Generator,
    Instance,
    Seq,
    Value,
    is_none,
)
from autograd_lint.static.patterns.networks import note_optimizer
from autograd_lint.static.syntax import ir


def call_foreign(run: Run, function: Foreign, args: Args, node: ir.Node) -> Value:
    """Call a name of a module that is not torch's."""
    handler = _HANDLERS.get(function.name)
    result = handler(run, args, node) if handler is not None and not args.open else None
    if result is None:
        return call_unknown(run, function, args, node)
    note_optimizer(run, result, args.all())
    return result


def _is_known(value: Value) -> bool:
    """Its elements can be told, or at least which come first."""
    return isinstance(value, Seq | Dict | Generator)


def _joined(run: Run, sources: list[Value], node: ir.Node) -> Value | None:
    if not all(_is_known(source) for source in sources):
        return None
    opened = any(is_open_iterable(source) and not isinstance(source, Generator) for source in sources)
    items = [item for source in sources for item in _known_items(run, source, node)]
    return Seq("list", items, open=opened, loops=run.machine.loops)


def _known_items(run: Run, source: Value, node: ir.Node) -> list[Value]:
    return (
        list(source.items)
        if isinstance(source, Seq) and source.kind != "iterator"
        else list(iterate(run, source, node))
    )


def _chain(run: Run, args: Args, node: ir.Node) -> Value | None:
    return _joined(run, args.pos, node)


def _chain_from(run: Run, args: Args, node: ir.Node) -> Value | None:
    source = args.get(0, "iterable")
    if not isinstance(source, Seq) or source.open:
        return None
    return _joined(run, list(source.items), node)


def _islice(run: Run, args: Args, node: ir.Node) -> Value | None:
    source, bounds = args.get(0, "iterable"), args.pos[1:]
    numbers = [b.value for b in bounds if isinstance(b, Const) and (b.value is None or isinstance(b.value, int))]
    if not isinstance(source, Seq) or source.kind == "iterator" or source.open or len(numbers) != len(bounds):
        return None
    if any(number is not None and number < 0 for number in numbers):
        return None
    return Seq("list", source.items[slice(*numbers)], loops=run.machine.loops)


def _deque(run: Run, args: Args, node: ir.Node) -> Value | None:
    """One with a greatest length loses elements."""
    source, most = args.get(0, "iterable"), args.get(1, "maxlen")
    if source is not None and not _is_known(source):
        return None
    items = _known_items(run, source, node) if source is not None else []
    opened = (source is not None and is_open_iterable(source)) or not (most is None or is_none(most))
    return Seq("list", items, open=opened, loops=run.machine.loops)


def _ordered_dict(run: Run, args: Args, node: ir.Node) -> Value | None:
    return call_builtin(run, "dict", args, node)


def _default_dict(run: Run, args: Args, node: ir.Node) -> Value | None:
    factory, rest = args.get(0, "default_factory"), Args(args.pos[1:], dict(args.kw))
    rest.kw.pop("default_factory", None)
    result = call_builtin(run, "dict", rest, node)
    if isinstance(result, Dict):
        result.missing = None if factory is None or is_none(factory) else factory
    return result


def _counter(run: Run, args: Args, node: ir.Node) -> Value | None:
    """Of what is counted nothing is known, but that keys it does not have begin at 0."""
    return None if args.pos or args.kw else Dict({}, loops=run.machine.loops, missing=Builtin("int"))


def _namespace(run: Run, args: Args, node: ir.Node) -> Value | None:
    return None if args.pos else Instance(_NAMESPACE, dict(args.kw), site=run.site(node), loops=run.machine.loops)


_NAMESPACE: Final = Class(
    ir.ClassDef(cst.Pass(), "SimpleNamespace", (), (), (), ir.Scope(), cst.Pass()), bases=(), attrs={}
)

_HANDLERS: Final[dict[str, Callable[[Run, Args, ir.Node], Value | None]]] = {
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_from,
    "itertools.islice": _islice,
    "collections.deque": _deque,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "collections.Counter": _counter,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
}

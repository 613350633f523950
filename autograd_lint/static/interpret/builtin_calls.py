"""Python's builtins, and iteration over abstract values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from autograd_lint.static.interpret.attributes import read_attribute
from autograd_lint.static.interpret.escape import call_unknown, tensor_sources
from autograd_lint.static.interpret.generators import drain
from autograd_lint.static.interpret.state import Args, Run, settled, truth
from autograd_lint.static.model.keys import key_value
from autograd_lint.static.model.traces import leave, trace_of
from autograd_lint.static.model.values import (
    FALSE,
    NONE,
    TRUE,
    Builtin,
    Class,
    Const,
    DataSet,
    Dict,
    Generator,
    Instance,
    NNModule,
    RangeValue,
    Seq,
    SliceValue,
    SuperValue,
    Tensor,
    TorchName,
    Unknown,
    Value,
    is_none,
    size_met,
)
from autograd_lint.static.operations.datasets import rows
from autograd_lint.static.operations.tensor_methods import call_tensor_method
from autograd_lint.static.operations.tensors import binary, known_tensor
from autograd_lint.static.patterns.networks import note_item
from autograd_lint.static.shapes.splits import split_tensor
from autograd_lint.static.syntax import ir

_MOST_ITEMS: Final = 64
_ITEMS: Final = {"range": "number", "parameters": "parameter", "named_parameters": "parameter"}
"""What kind of unknown things an unknown iterable gives."""
_ROUNDS: Final = 2
_MOST_CHOICES: Final = 3


def iterate(run: Run, value: Value, node: ir.Node, *, limit: int = _MOST_ITEMS) -> Iterator[Value]:
    """The elements of `value`; two unknown ones when it is not known what is in it."""
    if isinstance(value, DataSet):
        value = rows(run, value, node)
    if isinstance(value, Generator):
        value = Seq("list", list(drain(run, value)))
    if isinstance(value, Seq):
        known = len(value.items)
        if value.kind == "iterator":
            for _ in range(min(known, limit)):
                yield value.items.pop(0)
        else:
            yield from list(value.items)[:limit]
        if value.open:
            for _ in range(_ROUNDS - min(known, _ROUNDS - 1)):
                yield Unknown(tuple(tensor_sources(value))[:4])
    elif isinstance(value, Dict):
        for key in list(value.items):
            yield key_value(key)
        if value.open:
            yield Unknown()
    elif isinstance(value, RangeValue):
        yield from (Const(i) for i in value.values[:limit])
        for _ in range(_ROUNDS - len(value.values) if value.open else 0):
            yield Unknown(kind="number")
    elif isinstance(value, Const) and isinstance(value.value, str | bytes):
        yield from (Const(part) for part in value.value[:limit])
    elif isinstance(value, NNModule) and value.children:
        yield from list(value.children.values())
    elif known_tensor(value) is not None:
        yield from _rows(run, value, node)
    else:
        for item in _unknown_items(value):
            note_item(run, value, item)
            yield item


def _unknown_items(value: Value) -> Iterator[Value]:
    sources = value.sources if isinstance(value, Unknown) else ()
    kind = _ITEMS.get(value.kind, "") if isinstance(value, Unknown) else ""
    for _ in range(_ROUNDS):
        item = Unknown(sources, kind=kind)
        named = isinstance(value, Unknown) and value.kind == "named_parameters"
        yield Seq("tuple", [Unknown(), item]) if named else item


def _rows(run: Run, value: Value, node: ir.Node) -> Iterator[Value]:
    """Iterating over a tensor is `unbind(0)`: views that may not be written."""
    tensor = known_tensor(value)
    if tensor is None or tensor.numpy:
        yield from _unknown_items(Unknown())
        return
    work = partial(split_tensor, run, "Tensor.unbind", {"self": value}, node)
    rows = work() if run.tape is None else run.tape.record(run, "method", "unbind", (value,), node, work)
    if isinstance(rows, Seq):
        yield from rows.items
        if rows.open:
            return


def call_builtin(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """Call a builtin."""
    handler = _HANDLERS.get(name)
    if handler is not None and not args.open:
        return handler(run, args, node)
    if name in _SHOWING:
        for value in args.all():
            run.machine.show(value)
    if name in _SILENT:
        return NONE
    return call_unknown(run, Builtin(name), args, node)


def _range(run: Run, args: Args, node: ir.Node) -> Value:
    bounds = [size for size in map(size_met, args.pos) if size is not None]
    if bounds and len(bounds) == len(args.pos) and not (len(bounds) == 3 and bounds[2] == 0):
        return RangeValue(range(*bounds[:3]), open=any(isinstance(bound, Unknown) for bound in args.pos))
    return Unknown(kind="range")


def _len(run: Run, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "obj")
    if isinstance(value, Seq | Dict) and not value.open:
        return Const(len(value.items))
    if isinstance(value, Seq):
        size = Unknown(kind="number")
        size.met = len(value.items)
        return size
    if isinstance(value, RangeValue) and not value.open:
        return Const(len(value.values))
    if isinstance(value, Tensor) and value.layout is not None and value.layout.shape:
        return Const(value.layout.shape[0])
    return Const(len(value.children)) if isinstance(value, NNModule) and not value.open else Unknown(kind="number")


def _collect(kind: str) -> Callable[[Run, Args, ir.Node], Value]:
    def build(run: Run, args: Args, node: ir.Node) -> Value:
        value = args.get(0, "iterable")
        result = Seq("tuple" if kind == "tuple" else "set" if kind == "set" else "list", [], loops=run.machine.loops)
        if value is not None:
            result.items.extend(iterate(run, value, node))
            result.open = is_open_iterable(value)
        if kind == "reversed":
            result.items.reverse()
        result.open = result.open or (kind in ("sorted",) and len(result.items) > 1)
        return result

    return build


def is_open_iterable(value: Value) -> bool:
    """The elements of `value` are not all known."""
    if isinstance(value, Seq | Dict | Generator):
        return value.open
    if isinstance(value, Tensor):
        return value.layout is None
    if isinstance(value, RangeValue):
        return value.open or len(value.values) > _MOST_ITEMS
    return not isinstance(value, Const) and not (isinstance(value, NNModule) and bool(value.children))


def _zip(run: Run, args: Args, node: ir.Node) -> Value:
    drained = [value for value in args.pos if isinstance(value, Seq) and value.kind == "iterator"]
    if len({id(value) for value in drained}) < len(drained):  # they take turns
        return Unknown(tuple(tensor_sources(drained[0]))[:2])
    columns = [list(iterate(run, value, node)) for value in args.pos]
    rows: list[Value] = [Seq("tuple", list(row)) for row in zip(*columns, strict=False)]
    return Seq("list", rows, open=any(is_open_iterable(v) for v in args.pos))


def _enumerate(run: Run, args: Args, node: ir.Node) -> Value:
    source = args.get(0, "iterable")
    if source is None:
        return Unknown()
    opened = is_open_iterable(source)
    start = args.get(1, "start")
    first = start.value if isinstance(start, Const) and isinstance(start.value, int) else 0
    rows: list[Value] = []
    for i, item in enumerate(iterate(run, source, node), first):
        counter: Value = Unknown(kind="number") if opened else Const(i)
        rows.append(Seq("tuple", [counter, item]))
    return Seq("list", rows, open=opened)


def _sum(run: Run, args: Args, node: ir.Node) -> Value:
    source = args.get(0, "iterable")
    total: Value = args.get(1, "start") or Const(0)
    if source is None:
        return Unknown()
    for item in iterate(run, source, node):
        if isinstance(total, Const) and isinstance(item, Const):
            known = isinstance(total.value, int | float) and isinstance(item.value, int | float)
            total = Const(total.value + item.value) if known else Unknown()  # type: ignore[operator]
        else:
            total = binary(run, "+", total, item, node)
    return total


def _map(run: Run, args: Args, node: ir.Node) -> Value:
    columns = [list(iterate(run, value, node)) for value in args.pos[1:]]
    results = [run.call(args.pos[0], Args(list(row)), node) for row in zip(*columns, strict=False)]
    return Seq("list", results, open=any(is_open_iterable(v) for v in args.pos[1:]))


def _filter(run: Run, args: Args, node: ir.Node) -> Value:
    """What may be left out, its test not being known, is in the list, and the list open."""
    source = args.pos[1] if len(args.pos) > 1 else None
    if not isinstance(source, Seq | Dict | Generator):
        return call_unknown(run, Builtin("filter"), args, node)
    opened = is_open_iterable(source) and not isinstance(source, Generator)
    kept: list[Value] = []
    for item in list(source.items) if isinstance(source, Seq) else iterate(run, source, node):
        passes = truth(item if is_none(args.pos[0]) else run.call(args.pos[0], Args([item]), node))
        if passes is not False:
            kept.append(item)
        opened = opened or passes is None
    return Seq("list", kept, open=opened)


def _extreme(name: str) -> Callable[[Run, Args, ir.Node], Value]:
    """`max(tensors)`, `min(tensors)`: one of them; another path takes another."""

    def choose(run: Run, args: Args, node: ir.Node) -> Value:
        source = args.pos[0] if len(args.pos) == 1 else None
        items = args.pos
        if source is not None:
            known = isinstance(source, Seq) or (
                isinstance(source, Tensor) and bool(source.layout and source.layout.shape)
            )
            items = list(iterate(run, source, node)) if known and not is_open_iterable(source) else []
            items = items[:1] if isinstance(source, Tensor) else items
        if not 0 < len(items) <= _MOST_CHOICES or not all(isinstance(item, Tensor) for item in items):
            return call_unknown(run, Builtin(name), args, node)
        return next((item for item in items[:-1] if run.path.choose(None)), items[-1])

    return choose


def _vars(run: Run, args: Args, node: ir.Node) -> Value:
    owner = args.get(0, "object")
    if not isinstance(owner, Instance) or owner.module:
        return call_unknown(run, Builtin("vars"), args, node)
    return Dict(owner.attrs)  # type: ignore[arg-type]


def _number(convert: type[int] | type[float]) -> Callable[[Run, Args, ir.Node], Value]:
    def call(run: Run, args: Args, node: ir.Node) -> Value:
        value = args.get(0, "x")
        if value is None:
            return Const(convert())
        if isinstance(value, Const) and isinstance(value.value, int | float):
            return Const(convert(value.value)) if abs(value.value) < 1e18 else Unknown(kind="number")
        result = Unknown(kind="number")
        if convert is float:
            tensor = known_tensor(value) if value is not None else None
            result.trace = trace_of(value) if tensor is None else leave(run, (tensor,), "float", node)
        return result

    return call


def _isinstance(run: Run, args: Args, node: ir.Node) -> Value:
    value, wanted = args.get(0, "obj"), args.get(1, "class_or_tuple")
    if value is None or wanted is None:
        return Unknown()
    classes = wanted.items if isinstance(wanted, Seq) else [wanted]
    verdicts = [_is_a(value, cls) for cls in classes]
    if True in verdicts:
        return TRUE
    if isinstance(value, Unknown) and None in verdicts:
        label = ",".join(getattr(cls, "name", "?") for cls in classes)
        return value.attr(f"isinstance {label}") if "?" not in label else Unknown()
    return Unknown() if None in verdicts else FALSE


def _is_a(value: Value, cls: Value) -> bool | None:
    tensor = known_tensor(value)
    if tensor is not None and isinstance(cls, TorchName | Builtin):
        if isinstance(cls, TorchName) and cls.name == "torch.nn.Parameter":
            return tensor.parameter if isinstance(value, Tensor) else None
        return isinstance(cls, TorchName) and cls.name == "torch.Tensor" and not tensor.numpy
    if isinstance(value, NNModule) and isinstance(cls, TorchName):
        return value.name == cls.name or cls.name == "torch.nn.Module" or None
    if isinstance(value, Instance) and isinstance(cls, Class):
        return value.cls is cls or None
    if isinstance(value, Seq) and isinstance(cls, Builtin):
        return value.kind == cls.name
    if isinstance(value, Dict) and isinstance(cls, Builtin):
        return cls.name == "dict"
    if isinstance(value, Const) and isinstance(cls, Builtin):
        known = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "tuple": tuple, "dict": dict}
        return isinstance(value.value, known[cls.name]) if cls.name in known else None
    return None


def _getattr(run: Run, args: Args, node: ir.Node) -> Value:
    name = args.get(1, "name")
    name = settled(run, name) if name is not None and isinstance(args.pos[0], TorchName) else name
    if args.pos and isinstance(name, Const) and isinstance(name.value, str):
        return read_attribute(run, args.pos[0], name.value, node)
    return Unknown()


def _setattr(run: Run, args: Args, node: ir.Node) -> Value:
    target, name = args.get(0, "obj"), args.get(1, "name")
    if isinstance(target, Instance | NNModule) and len(args.pos) > 2:
        if isinstance(name, Const) and isinstance(name.value, str):
            target.attrs[name.value] = args.pos[2]
        else:
            target.attrs[f"?{len(target.attrs)}"] = args.pos[2]
    if target is not None and len(args.pos) > 2:
        run.watch.store(target, args.pos[2])
    return NONE


def _super(run: Run, args: Args, node: ir.Node) -> Value:
    frame = run.frame
    for candidate in reversed(run.frames):
        if candidate.self is not None and candidate.owner is not None:
            frame = candidate
            break
    if frame.owner is None or frame.self is None:
        return Unknown()
    owner = args.pos[0] if args.pos and isinstance(args.pos[0], Class) else frame.owner
    return SuperValue(owner, frame.self)


def _next(run: Run, args: Args, node: ir.Node) -> Value:
    source, default = args.get(0, "iterator"), args.get(1, "default")
    if not isinstance(source, Seq):
        return Unknown()
    if source.open or not source.items:
        missing = default is not None and not source.open
        return default if default is not None and missing else Unknown(tuple(tensor_sources(source))[:2])
    return source.items.pop(0) if source.kind == "iterator" else source.items[0]


def _iter(run: Run, args: Args, node: ir.Node) -> Value:
    source = args.get(0, "iterable")
    if source is None or not (isinstance(source, Seq | Dict) or known_tensor(source) is not None):
        return source or Unknown()
    if isinstance(source, Seq) and source.kind == "iterator":
        return source
    opened = is_open_iterable(source)
    if opened and not isinstance(source, Seq | Dict):
        return Unknown(tuple(tensor_sources(source))[:2])
    items = list(source.items) if isinstance(source, Seq) and opened else list(iterate(run, source, node))
    return Seq("iterator", items, open=opened, loops=run.machine.loops)


def _pairs(source: Value | None) -> dict[object, Value] | None:
    """The entries of a list of pairs whose keys are all known."""
    if not isinstance(source, Seq):
        return None
    rows = [row.items for row in source.items if isinstance(row, Seq) and len(row.items) == 2]
    if len(rows) < len(source.items):
        return None
    found = {row[0].value: row[1] for row in rows if isinstance(row[0], Const)}
    return found if len(found) == len(rows) else None


def _dict(run: Run, args: Args, node: ir.Node) -> Value:
    source = args.get(0, "mapping")
    pairs = _pairs(source)
    if isinstance(source, Dict):
        result = Dict(dict(source.items), open=source.open)
    elif pairs is not None and isinstance(source, Seq):
        result = Dict(pairs, open=source.open)
    else:
        result = Dict({}, open=bool(args.pos))
    result.items.update(args.kw)
    result.loops = run.machine.loops
    return result


def _bool(run: Run, args: Args, node: ir.Node) -> Value:
    known = truth(args.pos[0]) if args.pos else False
    return Unknown() if known is None else Const(known)


def _slice(run: Run, args: Args, node: ir.Node) -> Value:
    bounds = list(args.pos)
    if len(bounds) == 1:
        bounds = [NONE, *bounds]
    bounds += [NONE] * (3 - len(bounds))
    return SliceValue(*bounds[:3])


def _abs(run: Run, args: Args, node: ir.Node) -> Value:
    tensor = known_tensor(args.pos[0]) if args.pos else None
    if tensor is not None:
        return call_tensor_method(run, tensor, "abs", Args([]), node)
    return Unknown(kind="number") if args.pos and isinstance(args.pos[0], Const) else Unknown()


_HANDLERS: Final[dict[str, Callable[[Run, Args, ir.Node], Value]]] = {
    "range": _range,
    "len": _len,
    "list": _collect("list"),
    "tuple": _collect("tuple"),
    "set": _collect("set"),
    "reversed": _collect("reversed"),
    "sorted": _collect("sorted"),
    "zip": _zip,
    "enumerate": _enumerate,
    "sum": _sum,
    "map": _map,
    "float": _number(float),
    "int": _number(int),
    "isinstance": _isinstance,
    "getattr": _getattr,
    "setattr": _setattr,
    "super": _super,
    "next": _next,
    "iter": _iter,
    "dict": _dict,
    "bool": _bool,
    "slice": _slice,
    "abs": _abs,
    "filter": _filter,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "vars": _vars,
}
_SHOWING: Final = frozenset({"print", "str", "repr", "ascii", "format"})
_SILENT: Final = frozenset({"print", "delattr", "breakpoint", "exit", "quit"})
_OTHERS: Final = frozenset(
    {
        *("all", "any", "ascii", "bin", "bytearray", "bytes", "callable", "chr", "classmethod", "compile", "complex"),
        *("dir", "divmod", "eval", "exec", "filter", "format", "frozenset", "globals", "hasattr", "hash", "hex", "id"),
        *("input", "issubclass", "locals", "max", "memoryview", "min", "object", "oct", "open", "ord", "pow"),
        *("property", "repr", "round", "staticmethod", "str", "type", "vars", "__import__"),
        *("Exception", "ValueError", "TypeError", "RuntimeError", "KeyError", "IndexError", "NotImplementedError"),
        *("AssertionError", "AttributeError", "StopIteration", "ImportError", "OSError", "FileNotFoundError"),
    }
)
BUILTIN_NAMES: Final = frozenset(_HANDLERS) | _SILENT | _OTHERS

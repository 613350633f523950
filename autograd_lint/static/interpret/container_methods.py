"""Methods of lists, tuples, sets, dicts and constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autograd_lint.static.interpret.escape import escape
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.keys import NO_KEY, key_of, key_value
from autograd_lint.static.model.values import NONE, Const, Dict, Seq, Unknown, Value
from autograd_lint.static.patterns.keeping import note_appended
from autograd_lint.static.syntax import ir


def call_container_method(run: Run, owner: Seq | Dict | Const, name: str, args: Args, node: ir.Node) -> Value:
    """`owner.name(args)`."""
    for value in args.pos if run.watch.made else ():
        run.watch.store(owner, value)
    if isinstance(owner, Seq):
        handler = _SEQUENCE.get(name)
        if handler is _append and args.pos and isinstance(node, ir.Call) and node.args:
            note_appended(run, node, owner, args.pos[0], node.args[0].value)
        if handler is not None:
            return handler(owner, args)
        if name in (
            "sort",
            "reverse",
            "remove",
            "clear",
            "discard",
            "rotate",
            "extendleft",
            "difference_update",
            "intersection_update",
        ):
            return _rearrange(owner, name)
        return Unknown(tuple(v for v in owner.items if not isinstance(v, Const))[:4])
    if isinstance(owner, Dict):
        mapping = _MAPPING.get(name)
        if mapping is not None:
            return mapping(owner, args)
        return Unknown()
    text = _text_method(owner, name, args)
    if text is not None:
        return text
    for value in args.all():
        escape(run, value)
    return Unknown()


def _text_method(owner: Const, name: str, args: Args) -> Value | None:
    """`text.lower()` and its like, of a text that is known."""
    given = [value.value for value in args.pos if type(value) is Const]
    if not isinstance(owner.value, str) or name not in _OF_TEXTS or args.kw or len(given) < len(args.pos):
        return None
    try:
        result = getattr(owner.value, name)(*given)
    except (TypeError, ValueError):
        return Unknown()
    return Const(result)


def _append(owner: Seq, args: Args) -> Value:
    owner.items.extend(args.pos[:1])
    return NONE


def _append_left(owner: Seq, args: Args) -> Value:
    owner.items[:0] = args.pos[:1]
    return NONE


def _pop_left(owner: Seq, args: Args) -> Value:
    if owner.items and not owner.open:
        return owner.items.pop(0)
    owner.open = True
    return Unknown()


def _extend(owner: Seq, args: Args) -> Value:
    value = args.get(0, "iterable")
    if isinstance(value, Seq):
        owner.items.extend(value.items)
        owner.open = owner.open or value.open
    else:
        owner.open = True
    return NONE


def _insert(owner: Seq, args: Args) -> Value:
    at = args.pos[0].value if args.pos and isinstance(args.pos[0], Const) else None
    if isinstance(at, int) and len(args.pos) > 1:
        owner.items.insert(at, args.pos[1])
    else:
        owner.items.extend(args.pos[1:])
        owner.open = True
    return NONE


def _pop(owner: Seq, args: Args) -> Value:
    at = args.pos[0].value if args.pos and isinstance(args.pos[0], Const) else (None if args.pos else -1)
    if isinstance(at, int) and owner.items and -len(owner.items) <= at < len(owner.items) and not owner.open:
        return owner.items.pop(at)
    owner.open = True
    return Unknown()


def _copy(owner: Seq, args: Args) -> Value:
    return Seq(owner.kind, list(owner.items), open=owner.open)


def _rearrange(owner: Seq, name: str) -> Value:
    if name == "clear":
        owner.items.clear()
        owner.open = False
    elif name == "reverse":
        owner.items.reverse()
    else:
        owner.open = True
    return NONE


def _keys(owner: Dict, args: Args) -> Value:
    return Seq("list", [key_value(key) for key in owner.items], open=owner.open)


def _values(owner: Dict, args: Args) -> Value:
    return Seq("list", list(owner.items.values()), open=owner.open)


def _items(owner: Dict, args: Args) -> Value:
    pairs: list[Value] = [Seq("tuple", [key_value(key), value]) for key, value in owner.items.items()]
    return Seq("list", pairs, open=owner.open)


def _get(owner: Dict, args: Args) -> Value:
    key = key_of(args.get(0, "key"))
    if key is NO_KEY:
        return Unknown()
    found = owner.items.get(key)
    if found is not None:
        return found
    default = args.get(1, "default")
    return Unknown() if owner.open else (default if default is not None else NONE)


def _pop_key(owner: Dict, args: Args) -> Value:
    value = _get(owner, args)
    owner.items.pop(key_of(args.get(0, "key")), None)
    return value


def _setdefault(owner: Dict, args: Args) -> Value:
    key = key_of(args.get(0, "key"))
    if key is NO_KEY or owner.open:
        return Unknown()
    default = args.get(1, "default") or NONE
    if isinstance(default, Seq | Dict) and key not in owner.items:
        default.loops = owner.loops  # from now on it lives as long as the dict
    return owner.items.setdefault(key, default)


def _update(owner: Dict, args: Args) -> Value:
    value = args.get(0, "other")
    if isinstance(value, Dict):
        owner.items.update(value.items)
        owner.open = owner.open or value.open
    elif value is not None:
        owner.open = True
    owner.items.update(args.kw)
    return NONE


def _copy_dict(owner: Dict, args: Args) -> Value:
    return Dict(dict(owner.items), open=owner.open, missing=owner.missing)


_OF_TEXTS: Final = frozenset(
    [
        *("capitalize", "casefold", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip"),
        *("startswith", "strip", "title", "upper"),
    ]
)
_SEQUENCE: Final[dict[str, Callable[[Seq, Args], Value]]] = {
    "append": _append,
    "add": _append,
    "appendleft": _append_left,
    "extend": _extend,
    "update": _extend,
    "insert": _insert,
    "pop": _pop,
    "popleft": _pop_left,
    "copy": _copy,
}
_MAPPING: Final[dict[str, Callable[[Dict, Args], Value]]] = {
    "keys": _keys,
    "values": _values,
    "items": _items,
    "get": _get,
    "pop": _pop_key,
    "setdefault": _setdefault,
    "update": _update,
    "copy": _copy_dict,
}

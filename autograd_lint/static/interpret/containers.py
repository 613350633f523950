"""Items of lists and dicts: read, written and deleted by an index or a key, known or not."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.keys import NO_KEY, key_of
from autograd_lint.static.model.values import Const, Dict, Seq, SliceValue, Tensor, Unknown, Value
from autograd_lint.static.syntax import ir

_MOST_PLACES: Final = 3
"""Among so many items an index that is not known is decided for; of more nothing is known after a write."""


def slice_of(index: SliceValue) -> slice | None:
    """The Python slice with the same constant bounds."""
    bounds: list[int | None] = []
    for bound in (index.lower, index.upper, index.step):
        value = bound.value if type(bound) is Const else index
        if value is not None and not isinstance(value, int):
            return None
        bounds.append(value)
    return None if bounds[2] == 0 else slice(*bounds)


# -------------------------------------------------------------------- reading


def read_sequence(run: Run, base: Seq, index: Value) -> Value:
    """`base[index]` of a list or tuple."""
    items = base.items
    if type(index) is Const and isinstance(index.value, int):
        if -len(items) <= index.value < len(items) and not (base.open and index.value < 0):
            return items[index.value]
        return items[index.value] if base.open and -len(items) <= index.value < 0 else Unknown()
    if isinstance(index, SliceValue):
        bounds = slice_of(index)
        if bounds is not None:
            return Seq(base.kind, items[bounds], open=base.open)
        return Seq(base.kind, list(items), open=True)
    if type(index) is Unknown and not base.open and _are_few(items) and all(type(item) is Tensor for item in items):
        return items[_position(run, index, len(items))]
    return Unknown(tuple(item for item in items if type(item) is Tensor)[:4])


def read_dict(run: Run, base: Dict, index: Value, node: ir.Node) -> Value:
    """`base[index]` of a dict; by a key that is not known, what was written by it last."""
    key = index if type(index) is Unknown else key_of(index)
    found = base.items.get(key)
    if found is not None or base.missing is None or base.open or key is NO_KEY:
        return found or Unknown()
    made = run.call(base.missing, Args([]), node)
    if isinstance(made, Seq | Dict):
        made.loops = base.loops  # it lives as long as the dict
    write_dict(run, base, index, made)
    return made


def _are_few(items: Sequence[object]) -> bool:
    return 0 < len(items) <= _MOST_PLACES


def _position(run: Run, index: Unknown, count: int) -> int:
    """Which of `count` items an index that is not known stands for on this path, the same each time."""
    return next((at for at in range(count - 1) if run.path.choose(index.attr(f"at {at}"))), count - 1)


# -------------------------------------------------------------------- writing


def write_sequence(run: Run, base: Seq, index: Value, value: Value) -> None:
    """`base[index] = value` of a list."""
    items = base.items
    if type(index) is Const:
        if isinstance(index.value, int) and -len(items) <= index.value < len(items):
            items[index.value] = value
    elif isinstance(index, SliceValue):
        _write_slice(base, index, value)
    elif type(index) is Unknown and not base.open and _are_few(items):
        items[_position(run, index, len(items))] = value
    else:
        base.items[:] = [_either(item, value) for item in items]


def _write_slice(base: Seq, index: SliceValue, value: Value) -> None:
    bounds = slice_of(index)
    if bounds is None or base.open or not isinstance(value, Seq) or value.open:
        base.items[:] = [Unknown() for _ in base.items]
        base.open = True
        return
    with contextlib.suppress(ValueError):  # of an extended slice with another number of items, as in Python
        base.items[bounds] = value.items


def write_dict(run: Run, base: Dict, index: Value, value: Value) -> None:
    """`base[index] = value` of a dict; a key that is not known may be one of those there."""
    key = key_of(index)
    if key is not NO_KEY:
        base.items[key] = value
        return
    base.open = True
    for other in [other for other in base.items if isinstance(other, Unknown)]:
        del base.items[other]
    held = [other for other, item in base.items.items() if type(item) is Tensor]
    if type(index) is not Unknown or len(held) > _MOST_PLACES:
        base.items.update((other, _either(base.items[other], value)) for other in held)
        return
    same = (other for other in held if run.path.choose(index.attr(f"is {other!r}"), first=False))
    base.items[next(same, index)] = value


def may_grow(base: Dict, index: Value) -> bool:
    """Whether a write to `base[index]` adds an entry that others of its kind follow: a text is the name of a slot."""
    key = key_of(index)
    return not isinstance(key, str) and (key is NO_KEY or key not in base.items)


def _either(one: Value, other: Value) -> Value:
    """One of two values."""
    return Unknown(tuple(value for value in (one, other) if type(value) is Tensor))


def delete_item(base: Value, index: Value) -> None:
    """`del base[index]`."""
    if isinstance(base, Dict):
        base.items.pop(key_of(index), None)
    elif isinstance(base, Seq):
        where = slice_of(index) if type(index) is SliceValue else index.value if type(index) is Const else None
        if isinstance(where, slice) and (where == slice(None) or not base.open):
            base.open = base.open and where != slice(None)
            del base.items[where]
        elif isinstance(where, int) and -len(base.items) <= where < len(base.items):
            del base.items[where]
        else:
            base.open = True

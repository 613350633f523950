"""An index write as an operation that gives a new tensor: `masked_fill`, `where`, `cat` or `select_scatter`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import libcst as cst

from autograd_lint.events import How, Write
from autograd_lint.finding import Fix, Range
from autograd_lint.fixing.calls import needs_parentheses, receiver
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of, name_for
from autograd_lint.fixing.ownership import owns

_NUMBERS: Final = (cst.Integer, cst.Float)
_TESTS: Final = frozenset({"isnan", "isinf", "isfinite", "lt", "le", "gt", "ge", "eq", "ne"})
_ELEMENTWISE: Final = frozenset(
    {"exp", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "square", "neg", "clamp", "add", "sub", "mul"}
)


@dataclass(frozen=True, slots=True)
class _IndexWrite:
    """`name[…] = value`, or `name[…] += value` with the `sign`."""

    statement: cst.Assign | cst.AugAssign
    target: cst.Subscript
    name: str
    value: cst.BaseExpression
    sign: str = ""


def scattered(code: Code, event: Write) -> Fix | None:
    """The write of a whole statement, as a new tensor for the same name."""
    write = _write(code, event)
    if write is None or code.line(write.statement) is None:
        return None
    return _masked(code, event, write) or _sliced(code, event, write) or _selected(code, event, write)


def _write(code: Code, event: Write) -> _IndexWrite | None:
    target = code.find(event.site, cst.Subscript)
    assign = None if target is None else code.nearest(target, cst.Assign)
    if event.how is How.INDEX and target is not None and assign is not None:
        alone = len(assign.targets) == 1 and assign.targets[0].target is target
        name = target.value.value if alone and isinstance(target.value, cst.Name) else ""
        return _IndexWrite(assign, target, name, assign.value) if name else None
    change = code.find(event.site, cst.AugAssign)
    if event.how is not How.INDEX_AUGMENTED or change is None or not isinstance(change.target, cst.Subscript):
        return None
    between = code.source.text_of(Range(code.place(change.target).end, code.place(change.value).start))
    sign, base = between.strip().removesuffix("="), change.target.value
    if not isinstance(base, cst.Name) or sign not in ("+", "-", "*", "/"):
        return None
    return _IndexWrite(change, change.target, base.value, change.value, sign)


def _replaced(code: Code, write: _IndexWrite, value: str, message: str, *, safe: bool = False) -> Fix | None:
    return (code.safe if safe else code.unsafe)(message, code.replace(write.statement, f"{write.name} = {value}"))


# --------------------------------------------------------------------- masks


def _masked(code: Code, event: Write, write: _IndexWrite) -> Fix | None:
    """`x[x < 0] = 0` and `x[x < 0] *= 2`: a condition on the tensor itself has its shape."""
    index = write.target.slice[0].slice
    if len(write.target.slice) != 1 or not isinstance(index, cst.Index) or index.star:
        return None
    mask, name = index.value, write.name
    if not _has_shape_of(code, mask, name):
        return None
    if not write.sign and isinstance(write.value, _NUMBERS):
        filled = f"{name}.masked_fill({code.text(mask)}, {code.text(write.value)})"
        safe = event.grad_enabled and owns(code, name, write.statement, event.target.made)
        return _replaced(code, write, filled, "fill a new tensor", safe=safe)
    chosen = _unmasked(code, write, mask)
    where = None if chosen is None else name_for(code, "torch.where", write.target)
    if where is None or where.imports:
        return None
    return _replaced(code, write, f"{where.text}({code.text(mask)}, {chosen}, {name})", "choose with `where`")


def _has_shape_of(code: Code, mask: cst.BaseExpression, name: str) -> bool:
    """Whether a mask is a test of each element of `name`, so that indexing with it finds it of the same shape."""
    match mask:
        case cst.Comparison(left=left, comparisons=[_]):
            return isinstance(left, cst.Name) and left.value == name
        case cst.BinaryOperation(left=left, operator=cst.BitAnd() | cst.BitOr(), right=right):
            return _has_shape_of(code, left, name) and _has_shape_of(code, right, name)
        case cst.UnaryOperation(operator=cst.BitInvert(), expression=inner):
            return _has_shape_of(code, inner, name)
        case cst.Call(func=cst.Attribute(value=tested, attr=cst.Name(value=test)), args=args) if test in _TESTS:
            if isinstance(tested, cst.Name) and tested.value == name:
                return not meaning_of(code, mask.func)
            first = args[0].value if args and meaning_of(code, mask.func) == f"torch.{test}" else None
            return isinstance(first, cst.Name) and first.value == name
    return False


def _unmasked(code: Code, write: _IndexWrite, mask: cst.BaseExpression) -> str | None:
    """The value computed for all elements: `x[m] * 2` without the index; None where it is not elementwise."""
    picked: list[cst.Subscript] = []
    if not _is_elementwise(code, write.value, code.text(mask), picked):
        return None
    if not write.sign and not picked:
        return None
    start = code.source.offsets.at(code.place(write.value).start)
    text = code.text(write.value)
    for part in sorted(picked, key=lambda part: code.place(part).start, reverse=True):
        first, last = (code.source.offsets.at(at) - start for at in (code.place(part).start, code.place(part).end))
        text = text[:first] + code.text(part.value) + text[last:]
    return f"{write.name} {write.sign} {_operand(write, text)}" if write.sign else text


def _is_elementwise(code: Code, node: cst.BaseExpression, mask: str, picked: list[cst.Subscript]) -> bool:
    match node:
        case cst.Integer() | cst.Float():
            return True
        case cst.Subscript(value=cst.Name(), slice=[cst.SubscriptElement(slice=cst.Index(value=index))]):
            picked.append(node)
            return code.text(index) == mask
        case cst.UnaryOperation(operator=cst.Minus(), expression=inner):
            return _is_elementwise(code, inner, mask, picked)
        case cst.BinaryOperation(left=left, operator=operator, right=right):
            plain = isinstance(operator, cst.Add | cst.Subtract | cst.Multiply)
            return plain and all(_is_elementwise(code, side, mask, picked) for side in (left, right))
        case cst.Call(func=cst.Attribute(value=kept, attr=cst.Name(value=name)), args=args) if name in _ELEMENTWISE:
            given = [arg.value for arg in args]
            if meaning_of(code, node.func) != f"torch.{name}":
                given.append(kept)
            return all(_is_elementwise(code, part, mask, picked) for part in given)
    return False


# -------------------------------------------------------------------- slices


def _sliced(code: Code, event: Write, write: _IndexWrite) -> Fix | None:
    """`x[:, a:b] = v` becomes `x = torch.cat([x[:, :a], v, x[:, b:]], dim=1)`."""
    chosen = [(i, part.slice) for i, part in enumerate(write.target.slice) if not _is_all(part.slice)]
    if len(chosen) != 1 or not isinstance(chosen[0][1], cst.Slice) or chosen[0][1].step is not None:
        return None
    dimension, bounds = chosen[0][0], chosen[0][1]
    value = _new_value(code, event, write)
    cat = name_for(code, "torch.cat", write.target)
    if value is None or cat is None or cat.imports or not _are_bounds(bounds):
        return None
    whole = ":, " * dimension
    parts = [value]
    if bounds.lower is not None:
        parts.insert(0, f"{write.name}[{whole}:{code.text(bounds.lower)}]")
    if bounds.upper is not None:
        parts.append(f"{write.name}[{whole}{code.text(bounds.upper)}:]")
    along = f", dim={dimension}" if dimension else ""
    return _replaced(code, write, f"{cat.text}([{', '.join(parts)}]{along})", "join the parts with `cat`")


def _are_bounds(index: cst.Slice) -> bool:
    """Two bounds of one sign that are numbers in order, or one bound that is a number or a name."""
    bounds = [bound for bound in (index.lower, index.upper) if bound is not None]
    if len(bounds) == 2:
        return all(isinstance(bound, cst.Integer) for bound in bounds) and _number(bounds[0]) < _number(bounds[1])
    return all(isinstance(bound, cst.Integer | cst.Name) or _is_negative(bound) for bound in bounds)


def _number(node: cst.BaseExpression) -> int:
    return int(node.value, 0) if isinstance(node, cst.Integer) else 0


def _is_negative(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.UnaryOperation) and isinstance(node.expression, cst.Integer)


def _new_value(code: Code, event: Write, write: _IndexWrite) -> str | None:
    """What comes to the place that is written, as a tensor of its shape."""
    place = code.text(write.target)
    if write.sign:
        return f"{place} {write.sign} {_operand(write, code.text(write.value))}"
    if isinstance(write.value, _NUMBERS):
        if name_for(code, "torch.full_like", write.target) is None:
            return None
        return f"{_torch(code, write.target)}.full_like({place}, {code.text(write.value)})"
    if not event.value_in_graph:
        return None
    expanded = any(isinstance(other, Write) and other.fits is False for other in code.events_at(event.site))
    return f"{receiver(code, write.value)}.expand_as({place})" if expanded else code.text(write.value)


def _torch(code: Code, at: cst.CSTNode) -> str:
    found = name_for(code, "torch", at)
    return "torch" if found is None else found.text


def _operand(write: _IndexWrite, text: str) -> str:
    return f"({text})" if needs_parentheses(write.value) and not isinstance(write.value, _NUMBERS) else text


# ------------------------------------------------------------------ elements


def _selected(code: Code, event: Write, write: _IndexWrite) -> Fix | None:
    """`x[:, 0] = v` becomes `x = x.select_scatter(v, 1, 0)`."""
    chosen = [(i, part.slice) for i, part in enumerate(write.target.slice) if not _is_all(part.slice)]
    index = chosen[0][1] if len(chosen) == 1 else None
    if not isinstance(index, cst.Index) or not _is_position(index.value):
        return None
    value = _new_value(code, event, write)
    if value is None:
        return None
    selected = f"{write.name}.select_scatter({value}, {chosen[0][0]}, {code.text(index.value)})"
    return _replaced(code, write, selected, "put the value into a new tensor")


def _is_position(index: cst.BaseExpression) -> bool:
    return isinstance(index, cst.Integer) or _is_negative(index)


def _is_all(index: cst.BaseSlice) -> bool:
    return isinstance(index, cst.Slice) and index.lower is None and index.upper is None and index.step is None

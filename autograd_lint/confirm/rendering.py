"""Steps and values as Python source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from autograd_lint.confirm.slicing import Untold
from autograd_lint.static.model.tape import Step
from autograd_lint.static.model.values import Const, Dict, Instance, Seq, SliceValue, TorchName, Unknown, Value

ATOM: Final = 100
_PRECEDENCE: Final = {"|": 6, "^": 7, "&": 8, "<<": 9, ">>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "//": 11, "%": 11}
_PRECEDENCE_MATMUL: Final = 11
_UNARY: Final = 12
_POWER: Final = 13
_COMPARE: Final = 5
_FUNCTIONAL: Final = "torch.nn.functional."
_SHAPING: Final = frozenset({"view", "reshape", "expand", "repeat", "permute", "transpose", "flatten", "unsqueeze"})
_MODULE_SIZES: Final = {"kernel_size": 3, "padding": 1, "stride": 1, "num_layers": 1, "num_heads": 1}

Reference = Callable[[Value, bool], "Text | None"]


@dataclass(frozen=True, slots=True)
class Text:
    """Source of an expression, and how tightly it binds."""

    source: str
    binds: int = ATOM

    def within(self, binds: int) -> str:
        """The source as an operand of what binds so tightly."""
        return self.source if self.binds >= binds else f"({self.source})"


@dataclass(slots=True)
class Renderer:
    """Writes steps; `refer` gives the text of values that steps made or that were given from outside.

    `moving` is a move to a device whose result is what is shown: devices are not at hand, a move to another type is.
    """

    refer: Reference
    moving: Step | None = None

    def step(self, step: Step) -> Text:
        """The expression or statement of a step. Raises Untold."""
        return _FORMS[step.form](self, step)

    def value(self, value: Value, *, number: int = 2, sizes: bool = False) -> Text:
        """The expression of a value; an unknown number is `number`. `sizes`: what is not known is one."""
        if isinstance(value, Const):
            return _constant(value.value)
        if isinstance(value, Seq):
            return self._sequence(value, number, sizes=sizes)
        if isinstance(value, SliceValue):
            return Text(self._slice(value, call=True))
        if isinstance(value, Dict) and all(map(_is_plain, value.items)):
            items = (f"{key!r}: {self.value(item).source}" for key, item in value.items.items())
            return Text(f"{{{', '.join(items)}}}")
        if isinstance(value, TorchName):
            return Text(short_name(value.name))
        found = self.refer(value, sizes)
        if found is not None:
            return found
        if isinstance(value, Unknown) and value.kind in ("", "number", "flag"):
            return Text("True") if value.kind == "flag" else _constant(number)
        raise Untold(f"a {type(value).__name__.lower()} that it needs has no source of its own")

    def _sequence(self, value: Seq, number: int, *, sizes: bool) -> Text:
        items = [self.value(item, number=number, sizes=sizes).source for item in value.items]
        if value.kind == "tuple":
            return Text(f"({', '.join(items)}{',' if len(items) == 1 else ''})")
        return Text(f"[{', '.join(items)}]")

    def _slice(self, value: SliceValue, *, call: bool = False) -> str:
        bounds = [
            "" if isinstance(bound, Const) and bound.value is None else self.value(bound).source
            for bound in (value.lower, value.upper, value.step)
        ]
        if call:
            return f"slice({', '.join(bound or 'None' for bound in bounds)})"
        return f"{bounds[0]}:{bounds[1]}" + (f":{bounds[2]}" if bounds[2] else "")

    def index(self, value: Value) -> str:
        """What stands between the brackets."""
        if isinstance(value, SliceValue):
            return self._slice(value)
        if isinstance(value, Seq) and value.kind == "tuple" and len(value.items) > 1:
            return ", ".join(self.index(item) for item in value.items)
        return self.value(value, number=0).source

    def arguments(self, step: Step, first: int) -> str:
        """The arguments of a call, from operand `first` on."""
        sizes = step.op in _SHAPING or _builds(step)
        number = -1 if step.op in _SHAPING else 4 if _builds(step) else 2
        parts = [
            self.value(value, number=number, sizes=sizes and _is_size(value)).source for value in step.operands[first:]
        ]
        for key, value in step.keywords.items():
            parts.append(f"{key}={self.value(value, number=_MODULE_SIZES.get(key, number)).source}")
        return ", ".join(parts)


def _builds(step: Step) -> bool:
    """A call of one of torch's module classes."""
    return step.op.startswith("torch.nn.") and step.op.rpartition(".")[2][:1].isupper()


def _is_size(value: Value) -> bool:
    """What is not known to be a tensor."""
    return isinstance(value, Seq) or (isinstance(value, Unknown) and value.kind != "tensor")


def short_name(name: str) -> str:
    """A dotted name as it is written with the usual imports."""
    if name == "torch.Variable":
        return "torch.autograd.Variable"
    if name.startswith(_FUNCTIONAL):
        return f"F.{name.removeprefix(_FUNCTIONAL)}"
    return name.removeprefix("torch.") if name.startswith("torch.nn.") else name


def _is_plain(key: object) -> bool:
    """A key that can be written out."""
    return all(map(_is_plain, key)) if isinstance(key, tuple) else not isinstance(key, Value)


def _constant(value: object) -> Text:
    if value is Ellipsis:
        return Text("...")
    if isinstance(value, float) and not math.isfinite(value):
        return Text(f'float("{value}")')
    if isinstance(value, str) and value.startswith("cuda"):
        return Text('"cpu"')
    negative = isinstance(value, int | float) and not isinstance(value, bool) and value < 0
    if isinstance(value, str):
        return Text('"' + value + '"' if value.isidentifier() else repr(value))
    return Text(repr(value), _UNARY if negative else ATOM)


# ---------------------------------------------------------------------- forms


def _call(writer: Renderer, step: Step) -> Text:
    return Text(f"{short_name(step.op)}({writer.arguments(step, 0)})")


def _apply(writer: Renderer, step: Step) -> Text:
    return Text(f"{writer.value(step.operands[0]).within(ATOM)}({writer.arguments(step, 1)})")


def _method(writer: Renderer, step: Step) -> Text:
    owner = step.operands[0]
    if isinstance(owner, Instance):
        raise Untold(f"`{step.op}` of a module of the program's own")
    if step is writer.moving and step.op in ("to", "cuda"):
        return Text(f"{writer.value(owner).within(ATOM)}.to(torch.float64)")
    if step.op == "cuda":
        return writer.value(owner)
    return Text(f"{writer.value(owner).within(ATOM)}.{step.op}({writer.arguments(step, 1)})")


def _binary(writer: Renderer, step: Step) -> Text:
    left, right = (writer.value(value) for value in step.operands)
    if step.op == "**":
        return Text(f"{left.within(_POWER + 1)} ** {right.within(_UNARY)}", _POWER)
    binds = _PRECEDENCE.get(step.op, _PRECEDENCE_MATMUL)
    return Text(f"{left.within(binds)} {step.op} {right.within(binds + 1)}", binds)


def _unary(writer: Renderer, step: Step) -> Text:
    return Text(f"{step.op}{writer.value(step.operands[0]).within(_UNARY)}", _UNARY)


def _compare(writer: Renderer, step: Step) -> Text:
    left, right = (writer.value(value).within(_COMPARE + 1) for value in step.operands)
    return Text(f"{left} {step.op} {right}", _COMPARE)


def _augment(writer: Renderer, step: Step) -> Text:
    target, value = (writer.value(value) for value in step.operands)
    return Text(f"{target.source} {step.op}= {value.source}", 0)


def _index(writer: Renderer, step: Step) -> Text:
    return Text(f"{writer.value(step.operands[0]).within(ATOM)}[{writer.index(step.operands[1])}]")


def _store(writer: Renderer, step: Step) -> Text:
    target, index, value = step.operands
    source = writer.value(value).source
    return Text(f"{writer.value(target).within(ATOM)}[{writer.index(index)}] = {source}", 0)


def _read(writer: Renderer, step: Step) -> Text:
    return Text(f"{writer.value(step.operands[0]).within(ATOM)}.{step.op}")


def _write(writer: Renderer, step: Step) -> Text:
    target, value = step.operands
    return Text(f"{writer.value(target).within(ATOM)}.{step.op} = {writer.value(value).source}", 0)


_FORMS: Final[dict[str, Callable[[Renderer, Step], Text]]] = {
    "call": _call,
    "apply": _apply,
    "method": _method,
    "binary": _binary,
    "unary": _unary,
    "compare": _compare,
    "augment": _augment,
    "index": _index,
    "store": _store,
    "read": _read,
    "write": _write,
}

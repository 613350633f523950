"""A slice as a program: which steps become statements and which parts of others, what is named, in which mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

from autograd_lint.confirm.claims import Claim, Kind
from autograd_lint.confirm.leaves import Guess, guesses, sizes_in
from autograd_lint.confirm.naming import Names
from autograd_lint.confirm.rendering import ATOM, Renderer, Text
from autograd_lint.confirm.slicing import Origin, Slice, Untold, slice_of
from autograd_lint.confirm.traced import Trace
from autograd_lint.static.model.machine import Modes
from autograd_lint.static.model.tape import Step
from autograd_lint.static.model.values import (
    Const,
    Dict,
    Instance,
    NNModule,
    Seq,
    SliceValue,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.registered import parameters_of, submodules

_WHOLE: Final = frozenset({"augment", "store", "write"})
_EACH: Final = frozenset({"train", "eval", "requires_grad_", "zero_grad"})


Row: TypeAlias = tuple[str, int]
"""A file, and a row in it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A statement, the grad mode it runs in, and the row of the user's file that it does the work of."""

    source: str
    mode: str = ""
    row: Row | None = None
    place: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor given from outside: its name and what it may be."""

    tensor: Tensor
    name: str
    guesses: tuple[Guess, ...]


@dataclass
class Draft:
    """A replay before it is decided what the tensors given from outside are. Not slotted, for its lazy properties."""

    trace: Trace
    leaves: list[Leaf] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = Names(self.trace.tape)
        self._named: dict[tuple[int, str], str] = {}
        self._leaf_names: dict[int, str] = {}
        self._writer = Renderer(self._refer, self._moving())
        self._name_leaves()
        for number in self.slice.steps:
            if number not in self._inlined:
                self._write(number)
        if self.trace.implied:
            self._write_return()
        if self.trace.claim is not None:
            self._write_claim(self.trace.claim)

    @cached_property
    def slice(self) -> Slice:
        """The steps to write."""
        return slice_of(self.trace)

    def _moving(self) -> Step | None:
        """The last step, where the claim is that its result is no leaf."""
        claim = self.trace.claim
        return self._step(claim.end) if claim is not None and claim.kind is Kind.NO_LEAF else None

    def _step(self, number: int) -> Step:
        return self.trace.tape.steps[number]

    # ------------------------------------------------------------------ uses

    @cached_property
    def _uses(self) -> dict[int, list[int]]:
        """The steps kept that use a part of what a step made, by that step; the end of the path counts as one."""
        uses: dict[int, list[int]] = defaultdict(list)
        for number in self.slice.steps:
            step = self._step(number)
            for value in (*step.operands, *step.keywords.values()):
                for origin in self._origins(value):
                    uses[origin.step].append(number)
        for value in self._used_at_the_end:
            for origin in self._origins(value):
                uses[origin.step].append(self.trace.end + 1)
        return uses

    @cached_property
    def _used_at_the_end(self) -> tuple[Value, ...]:
        """What is used when all steps are done."""
        returned = self.trace.tape.returned if self.trace.implied else None
        claimed = () if self.trace.claim is None else (self.trace.claim.tensor,)
        return (*(returned[0] if returned is not None else ()), *claimed)

    def _origins(self, value: Value) -> Iterator[Origin]:
        for part in _flat(value):
            held = self.slice.origins.held.get(id(part))
            origin = self._origin(held[0] if held is not None else part)
            if origin is not None:
                yield origin

    def _origin(self, value: Value) -> Origin | None:
        made = self.slice.origins.made
        origin = made.get(id(value))
        if origin is None and isinstance(value, Unknown) and value.tensor is not None:
            return made.get(id(value.tensor))
        return origin

    @cached_property
    def _inlined(self) -> dict[int, int]:
        """The steps that are written inside the statement of another one, which uses their result."""
        found: dict[int, int] = {}
        kept = self.slice.steps
        for at, number in enumerate(kept):
            step, uses = self._step(number), self._uses.get(number, [])
            if step.form in _WHOLE or step.raised or not uses:
                continue
            if step.form == "read" and step.op == "grad":
                found[number] = uses[0]
                continue
            user = uses[0]
            if len(uses) > 1 or user not in kept or self._name_of(number):
                continue
            between = [self._step(other) for other in kept[at + 1 : kept.index(user)]]
            moved = any(self._is_changing(other) for other in (*between, *([step] if between else [])))
            if not moved and self._fits(step, self._step(user)):
                found[number] = user
        return found

    def _name_of(self, number: int) -> str:
        result = self._step(number).result
        return self.names.wish(result) if result is not None else ""

    def _is_changing(self, step: Step) -> bool:
        return bool(step.written or step.touched or step.form in _WHOLE or step.raised)

    def _fits(self, step: Step, user: Step) -> bool:
        same_mode = _mode(step.modes) == _mode(user.modes)
        return same_mode and self._statement(step) == self._statement(user)

    def _statement(self, step: Step) -> Row:
        return step.filename, self.trace.positions.statement_range_of(step.node.cst).start.row

    def _root(self, number: int) -> int:
        while number in self._inlined:
            number = self._inlined[number]
        return number

    def _last_use(self, number: int) -> int:
        return max((self._root(user) for user in self._uses.get(number, ())), default=number)

    # ---------------------------------------------------------------- leaves

    def _name_leaves(self) -> None:
        """Name the tensors that come from outside, in the order of their use; they live as long as they are used."""
        uses: dict[int, list[tuple[Step, int]]] = defaultdict(list)
        last: dict[int, int] = {}
        found: dict[int, Tensor] = {}
        for number in self.slice.steps:
            step = self._step(number)
            for position, value in enumerate((*step.operands, *step.keywords.values())):
                for part in _flat(value):
                    tensor = self._given(part)
                    if tensor is not None:
                        found.setdefault(id(tensor), tensor)
                        uses[id(tensor)].append((step, position))
                        last[id(tensor)] = self._root(number)
        for value in self._used_at_the_end:
            tensor = self._given(value)
            if tensor is not None and id(tensor) in last:
                last[id(tensor)] = self.trace.end + 1
        sizes = sizes_in(self._step(number) for number in self.slice.steps)
        for key, tensor in found.items():
            name = self._leaf_names[key] = self.names.take(tensor, now=-1, until=last[key])
            self.leaves.append(Leaf(tensor, name, tuple(guesses(tensor, uses[key], sizes))))

    def _given(self, value: Value) -> Tensor | None:
        """The tensor `value` is, if the path was given it."""
        tensor = value.tensor if isinstance(value, Unknown) else value
        if not isinstance(tensor, Tensor) or tensor.site is not None or tensor.base is not None:
            return None
        if self._origin(value) is not None or id(tensor) in self.slice.origins.held:
            return None
        return None if id(tensor) in self.slice.origins.made or tensor.numpy else tensor

    # -------------------------------------------------------------- statements

    def _refer(self, value: Value, sizes: bool) -> Text | None:
        held = self.slice.origins.held.get(id(value))
        if held is not None:
            module = self._refer(held[0], sizes)
            return None if module is None else Text(f"{module.source}.{held[1]}")
        origin = self._origin(value)
        if origin is not None:
            return self._made(origin)
        tensor = self._given(value)
        if tensor is None or (sizes and isinstance(value, Unknown) and value.kind != "tensor"):
            return None
        name = self._leaf_names.get(id(tensor))
        return None if name is None else Text(name)

    def _made(self, origin: Origin) -> Text:
        if origin.step in self._inlined:
            text = self._writer.step(self._step(origin.step))
            return Text(f"{text.within(ATOM)}{origin.suffix}") if origin.suffix else text
        part = self._named.get((origin.step, origin.suffix))
        if part is not None:
            return Text(part)
        whole = self._named.get((origin.step, ""))
        if whole is None:
            raise Untold("a value that it needs is made by a step that is not part of it")
        return Text(f"{whole}{origin.suffix}")

    def _write(self, number: int) -> None:
        step = self._step(number)
        claim = self.trace.claim
        if claim is not None and claim.copied is not None and self._root(claim.copied) == number:
            name = self._writer.value(claim.tensor).within(ATOM)
            self.lines.append(Line(f"before = {name}.detach().clone()"))
        if step.form == "method" and isinstance(step.operands[0], Instance):
            for source in self._each(step, step.operands[0]):
                self._add(source, step, number)
            return
        text = self._writer.step(step).source
        used = bool(self._uses.get(number))
        if used and step.result is not None:
            text = f"{self._target(number, step.result)} = {text}"
        self._add(text, step, number)

    def _target(self, number: int, result: Value) -> str:
        """What a step's result is assigned to."""
        until = self._last_use(number)
        if isinstance(result, Seq) and not result.open and len(result.items) > 1 and not self.names.wish(result):
            names = []
            for place, item in enumerate(result.items):
                name = self._named[number, f"[{place}]"] = self.names.take(item, now=number, until=until)
                names.append(name)
            return ", ".join(names)
        name = self._named[number, ""] = self.names.take(result, now=number, until=until)
        return name

    def _each(self, step: Step, owner: Instance) -> Iterator[str]:
        """A method of a module of the program's own, for those of its parts that the replay has."""
        if step.op not in _EACH:
            return
        arguments = self._writer.arguments(step, 1)
        for module in submodules(owner):
            origin = self._origin(module) if isinstance(module, NNModule) else None
            if origin is not None and (origin.step, origin.suffix) in self._named:
                yield f"{self._made(origin).source}.{step.op}({arguments})"
        for tensor in parameters_of(owner):
            origin = self._origin(tensor)
            if origin is not None and (origin.step, origin.suffix) in self._named:
                name = self._made(origin).source
                if step.op == "zero_grad":
                    yield f"{name}.grad = None"
                elif step.op == "requires_grad_":
                    yield f"{name}.requires_grad_({arguments})"

    def _add(self, source: str, step: Step, number: int) -> None:
        row = step.filename, self.trace.positions.range_of(step.node.cst).start.row
        inside = [self._step(other) for other in self.slice.steps if self._root(other) == number]
        tokens = {site.token for site in self.trace.places}
        place = number == self.trace.end or any(part.node.cst in tokens for part in inside)
        self.lines.append(Line(source, _mode(step.modes), row, place))

    def _write_claim(self, claim: Claim) -> None:
        name = self._writer.value(claim.tensor).within(ATOM)
        self.lines.append(Line(f"assert {claim.kind.value.format(name)}"))

    def _write_return(self) -> None:
        returned = self.trace.tape.returned
        if returned is None:
            return
        tensors, filename, node = returned
        names = [self._writer.value(tensor) for tensor in tensors]
        total = " + ".join(f"{name.within(ATOM)}.sum()" for name in names)
        row = filename, self.trace.positions.range_of(node.cst).start.row
        source = f"{total}.backward()" if len(names) == 1 else f"({total}).backward()"
        self.lines.append(Line(source, "", row, True))


def _flat(value: Value) -> Iterator[Value]:
    if isinstance(value, Seq):
        for item in value.items:
            yield from _flat(item)
    elif isinstance(value, Dict):
        for item in value.items.values():
            yield from _flat(item)
    elif isinstance(value, SliceValue):
        for bound in (value.lower, value.upper, value.step):
            yield from _flat(bound)
    elif not isinstance(value, Const):
        yield value


def _mode(modes: Modes) -> str:
    if modes.inference:
        return "torch.inference_mode()"
    return "torch.no_grad()" if modes.grad is False else ""

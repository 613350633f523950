"""The backward slice of a trace: the steps that its end hangs on, and the values that nothing in it made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.confirm.traced import Trace
from autograd_lint.errors import AutogradLintError
from autograd_lint.static.model.tape import Step
from autograd_lint.static.model.values import (
    Const,
    Dict,
    GradModeValue,
    Instance,
    NNModule,
    OptimizerValue,
    Seq,
    SliceValue,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.registered import parameters_of, submodules

_FLAGS: Final = frozenset({"requires_grad_", "retain_grad", "eval", "train", "detach_", "add_param_group"})
_CLEARING: Final = frozenset({"zero_grad"})
_MAKES_NOTHING: Final = frozenset({"augment", "store", "write"})
_EVERYWHERE: Final = frozenset({"torch.set_default_dtype", "torch.set_default_tensor_type"})


class Untold(AutogradLintError):
    """A replay cannot be written; says why. Never leaves `replay_of`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: step number `step`, whose result it is, or the part `suffix` of it."""

    step: int
    suffix: str = ""


@dataclass(slots=True)
class Origins:
    """Which step made which value, and which module holds which tensor."""

    made: dict[int, Origin] = field(default_factory=dict)
    held: dict[int, tuple[NNModule, str]] = field(default_factory=dict)

    def learn(self, number: int, step: Step) -> None:
        """Take in what a step gave; what an earlier one made stays its, unless this one ran code of the program's."""
        result = step.result
        if isinstance(result, NNModule):
            for label, part in (*result.params.items(), *result.buffers.items()):
                if id(part) not in self.made:
                    self.held.setdefault(id(part), (result, label))
        if step.form in _MAKES_NOTHING or result is None or _is_of_instance(step):
            return
        for value, suffix in _parts(result):
            if id(value) in self.held:
                continue
            tensor = value.tensor if isinstance(value, Unknown) else None
            for key in (id(value), *(() if tensor is None else (id(tensor),))):
                origin = Origin(number, suffix)
                self.made[key] = origin if step.form == "gap" else self.made.get(key, origin)


def _is_of_instance(step: Step) -> bool:
    return step.form == "method" and isinstance(step.operands[0], Instance)


def _parts(value: Value, suffix: str = "", depth: int = 0) -> Iterator[tuple[Value, str]]:
    if isinstance(value, Seq):
        for number, item in enumerate(value.items if depth < 3 else ()):
            yield from _parts(item, f"{suffix}[{number}]", depth + 1)
    elif not isinstance(value, Const):
        yield value, suffix


@dataclass(slots=True)
class Slice:
    """The numbers of the steps kept, in order, and where values come from."""

    origins: Origins
    steps: list[int] = field(default_factory=list)


def slice_of(trace: Trace) -> Slice:
    """The steps that the trace's end and its places hang on. Raises Untold when one of them cannot be written."""
    steps = trace.tape.steps[: trace.end + 1]
    origins = Origins()
    for number, step in enumerate(steps):
        origins.learn(number, step)
    wants = _Wants(origins)
    tokens = {site.token for site in trace.places}
    if trace.implied and trace.tape.returned is not None:
        wants.add_all(trace.tape.returned[0])
    if trace.claim is not None:
        wants.add(trace.claim.tensor)
    kept: list[int] = []
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if isinstance(step.result, GradModeValue):
            continue  # every step knows its mode
        if number == trace.end or step.node.cst in tokens or wants.step(number, step):
            _check(step)
            kept.append(number)
            wants.operands_of(step)
    return Slice(origins, kept[::-1])


def _check(step: Step) -> None:
    if step.form == "gap":
        raise Untold(f"`{step.op.rpartition('.')[2] or 'a call'}` runs code of the program's own")
    modes = step.modes
    for name, on in (("autocast", modes.autocast), ("save_on_cpu", modes.offload)):
        if on:
            raise Untold(f"it happens under `{name}`")
    if modes.mutation_allowed:
        raise Untold("it happens under `allow_mutation_on_saved_tensors`")


@dataclass(slots=True)
class _Wants:
    """What the steps kept so far need from earlier ones: values, memory as it was, gradients as they were."""

    origins: Origins
    values: set[int] = field(default_factory=set)
    memories: set[int] = field(default_factory=set)
    gradients: set[int] = field(default_factory=set)

    def add_all(self, values: Iterable[Value]) -> None:
        """Need each of `values`."""
        for value in values:
            self.add(value)

    def add(self, value: Value) -> None:
        """Need `value` and what it consists of."""
        if isinstance(value, Seq):
            self.add_all(value.items)
        elif isinstance(value, Dict):
            self.add_all(value.items.values())
        elif isinstance(value, SliceValue):
            self.add_all((value.lower, value.upper, value.step))
        elif isinstance(value, Tensor):
            self._add_tensor(value)
        elif not isinstance(value, Const) and id(value) not in self.values:
            self.values.add(id(value))
            if isinstance(value, Unknown) and value.tensor is not None:
                self._add_tensor(value.tensor)
            elif isinstance(value, NNModule):
                self.add_all((*value.children.values(), *value.params.values(), *value.buffers.values()))

    def _add_tensor(self, tensor: Tensor) -> None:
        if id(tensor) in self.values:
            return
        self.values.add(id(tensor))
        self.memories.add(id(tensor.memory))
        if tensor.grad_owner is not None:
            self.gradients.add(id(tensor.grad_owner))
            self._add_tensor(tensor.grad_owner)
        held = self.origins.held.get(id(tensor))
        if held is not None:
            self.add(held[0])

    def step(self, number: int, step: Step) -> bool:
        """Whether a step makes or changes something needed."""
        if step.form == "call" and step.op in _EVERYWHERE:
            return True
        if step.result is not None and self._makes(number, step.result):
            return True
        if any(id(memory) in self.memories for memory in step.written):
            return True
        if any(id(tensor) in self.gradients for tensor in step.touched):
            return True
        return self._flags(step)

    def _makes(self, number: int, result: Value) -> bool:
        for value, _ in _parts(result):
            origin = self.origins.made.get(id(value))
            tensor = value.tensor if isinstance(value, Unknown) else None
            if origin is not None and origin.step == number:
                if id(value) in self.values or (tensor is not None and id(tensor) in self.values):
                    return True
        return False

    def _flags(self, step: Step) -> bool:
        if step.form == "write":
            owner = step.operands[0]
            return id(_tensor(owner)) in (self.gradients if step.op == "grad" else self.values)
        if step.form != "method":
            return False
        owner = step.operands[0]
        if step.op in _CLEARING:
            held = owner.params if isinstance(owner, OptimizerValue) else parameters_of(owner)
            return any(id(tensor) in self.gradients for tensor in held)
        return step.op in _FLAGS and any(id(part) in self.values for part in _with_parts(owner))

    def operands_of(self, step: Step) -> None:
        """Need what a step works on."""
        operands = step.operands[1:] if _is_of_instance(step) else step.operands
        self.add_all(operands)
        self.add_all(step.keywords.values())
        owner = step.operands[0] if step.operands else None
        if step.form == "method" and step.op == "step" and isinstance(owner, OptimizerValue):
            self.gradients.update(id(tensor) for tensor in owner.params)
            self.add_all(owner.params)
        if step.form == "read" and step.op == "grad" and owner is not None:
            self.gradients.add(id(_tensor(owner)))


def _tensor(value: Value) -> Value:
    return value.tensor if isinstance(value, Unknown) and value.tensor is not None else value


def _with_parts(value: Value) -> list[Value]:
    if isinstance(value, Instance):
        return [*submodules(value), *parameters_of(value)]
    return [value, *submodules(value)] if isinstance(value, NNModule) else [value, _tensor(value)]

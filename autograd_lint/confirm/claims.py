"""What a replay shows where torch raises nothing: an assertion that holds because the program is at fault."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lint.events import (
    AttributeBound,
    Cut,
    DeadEnd,
    Discarded,
    Event,
    LeafLost,
    LostWrite,
    Site,
    TensorRef,
    Write,
)
from autograd_lint.static.model.tape import Step, Tape
from autograd_lint.static.model.values import NNModule, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.registered import parameters_of


class Kind(enum.Enum):
    """The assertion; `{0}` is the tensor, `before` a copy of it."""

    NO_GRADIENT = "{0}.grad is None"
    NO_GRAPH = "{0}.grad_fn is None"
    NO_LEAF = "not {0}.is_leaf"
    UNCHANGED = "torch.equal({0}, before)"
    CHANGED = "not torch.equal({0}, before)"


@dataclass(frozen=True, slots=True)
class Claim:
    """The assertion about `tensor` after step `end`; `copied` is the step before which the tensor is copied."""

    kind: Kind
    tensor: Value
    end: int
    copied: int | None = None


def claim_of(event: Event, tape: Tape) -> Claim | None:
    """What shows that `event` happened; None where no assertion about one tensor does."""
    if isinstance(event, Cut):
        return _starved(event, tape)
    if isinstance(event, DeadEnd):
        return _dead_end(event, tape)
    if isinstance(event, LeafLost | AttributeBound):
        at = _first(tape, event.site)
        return None if at is None else _about(Kind.NO_LEAF, tape.steps[at].result, at)
    if isinstance(event, Discarded):
        at = _first(tape, event.site)
        return None if at is None else _about(Kind.UNCHANGED, _operand(tape.steps[at]), at, copied=at)
    if isinstance(event, LostWrite):
        return _lost(event, tape)
    if isinstance(event, Write) and event.alias_read is not None and event.stale is None:
        made, written = _first(tape, event.alias_read.made), _last(tape, event.site)
        if made is not None and written is not None:
            return _about(Kind.CHANGED, tape.steps[made].result, written, copied=written)
    return None


def _about(kind: Kind, tensor: Value | None, end: int, *, copied: int | None = None) -> Claim | None:
    known = isinstance(tensor, Tensor) or (isinstance(tensor, Unknown) and tensor.tensor is not None)
    return Claim(kind, tensor, end, copied) if known and tensor is not None else None


def _operand(step: Step) -> Value | None:
    return step.operands[0] if step.operands else None


def _starved(event: Cut, tape: Tape) -> Claim | None:
    end = _first(tape, event.needed, since=_first(tape, event.site))
    leaf = next(_tensors_like(tape, event.leaf), None)
    return None if end is None or leaf is None else Claim(Kind.NO_GRADIENT, leaf, end)


def _dead_end(event: DeadEnd, tape: Tape) -> Claim | None:
    made = _first(tape, event.site)
    end = _first(tape, event.needed, since=made)
    if end is None or made is None:
        return None
    return _about(Kind.NO_GRAPH, tape.steps[made].result, end)


def _lost(event: LostWrite, tape: Tape) -> Claim | None:
    copied = None if event.copied is None else _first(tape, event.copied)
    end = _last(tape, event.site)
    if copied is None or end is None:
        return None
    return _about(Kind.UNCHANGED, _operand(tape.steps[copied]), end, copied=copied)


def _at(tape: Tape, site: Site) -> Iterator[int]:
    return (at for at, step in enumerate(tape.steps) if step.node.cst is site.token)


def _first(tape: Tape, site: Site, *, since: int | None = None) -> int | None:
    return next((at for at in _at(tape, site) if at >= (since or 0)), None)


def _last(tape: Tape, site: Site) -> int | None:
    return max(_at(tape, site), default=None)


def _tensors_like(tape: Tape, ref: TensorRef) -> Iterator[Tensor]:
    """The tensors of that name made at that place."""
    for step in tape.steps:
        for value in (step.result, *step.operands):
            for tensor in _tensors_in(value):
                if ref.made is not None and tensor.site is not None and tensor.site.key == ref.made.key:
                    if tensor.name == ref.name:
                        yield tensor


def _tensors_in(value: Value | None) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Seq):
        return [item for item in value.items if isinstance(item, Tensor)]
    return parameters_of(value) if isinstance(value, NNModule) else []

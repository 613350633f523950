"""Measures what memory a write may share: with itself (an expanded tensor), and with what the operation reads.

Torch refuses some of it with an error of its own. The call is run once more for each way to lay its operands into one
storage; an operand that comes in another dtype than what is written (an index, a mask) is tried with both in its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import torch

from autograd_lint.facts.case import Refusals
from autograd_lint.facts.unfit import UNFIT

_REFUSED: Final = re.compile(r"unsupported operation: .*(single memory location|overlap)", re.DOTALL)

Tensors: TypeAlias = Mapping[str, torch.Tensor]
Call: TypeAlias = Callable[[Tensors], Any]


def refusals(call: Call, tensors: Tensors, written: Iterable[str]) -> Refusals:
    """What torch refuses of a call that writes `written`; `tensors` are its operands by label."""
    found = Refusals({}, {}, {})
    for target in sorted(written):
        _note(found.expanded, target, [_refuses(call, laid) for laid in _expanded(tensors, target)])
        for read in tensors.keys() - {target}:
            alike = _of_one_dtype(call, tensors, target, read)
            together = [_refuses(call, laid) if laid else None for laid in _partly(alike or tensors, target, read)]
            _note(found.partly, read, together if alike else [None] * len(together))
            same = [_refuses(call, laid) for laid in _exactly(alike or {}, target, read)]
            _note(found.exactly, read, same)
    return found


def _note(verdicts: dict[str, bool | None], label: str, trials: list[bool | None]) -> None:
    """Refused is what every trial refused; a trial that failed for another reason has no say."""
    known = [*(trial for trial in trials if trial is not None), *filter(None.__ne__, [verdicts.get(label)])]
    if trials or label in verdicts:
        verdicts[label] = all(known) if known else None


def _refuses(call: Call, tensors: Tensors) -> bool | None:
    torch.default_generator.manual_seed(0)
    try:
        call(tensors)
    except UNFIT as error:
        return True if _REFUSED.search(str(error)) else None
    return False


def _copies(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {label: tensor.detach().clone() for label, tensor in tensors.items()}


def _expanded(tensors: Tensors, target: str) -> Iterator[Tensors]:
    """The operands with `target` expanded along each of its dimensions."""
    shape = tensors[target].shape
    for dim, size in enumerate(shape):
        if size > 1:
            copies = _copies(tensors)
            yield {**copies, target: copies[target].narrow(dim, 0, 1).clone().expand(shape)}


def _of_one_dtype(call: Call, tensors: Tensors, target: str, read: str) -> Tensors | None:
    """The operands with `target`, and all of its dtype, in the dtype of `read`; None where torch does not take them."""
    written, wanted = tensors[target].dtype, tensors[read].dtype
    if written == wanted:
        return tensors
    turned = {label: t.to(wanted) if t.dtype == written else t for label, t in _copies(tensors).items()}
    return turned if _refuses(call, _copies(turned)) is False else None


def _partly(tensors: Tensors, target: str, read: str) -> Iterator[Tensors]:
    """The operands with `read` behind `target` in one storage, so that they share one element; none of two scalars."""
    copies = _copies(tensors)
    size, length = copies[target].numel(), copies[read].numel()
    if size > 1 or length > 1:
        storage = torch.zeros(size + length, dtype=copies[read].dtype)
        laid = {target: storage[:size].view(copies[target].shape), read: _behind(storage, size, copies[read])}
        for label in (read, target):
            laid[label].copy_(copies[label])
        yield {**copies, **laid}


def _behind(storage: torch.Tensor, size: int, tensor: torch.Tensor) -> torch.Tensor:
    return storage[size - 1 : size - 1 + tensor.numel()].view(tensor.shape)


def _exactly(tensors: Tensors, target: str, read: str) -> Iterator[Tensors]:
    """The operands with `read` being the very elements of `target`; none where the shapes differ."""
    if tensors and tensors[target].shape == tensors[read].shape:
        copies = _copies(tensors)
        yield {**copies, target: copies[read].view_as(copies[read])}

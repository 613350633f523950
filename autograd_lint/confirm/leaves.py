"""Tensors that a trace was given from outside: what they may be, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from autograd_lint.static.model.tape import Step
from autograd_lint.static.model.values import Const, NNModule, Tensor, Unknown, Value

_CLASS_LOSSES: Final = ("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss")
_MOST_SIZES: Final = 6
_USUAL: Final = 4
_INPUTS: Final = ("in_features", "in_channels", "num_features", "input_size", "normalized_shape", "embed_dim")
_SIZES: Final = (*_INPUTS, "out_features")
"""Options of modules that are sizes of what they take, and of what they give."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A tensor by shape; integers below `below` if that is set."""

    shape: tuple[int, ...]
    below: int = 0
    parameter: bool = False

    def text(self, *, requires_grad: bool) -> str:
        """The expression that makes one."""
        if self.below:
            return f"torch.randint(0, {self.below}, {self.shape})"
        sizes = ", ".join(map(str, self.shape)) if self.shape else "()"
        if self.parameter:
            return f"torch.nn.Parameter(torch.randn({sizes}))"
        return f"torch.randn({sizes}{', requires_grad=True' if requires_grad else ''})"


def guesses(tensor: Tensor, uses: Sequence[tuple[Step, int]], sizes: Sequence[int]) -> list[Guess]:
    """What `tensor` may be, given the steps that use it (and as which operand), and `sizes` that occur in the trace."""
    found: dict[Guess, None] = {}
    if tensor.layout is not None:
        found[Guess(tensor.layout.shape, parameter=tensor.parameter)] = None
    for step, position in uses:
        found.update(dict.fromkeys(_by_use(step, position)))
    wide = sizes[0] if sizes else _USUAL
    shapes: list[tuple[int, ...]] = [(wide, wide), (_USUAL,), ()]
    for size in sizes[:_MOST_SIZES]:
        shapes += [(2, size), (size,), (2, size, 8, 8), (2, 3, size)]
    shapes += [(2, wide, 8, 8), (2, 3, 32, 32), (2, 1, 28, 28), (2, wide, wide)]
    found.update(dict.fromkeys(Guess(shape, parameter=tensor.parameter) for shape in shapes))
    found.update(dict.fromkeys((Guess((2,), 2), Guess((_USUAL,), 2), Guess((2, 3), 2))))
    return list(found)


def _by_use(step: Step, position: int) -> Iterator[Guess]:
    owner = step.operands[0] if step.operands else None
    short = step.op.rpartition(".")[2]
    if step.form == "apply" and isinstance(owner, NNModule):
        short = owner.name.rpartition(".")[2]
        yield from _by_module(owner, short) if position == 1 else ()
    if short in _CLASS_LOSSES and position == (2 if step.form == "apply" else 1):
        yield Guess((2,), 2)
        yield Guess((_USUAL,), 2)


def _by_module(module: NNModule, short: str) -> Iterator[Guess]:
    size = next((n for key in _INPUTS if (n := _whole(module.options.get(key))) is not None), _USUAL)
    if short == "Sequential" and module.children:
        for child in module.children.values():
            if isinstance(child, NNModule) and (child.params or child.children):
                yield from _by_module(child, child.name.rpartition(".")[2])
                return
    if short == "Embedding":
        yield Guess((2, 3), 2)
    elif short.endswith("2d"):
        yield from (Guess((2, size, side, side)) for side in (8, 28, 32, 64))
    elif short.endswith("1d"):
        yield Guess((2, size, 8))
        yield Guess((2, size))
    elif short.endswith("3d"):
        yield Guess((2, size, 4, 4, 4))
    elif short in ("LSTM", "GRU", "RNN", "Transformer", "MultiheadAttention") or short.startswith("Transformer"):
        yield Guess((2, 3, size))
    elif module.params:
        yield Guess((2, size))


def _whole(value: Value | None) -> int | None:
    return value.value if isinstance(value, Const) and type(value.value) is int else None


def sizes_in(steps: Iterable[Step]) -> list[int]:
    """The whole numbers that modules in the trace were built with, and the sizes of known tensors."""
    found: dict[int, None] = {}
    for step in steps:
        result = step.result
        if isinstance(result, NNModule):
            numbers = [_whole(result.options.get(key)) for key in _SIZES]
            found.update((n, None) for n in numbers if n is not None and n < 5000)
    for step in steps:
        for value in step.operands:
            tensor = value.tensor if isinstance(value, Unknown) else value
            if isinstance(tensor, Tensor) and tensor.layout is not None:
                found.update((size, None) for size in reversed(tensor.layout.shape) if 1 < size < 5000)
    return list(found)

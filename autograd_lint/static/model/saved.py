"""What a node saves of its operands and results, and on which of them that hangs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograd_lint.static.model.machine import Counter, Memory
    from autograd_lint.static.model.values import Tensor


@dataclass(slots=True, eq=False)
class SavedRecord:
    """A tensor a node saved, with the version it saw. `sure`: it is `certain` once the tensor itself requires grad."""

    tensor: Tensor
    counter: Counter
    version: int
    memory: Memory
    memory_version: int
    name: str
    result: bool
    certain: bool
    elementwise: bool = True
    non_leaf: bool = False
    sure: bool = False

    def doubt(self) -> None:
        """It may not have been saved after all."""
        self.certain = self.sure = False


def labelled(operands: Mapping[str, list[Tensor]], label: str) -> list[Tensor]:
    """The operands a label of the facts means: `input`, all of `tensors[]`, or one of them, `tensors[1]`."""
    name, _, index = label.partition("[")
    group = operands.get(name, [])
    number = index.removesuffix("]")
    return group if not number else group[int(number) : int(number) + 1]


def is_met_by(tensor: Tensor, when: Sequence[frozenset[str]], operands: Mapping[str, list[Tensor]]) -> bool:
    """Whether it is enough for a condition that `tensor` requires grad."""
    groups = ([labelled(operands, name) for name in alternative] for alternative in when if "*" not in alternative)
    return not when or any(
        all(any(t is tensor or t.requires_grad is True for t in group) for group in alternative)
        for alternative in groups
    )

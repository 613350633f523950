"""Measures which dtype operations give of integers: torch's samples are floating-point numbers.

The dtype does not hang on who requires grad, and a name without its place (`exp` of `torch.exp` and `Tensor.exp`)
stands for one operation, so that a short list of names is all that the table needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import torch

from autograd_lint.facts.case import SeenOutput
from autograd_lint.facts.unfit import UNFIT

_GIVEN: Final = torch.int32
Tensors: TypeAlias = Mapping[str, torch.Tensor]


def integer_results(
    call: Callable[[Tensors], tuple[list[torch.Tensor], str]], tensors: Tensors, outputs: Iterable[SeenOutput]
) -> frozenset[str]:
    """The dtypes that the outputs which are as the inputs have when all of those are 32-bit integers.

    `call` gives the flattened outputs; nothing is known where torch has no such operation for integers.
    """
    alike = [number for number, out in enumerate(outputs) if "same" in out.dtypes]
    floating = [label for label, tensor in tensors.items() if tensor.is_floating_point()]
    if not alike or len(floating) < len(tensors):
        return frozenset()
    torch.default_generator.manual_seed(0)
    try:
        found, _ = call({label: tensor.detach().to(_GIVEN) for label, tensor in tensors.items()})
    except UNFIT:
        return frozenset()
    return frozenset(str(found[number].dtype).removeprefix("torch.") for number in alike if number < len(found))


def changed_integers(results: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The names by the dtype they turn integers into; under no dtype where it hangs on more than the name."""
    changed: dict[str, list[str]] = {}
    kept = str(_GIVEN).removeprefix("torch.")
    for name, dtypes in sorted(results.items()):
        seen = set(dtypes)
        if seen and seen != {kept}:
            changed.setdefault(seen.pop() if len(seen) == 1 else "", []).append(name)
    return changed

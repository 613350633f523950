"""Which functions of torch write their arguments: read from the schemas of the installed torch, once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch

_INDIRECT: Final = {"set_data", "requires_grad_", "retain_grad", "detach_", "_backward"}
"""Operations whose schema claims a write, but which change no element."""


@dataclass(frozen=True, slots=True)
class MutatorNames:
    """`writing`: names with the position of the first argument they write; `with_out`: functions with `out=`."""

    writing: tuple[tuple[str, int], ...]
    with_out: tuple[tuple[Any, str], ...]


@cache
def mutator_names() -> MutatorNames:
    """The names of this torch."""
    writing: dict[str, int] = {}
    out: set[str] = set()
    for schema in torch._C._jit_get_all_schemas():
        space, _, name = schema.name.partition("::")
        if space != "aten" or name in _INDIRECT:
            continue
        for position, argument in enumerate(schema.arguments):
            if argument.is_out:
                out.add(name)
            elif argument.alias_info is not None and argument.alias_info.is_write and not argument.kwarg_only:
                if _is_of_tensors(name, str(argument.type)):
                    writing.setdefault(name, position)
    return MutatorNames(tuple(writing.items()), tuple(_functions(out)))


def _is_of_tensors(name: str, kind: str) -> bool:
    """Whether it is tensors that are written: TorchScript's `sort` of a list, of tensors too, has the name of ours."""
    return kind == "Tensor" or (name.endswith("_") and kind == "List[Tensor]")


def _functions(names: set[str]) -> list[tuple[Any, str]]:
    spaces: tuple[tuple[Any, str], ...] = (
        (torch, ""),
        (torch.linalg, "linalg_"),
        (torch.special, "special_"),
        (torch.fft, "fft_"),
    )
    return [
        (module, short)
        for module, prefix in spaces
        for name in sorted(names)
        if name.startswith(prefix)
        and (short := name.removeprefix(prefix))
        and not short.startswith("_")
        and callable(vars(module).get(short))
    ]

"""Runs a program under torch and keeps what it computed: every value, and every gradient, by name."""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from dataclasses import dataclass, field

import torch

torch.set_num_threads(1)


@dataclass(frozen=True)
class Computed:
    """What a program left: the tensors its names hold, their gradients, and the error that ended it."""

    values: dict[str, torch.Tensor] = field(default_factory=dict)
    gradients: dict[str, torch.Tensor | None] = field(default_factory=dict)
    raised: str = ""


def compute(program: str) -> Computed:
    """Run `program` from the same random state each time."""
    torch.manual_seed(0)
    random.seed(0)
    names: dict[str, object] = {"__name__": "__main__"}
    raised = ""
    dtype = torch.get_default_dtype()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            exec(compile(program, "<program>", "exec"), names)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
        finally:
            torch.set_default_dtype(dtype)
            torch.set_anomaly_enabled(False)
            torch.set_grad_enabled(True)
        tensors = dict(_tensors(names))
        return Computed(
            {name: tensor.detach().clone() for name, tensor in tensors.items()},
            {name: _gradient(tensor) for name, tensor in tensors.items() if _is_leaf(tensor)},
            raised,
        )


def _is_leaf(tensor: torch.Tensor) -> bool:
    try:
        return tensor.is_leaf and tensor.requires_grad
    except RuntimeError:  # a view that torch forbade to write has no history that could be asked for
        return False


def _gradient(tensor: torch.Tensor) -> torch.Tensor | None:
    return None if tensor.grad is None else tensor.grad.detach().clone()


def _tensors(names: dict[str, object]) -> list[tuple[str, torch.Tensor]]:
    found: list[tuple[str, torch.Tensor]] = []
    for name, value in names.items():
        if isinstance(value, torch.Tensor):
            found.append((name, value))
        elif isinstance(value, torch.nn.Module):
            found += [(f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters()]
        elif isinstance(value, list | tuple):
            found += [(f"{name}[{i}]", item) for i, item in enumerate(value) if isinstance(item, torch.Tensor)]
    return found


def differences(before: Computed, after: Computed) -> list[str]:
    """The names whose values or gradients are not the same, to the bit; NaN is like NaN."""
    told = []
    for kind, ours, theirs in (
        ("value", before.values, after.values),
        ("gradient", before.gradients, after.gradients),
    ):
        for name in ours.keys() & theirs.keys():
            if not same(ours[name], theirs[name]):
                told.append(f"{kind} of {name}: {ours[name]} became {theirs[name]}")
        told += [f"{kind} of {name} is gone" for name in ours.keys() - theirs.keys()]
    return told


def same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Whether two tensors, or two missing ones, are the same."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())

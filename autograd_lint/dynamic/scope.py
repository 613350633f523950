"""The names that the user's frame has for a tensor, and for what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch


def name_in_scope(frame: FrameType, tensor: torch.Tensor) -> str:
    """A variable, or a parameter of a module that is a variable; empty when there is none."""
    for name, value in _variables(frame):
        if value is tensor:
            return name
    for name, value in _variables(frame):
        if isinstance(value, torch.nn.Module):
            for path, parameter in value.named_parameters():
                if parameter is tensor:
                    return f"{name}.{path}"
    return ""


def owner_in_scope(frame: FrameType, tensor: torch.Tensor) -> str:
    """The name of an optimizer, or else of a module, that holds `tensor`."""
    for name, value in _variables(frame):
        if isinstance(value, torch.optim.Optimizer):
            if any(p is tensor for group in value.param_groups for p in group["params"]):
                return name
    for name, value in _variables(frame):
        if isinstance(value, torch.nn.Module) and any(p is tensor for p in value.parameters()):
            return name
    return ""


def _variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    yield from list(frame.f_locals.items())
    if frame.f_globals is not frame.f_locals:
        yield from list(frame.f_globals.items())

"""Hooks that are hung on modules for the time of one statement, to see whether it runs hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Probes:
    """Hooks that count how often the modules that have them are called, and do nothing else."""

    def __init__(self) -> None:
        self._on: dict[int, tuple[torch.nn.Module, Any, list[None]]] = {}

    def put_on(self, values: Iterable[Any]) -> None:
        """Hang one on each module among `values` that has none."""
        for value in values:
            if isinstance(value, torch.nn.Module) and id(value) not in self._on:
                calls: list[None] = []
                handle = torch.nn.Module.register_forward_hook(value, _counter(calls))
                self._on[id(value)] = (value, handle, calls)

    def counted(self, value: Any) -> int | None:
        """How often the hook of `value` ran; None if it has none."""
        found = self._on.get(id(value))
        return len(found[2]) if found is not None and found[0] is value else None

    def take_off(self) -> None:
        """Remove them all."""
        for _, handle, _ in self._on.values():
            handle.remove()
        self._on.clear()


def _counter(calls: list[None]) -> Any:
    def count(module: Any, inputs: Any, output: Any) -> None:
        calls.append(None)

    return count

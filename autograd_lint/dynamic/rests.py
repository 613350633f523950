"""Lets tracing rest while torch's own modules compute: what they make belongs to the user's line that called them."""

from __future__ import annotations

from typing import Any

import torch

from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.tracer import Tracer


def rest_inside_modules(tracer: Tracer, patches: Patches) -> None:
    """Python calls a tracer for each call, and slows each instruction, inside torch's code as well.

    Containers are left alone, as they call the user's modules.
    """
    original: Any = torch.nn.Module.__call__
    rests: dict[type, bool] = {}

    def call(module: Any, *args: Any, **kwargs: Any) -> Any:
        kind = type(module)
        rest = rests.get(kind)
        if rest is None:
            name = kind.__module__
            rest = rests[kind] = name.startswith("torch.nn.modules.") and not name.endswith(".container")
        if not rest or not tracer.pause():
            return original(module, *args, **kwargs)
        try:
            return original(module, *args, **kwargs)
        finally:
            tracer.resume()

    patches.set(torch.nn.Module, "__call__", dressed(call, original))
    clear: Any = torch.optim.Optimizer.zero_grad

    def zero_grad(*args: Any, **kwargs: Any) -> Any:
        paused = tracer.pause()
        try:
            return clear(*args, **kwargs)
        finally:
            if paused:
                tracer.resume()

    patches.set(torch.optim.Optimizer, "zero_grad", dressed(zero_grad, clear))

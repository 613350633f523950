"""Lets tracing rest while torch's own modules compute: what they make belongs to the user's line that called them."""

from __future__ import annotations

from typing import Any

import torch

from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.tracer import Tracer


def rest_inside_modules(tracer: Tracer, patches: Patches) -> None:
    """Python calls a tracer for each call, and slows each instruction, inside torch's code as well.

    Containers rest if they hold nothing but torch's own modules; others call the user's.
    """
    original: Any = torch.nn.Module.__call__
    rests: dict[type, bool] = {}

    def rest_in(module: Any) -> bool:
        kind = type(module)
        rest = rests.get(kind)
        if rest is None:
            name = kind.__module__
            rest = rests[kind] = name.startswith("torch.nn.modules.") and not name.endswith(".container")
        return rest or (kind is torch.nn.Sequential and all(map(rest_in, module._modules.values())))

    def call(module: Any, /, *args: Any, **kwargs: Any) -> Any:
        kind = type(module)
        if kind in rests and not rests[kind] and kind is not torch.nn.Sequential:
            return original(module, *args, **kwargs)
        paused = tracer.pause()
        if not paused or not rest_in(module):
            if paused:
                tracer.resume()
            return original(module, *args, **kwargs)
        try:
            return original(module, *args, **kwargs)
        finally:
            tracer.resume()

    patches.set(torch.nn.Module, "__call__", dressed(call, original))
    patches.set(torch.optim.Optimizer, "zero_grad", _resting(tracer, torch.optim.Optimizer.zero_grad))
    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and "step" in vars(kind):
            _rest_in_step(tracer, patches, kind)


def _resting(tracer: Tracer, original: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        paused = tracer.pause()
        try:
            return original(*args, **kwargs)
        finally:
            if paused:
                tracer.resume()

    return dressed(call, original)


def _rest_in_step(tracer: Tracer, patches: Patches, kind: type[torch.optim.Optimizer]) -> None:
    """Steps that are given a function of the user's to call are followed."""
    _hook(kind)
    original: Any = vars(kind)["step"]
    resting = _resting(tracer, original)

    def step(optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = original if args or kwargs else resting
        return run(optimizer, *args, **kwargs)

    wrapper = dressed(step, original)
    wrapper.hooked = getattr(original, "hooked", False)  # type: ignore[attr-defined]  # or torch would hook it again
    patches.set(kind, "step", wrapper)


def _hook(kind: Any) -> None:
    """Do now what torch does when the first such optimizer is built: later it would look as if the program did it."""
    original = vars(kind)["step"]
    wrap = getattr(kind, "profile_hook_step", None)
    if wrap is not None and not getattr(original, "hooked", False):
        kind.step = wrap(original)
        kind.step.hooked = True

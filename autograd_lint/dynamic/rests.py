"""Lets tracing rest while torch's own modules compute: what they make belongs to the user's line that called them."""

from __future__ import annotations

from typing import Any

import torch

from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.tracer import Tracer, get_trace, set_trace


def rest_inside_modules(tracer: Tracer, patches: Patches) -> None:
    """Python calls a tracer for each call, and slows each instruction, inside torch's code as well.

    Containers rest if they hold nothing but torch's own modules; others call the user's.
    """
    original: Any = torch.nn.Module.__call__
    hook, resume = tracer.hook, tracer.resume
    rests: dict[type, bool] = {}

    def rest_in(module: Any) -> bool:
        kind = type(module)
        rest = rests.get(kind)
        if rest is None:
            name = kind.__module__
            rest = rests[kind] = name.startswith("torch.nn.modules.") and not name.endswith(".container")
        return rest or (kind is torch.nn.Sequential and all(map(rest_in, module._modules.values())))

    def call(module: Any, /, *args: Any, **kwargs: Any) -> Any:
        if get_trace() is not hook:
            return original(module, *args, **kwargs)
        set_trace(None)
        rest = True
        try:
            rest = rest_in(module)
            if not rest:
                resume()
            return original(module, *args, **kwargs)
        finally:
            if rest:
                resume()

    patches.set(torch.nn.Module, "__call__", dressed(call, original))
    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and "step" in vars(kind):
            _rest_in_step(tracer, patches, kind)


def _rest_in_step(tracer: Tracer, patches: Patches, kind: type[torch.optim.Optimizer]) -> None:
    """Steps that are given a function of the user's to call are followed."""
    _hook(kind)
    original: Any = vars(kind)["step"]
    hook, resume = tracer.hook, tracer.resume

    def step(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 or kwargs or get_trace() is not hook:
            return original(*args, **kwargs)
        set_trace(None)
        try:
            return original(*args)
        finally:
            resume()

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

"""Lets tracing rest while torch's own modules compute: what they make belongs to the user's line that called them."""

from __future__ import annotations

import threading
from typing import Any

import torch

from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.tracer import Tracer, get_trace, set_trace
from autograd_lint.dynamic.watch import is_plain


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


class PassRest:
    """Lets tracing rest in a backward pass, but not while the engine runs, which may call functions of the user's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._rests = threading.local()
        self._knows_engine = False

    def install(self, patches: Patches) -> None:
        """Replace the engine, where torch keeps it, by one that goes on tracing while it runs."""
        owner: Any = torch.autograd.Variable
        kind: Any = type(getattr(owner, "_execution_engine", None))
        if kind.__name__ != "_EngineBase":  # torch may keep it elsewhere one day
            return
        hook, resume, rests = self._tracer.hook, self._tracer.resume, self._rests

        class Engine(kind):  # type: ignore[misc]
            def run_backward(self, *args: Any, **kwargs: Any) -> Any:
                if not getattr(rests, "on", False):
                    return super().run_backward(*args, **kwargs)
                rests.on = False
                resume()
                try:
                    return super().run_backward(*args, **kwargs)
                finally:
                    if get_trace() is hook:
                        set_trace(None)

        patches.set(owner, "_execution_engine", Engine())
        self._knows_engine = True

    def begins(self, *, on: bool) -> None:
        """A pass begins, with tracing paused or not."""
        self._rests.on = on

    def go_on(self, roots: tuple[Any, ...]) -> None:
        """Trace again at once, unless torch's own Python code can be trusted to call nothing but the engine."""
        trusted = self._knows_engine and all(map(is_plain, roots)) and not torch._C._len_torch_function_stack()
        if not trusted and self._rests.on:
            self._rests.on = False
            self._tracer.resume()

"""Notices faults that need no graph: hooks that pile up, attributes that should be Parameters, refused calls."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final

import torch

from autograd_lint.dynamic.construction import Construction
from autograd_lint.dynamic.forward_made import ForwardMade
from autograd_lint.dynamic.frames import first_argument
from autograd_lint.dynamic.gradients import Gradients
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import BindingNote, HookNote, Place, RefusedNote, Via, WriteFacts
from autograd_lint.dynamic.refusals import refusal_of_call, refusal_of_write
from autograd_lint.dynamic.watch import Watch, is_leaf
from autograd_lint.events import Refusal

_HOOKS: Final[tuple[tuple[Any, tuple[str, ...]], ...]] = (
    (torch.Tensor, ("register_hook", "register_post_accumulate_grad_hook")),
    (
        torch.nn.Module,
        (
            "register_forward_hook",
            "register_forward_pre_hook",
            "register_full_backward_hook",
            "register_full_backward_pre_hook",
        ),
    ),
)
_HOLDING: Final = (list, tuple, set, dict, torch.Tensor)
_CHAIN: Final = 16
_KEPT: Final = 4096
_LEAVES: Final = (Refusal.LEAF, Refusal.VIEW_OF_LEAF)


class Misuse:
    """The wrappers, and the hooks that were registered so far."""

    def __init__(self, watch: Watch, gradients: Gradients) -> None:
        self._watch = watch
        self._optimizers = gradients.optimizers
        self._unreached = gradients.unreached
        self._first_writes = gradients.first_writes
        self._construction = Construction(watch)
        self._forward_made = ForwardMade(watch)
        self._hooks: dict[tuple[Place, int], tuple[weakref.ref[Any], Any]] = {}

    def install(self, patches: Patches) -> None:
        """Replace what registers hooks, binds attributes, and builds optimizers."""
        for owner, names in _HOOKS:
            for name in names:
                patches.set(owner, name, self._wrap_hook(getattr(owner, name), name))
        patches.set(torch.nn.Module, "__setattr__", self._wrap_binding(torch.nn.Module.__setattr__))
        add = torch.optim.Optimizer.add_param_group
        patches.set(torch.optim.Optimizer, "add_param_group", self._wrap_group(add))
        self._forward_made.install(patches)
        self._watch.tracer.on_exception = self.raised
        self._watch.tracer.on_return = self._returned

    def end(self) -> None:
        """The program is over."""
        self._construction.end()
        self._forward_made.end()

    def _returned(self, frame: FrameType) -> None:
        """A function of the user's called `forward` or `__init__` ends."""
        if frame.f_code.co_name == "forward":
            self._forward_made.returned(frame)
        else:
            self._construction.constructed(frame)

    # ------------------------------------------------------------ hooks

    def _wrap_hook(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        watch, first_writes = self._watch, self._first_writes

        def register(*args: Any, **kwargs: Any) -> Any:
            handle = original(*args, **kwargs)
            frame = sys._getframe(1)
            if watch.is_direct(frame):
                place = watch.frames.place(frame)
                if name == "register_hook":
                    first_writes.add_hook(args[-1], place)
                self._registered(args[0], handle, name, place)
            return handle

        return dressed(register, original)

    @guarded
    def _registered(self, owner: Any, handle: Any, name: str, place: Place) -> None:
        if isinstance(owner, torch.Tensor) and not owner.is_leaf:
            return
        before = self._hooks.get((place, id(owner)))
        if before is not None and before[0]() is owner and _is_registered(before[1]):
            self._watch.records.note(HookNote(place, name, isinstance(owner, torch.nn.Parameter)))
        if len(self._hooks) > _KEPT:
            self._hooks = {key: known for key, known in self._hooks.items() if known[0]() is not None}
        self._hooks[place, id(owner)] = (weakref.ref(owner), handle)

    # ------------------------------------------------------- attributes

    def _wrap_binding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        bound = self._construction.bound

        def bind(module: Any, name: str, value: Any) -> None:
            original(module, name, value)
            if type(value) is torch.Tensor and value.requires_grad and not is_leaf(value):
                self._bound(module, name, value, sys._getframe(1))
            elif type(value) in _HOLDING:
                bound(module, name, value, sys._getframe(1))

        return dressed(bind, original)

    @guarded
    def _bound(self, module: torch.nn.Module, name: str, value: torch.Tensor, frame: FrameType) -> None:
        direct = self._watch.is_direct(frame) and frame.f_code.co_name == "__init__"
        if not direct or first_argument(frame) is not module:
            return
        leaf = _only_leaf(value.grad_fn)
        if isinstance(leaf, torch.nn.Parameter) and not any(leaf is p for p in module.parameters()):
            node = self._watch.node(value.grad_fn)
            place = self._watch.frames.place(frame)
            self._watch.records.note(BindingNote(place, name, type(module).__name__, node))

    # ---------------------------------------------------------- refusals

    def _wrap_group(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def add_param_group(optimizer: Any, param_group: Any) -> Any:
            user, _ = self._watch.reach(sys._getframe(1))
            try:
                result = original(optimizer, param_group)
            except ValueError as error:
                if user is not None:
                    self._refused_optimizer(error, param_group, user)
                raise
            self._unreached.own(optimizer.param_groups[-1]["params"])
            self._construction.own(optimizer.param_groups[-1]["params"])
            if user is not None and len(optimizer.param_groups) == 1:
                self._optimizers.built(optimizer, user)
            return result

        return dressed(add_param_group, original)

    @guarded
    def _refused_optimizer(self, error: ValueError, group: Any, user: FrameType) -> None:
        reason = refusal_of_call(error)
        params = group.get("params", ()) if isinstance(group, dict) else ()
        params = params if isinstance(params, list | tuple) else [params]
        inner = next((p for p in params if isinstance(p, torch.Tensor) and not p.is_leaf), None)
        if reason is not None and inner is not None:
            place = self._watch.frames.place(user)
            self._watch.records.note(RefusedNote(place, reason, self._watch.node_of(inner)))

    @guarded
    def raised(self, frame: FrameType, error: BaseException, traceback: TracebackType | None) -> None:
        """An exception reached the user's frame `frame`: torch refused the call there, or in a frame further in."""
        if not isinstance(error, RuntimeError):
            return
        call, write = refusal_of_call(error), refusal_of_write(error)
        if (call is None and write not in _LEAVES) or self._comes_from_the_user(traceback):
            return
        place = self._watch.frames.place(frame)
        if call is not None:
            self._watch.records.note(RefusedNote(place, call))
        elif not any(facts.refusal and facts.spot.place == place for facts in self._watch.records.writes):
            # Written by something that is not wrapped: a custom Function that marks its argument dirty.
            facts = WriteFacts(self._watch.frames.spot(frame), "", Via.FUNCTION, refusal=write)
            self._watch.records.writes[facts] = None

    def _comes_from_the_user(self, traceback: TracebackType | None) -> bool:
        """Whether a frame of the user's further in has seen the exception already."""
        inner = traceback.tb_next if traceback is not None else None
        while inner is not None:
            if self._watch.is_direct(inner.tb_frame):
                return True
            inner = inner.tb_next
        return False


def _is_registered(handle: Any) -> bool:
    hooks = handle.hooks_dict_ref()
    return hooks is not None and handle.id in hooks


def _only_leaf(node: Any) -> torch.Tensor | None:
    """The leaf at the end of a chain of nodes that have one input each."""
    for _ in range(_CHAIN):
        inputs = [following for following, _ in node.next_functions if following is not None]
        if len(inputs) != 1:
            return None
        node = inputs[0]
        if type(node).__name__ == "AccumulateGrad":
            leaf: torch.Tensor = node.variable
            return leaf
    return None

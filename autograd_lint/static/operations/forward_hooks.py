"""Hooks on the forward of a module: each of its calls runs them, and they may store, change or replace tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import (
    Bound,
    Const,
    Dict,
    ForwardHook,
    Function,
    Instance,
    NNModule,
    Seq,
    Unknown,
    Value,
    is_none,
)
from autograd_lint.static.syntax import ir

_BEFORE: Final = "register_forward_pre_hook"
_AFTER: Final = "register_forward_hook"


def add_forward_hook(owner: NNModule | Instance, name: str, args: Args, handle: Unknown) -> None:
    """`owner.register_forward_hook(function)` and its like; a function that is not known is left alone."""
    function = args.get(0, "hook")
    if name not in (_BEFORE, _AFTER) or not isinstance(function, Function | Bound):
        return
    hook = ForwardHook(function, handle, before=name == _BEFORE, named=_is_set(args, "with_kwargs"))
    first = _is_set(args, "prepend")
    owner.forward_hooks = (hook, *owner.forward_hooks) if first else (*owner.forward_hooks, hook)


def is_removed(handle: Unknown) -> bool:
    """Something was done with `handle.remove`."""
    return handle.attrs is not None and "remove" in handle.attrs


def run_before(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Args:
    """The arguments of the forward after the hooks that come before it."""
    for hook in owner.forward_hooks:
        if hook.before and not is_removed(hook.handle):
            args = _replaced(args, run.call(hook.function, _given(hook, owner, args), node), named=hook.named)
    return args


def run_after(run: Run, owner: NNModule | Instance, args: Args, result: Value, node: ir.Node) -> Value:
    """What the call returns after the hooks that follow the forward."""
    for hook in owner.forward_hooks:
        if not hook.before and not is_removed(hook.handle):
            given = _given(hook, owner, args)
            changed = run.call(hook.function, replace(given, pos=[*given.pos, result]), node)
            result = result if is_none(changed) else changed
    return result


def _given(hook: ForwardHook, owner: NNModule | Instance, args: Args) -> Args:
    positional: Value = Seq("tuple", list(args.pos), open=args.open)
    named = [_as_dict(args)] if hook.named else []
    return Args([owner, positional, *named])


def _as_dict(args: Args) -> Value:
    result = Dict({}, open=args.open)
    result.items.update(args.kw)
    return result


def _replaced(args: Args, returned: Value, *, named: bool) -> Args:
    """What a hook makes of the arguments: nothing, a tuple of them, one of them, or a tuple and those with names."""
    if is_none(returned):
        return args
    keywords = _as_dict(args)
    if named:
        pair = returned.items if isinstance(returned, Seq) and len(returned.items) == 2 else [Unknown(), Unknown()]
        returned, keywords = pair
    if isinstance(returned, Seq) and isinstance(keywords, Dict):
        names = {key: value for key, value in keywords.items.items() if isinstance(key, str)}
        return Args(list(returned.items), names, open=returned.open or keywords.open)
    known = not named and type(returned) is not Unknown
    return Args([returned], dict(args.kw), open=args.open) if known else Args([], open=True)


def _is_set(args: Args, option: str) -> bool:
    value = args.kw.get(option)
    return type(value) is Const and value.value is True

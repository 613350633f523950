"""Sentences of evidence that rules share: each quotes what was seen of a value, and is empty where nothing was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from autograd_lint.evidence import Facts, Seen


def version_moved(seen: Seen, name: str) -> str:
    """A tensor of the graph was written: its version counter moved."""
    for before, after in seen.changes(name):
        if None not in (before.version, after.version) and before.version != after.version and after.grad_fn:
            moved = f"its version went from {before.version} to {after.version}"
            return f"`{name}` has the grad_fn {after.grad_fn}, and {moved} at the write"
    return ""


def never_in_graph(seen: Seen, *names: str) -> str:
    """No time that the write ran was the tensor in the graph, before or after."""
    for name in names:
        found = list(seen.changes(name))
        tensors = all(facts.is_tensor and not facts.grad_fn for pair in found for facts in pair)
        if found and tensors:
            return f"the grad_fn of `{name}` was None before and after the write, {times(len(found))}"
    return ""


def value_changed(seen: Seen, name: str) -> str:
    """A value is another after the statement."""
    for before, after in seen.changes(name):
        if before.is_tensor and before.digest is not None and before.digest != after.digest:
            return f"`{name}` was {before.shown} before the write and is {after.shown} after it"
    return ""


def value_kept(seen: Seen, name: str) -> str:
    """A value is the same after the statement."""
    for before, after in seen.changes(name):
        same = (before.digest, before.version, before.grad_fn) == (after.digest, after.version, after.grad_fn)
        if before.is_tensor and before.digest is not None and same:
            return f"`{name}` is {after.shown} before and after it, its version {after.version} both times"
    return ""


def gradient_added(seen: Seen, name: str) -> str:
    """A gradient that was there before the pass is another after it: of the leaf `name`, else of any reached one."""
    for before, after in seen.changes(name):
        if added(before, after):
            return _sum(f"`{name}.grad`", before, after)
    for each in seen.rounds:
        for root, facts in each.before.items():
            result = (each.after or {}).get(root)
            for old, new in zip(facts.leaves, result.leaves if result is not None else (), strict=False):
                if added(old, new):
                    return _sum(f"the gradient of a parameter that `{root}` reaches", old, new)
    return ""


def added(before: Facts, after: Facts) -> bool:
    """Whether a leaf had a gradient, not all zeros, and has another one."""
    old, new = before.gradient, after.gradient
    return old is not None and new is not None and any(old.values) and old.digest != new.digest


def _sum(what: str, before: Facts, after: Facts) -> str:
    assert before.gradient is not None
    assert after.gradient is not None
    return f"{what} was {before.gradient.shown} before this backward and is {after.gradient.shown} after it"


def no_gradients(leaves: Iterable[Facts]) -> bool:
    """Whether there are leaves, and none has a gradient other than zero."""
    found = list(leaves)
    return bool(found) and all(leaf.gradient is None or not any(leaf.gradient.values) for leaf in found)


def not_registered(seen: Seen, attribute: str) -> str:
    """A tensor that an attribute is bound to is not among the module's parameters."""
    owner, _, name = attribute.rpartition(".")
    for held, module in zip(seen.results(attribute), seen.results(owner), strict=False):
        if module.parameters is not None and name not in module.parameters:
            what = f"a {held.type} with the grad_fn {held.grad_fn}" if held.grad_fn else f"a {held.type}"
            return f"`{attribute}` is {what}; named_parameters() of `{module.type}` has {listed(module.parameters)}"
    return ""


def registered(seen: Seen, attribute: str) -> str:
    """An attribute's tensor is among the module's parameters."""
    owner, _, name = attribute.rpartition(".")
    for module in seen.results(owner):
        if module.parameters is not None and name in module.parameters:
            return f"named_parameters() of `{module.type}` has `{name}`"
    return ""


def listed(names: tuple[str, ...]) -> str:
    """Names of parameters, bounded."""
    if not names:
        return "nothing"
    return ", ".join(f"`{name}`" for name in names[:4]) + (", …" if len(names) > 4 else " only")


def times(number: int) -> str:
    """`once`, `2 times`."""
    return "once" if number == 1 else f"{number} times"


def growth(numbers: Iterable[int]) -> str:
    """`1, 2, 3` of numbers that grow; empty if they do not."""
    found = list(numbers)
    grows = len(found) > 1 and all(first < second for first, second in pairwise(found))
    return ", ".join(map(str, found)) if grows else ""


def of_quoted(seen: Seen, sentence: Callable[[Seen, str], str]) -> str:
    """`sentence` of the first expression in the finding's message of which it has something to say."""
    return next((text for name in seen.quoted() if (text := sentence(seen, name))), "")


def names_in(seen: Seen) -> Iterator[str]:
    """Every expression that was looked at, with a value after the flagged statement."""
    return (name for name in dict.fromkeys(name for each in seen.rounds for name in each.after or ()))

"""Sentences of evidence that rules share: each quotes what was seen of a value, and is empty where nothing was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, takewhile

from autograd_lint.evidence import Facts, Round, Seen, rows_of


def version_moved(seen: Seen, name: str) -> str:
    """A tensor of the graph was written: its version counter moved."""
    for before, after in seen.changes(name):
        if _is_written(before, after) and after.grad_fn:
            moved = f"its version went from {before.version} to {after.version}"
            return f"`{name}` has the grad_fn {after.grad_fn}, and {moved} at the write"
    return ""


def _is_written(before: Facts, after: Facts) -> bool:
    """Whether it is the same tensor, at a later version."""
    versions = (before.version, after.version)
    return before.identity == after.identity and None not in versions and versions[0] != versions[1]


def rewritten(seen: Seen) -> str:
    """The same as `version_moved`, of what the flagged statement itself names; or its `detach_` has cut the graph."""
    names = [name for name in names_in(seen) if name.partition("[")[0] in seen.text and _is_quoted(seen, name)]
    for name in names:
        moved = version_moved(seen, name)
        if moved:
            return moved
        for before, after in seen.changes(name):
            if ".detach_(" in seen.text and before.grad_fn and after.is_tensor and not after.grad_fn:
                return f"the grad_fn of `{name}` was {before.grad_fn} before the write, and is None after it"
    return ""


def _is_quoted(seen: Seen, name: str) -> bool:
    """Whether the finding speaks of `name`, or of an element of what it is an element of, which it shows as `x[…]`."""
    return f"`{name}`" in seen.finding.message or f"`{name.partition('[')[0]}[…]`" in seen.finding.message


def made_changed(seen: Seen, operation: str) -> str:
    """What `operation` returned is a tensor of the graph that was written already."""
    if f"{operation}." not in seen.text and f"{operation}(" not in seen.text:
        return ""
    for name in names_in(seen):
        for facts in seen.made(name):
            if facts.grad_fn.startswith(operation) and facts.version:
                return (
                    f"`{name}` has the grad_fn {facts.grad_fn} and is at version {facts.version} as soon as it is made"
                )
    return ""


def raised_where_needed(seen: Seen, *words: str) -> str:
    """At a related place torch raised with one of `words`, and the flagged statement moved what it speaks of."""
    rows = [(related.filename, rows_of(related.range)) for related in seen.finding.related]
    for said in seen.run.said:
        here = any(said.filename == name and said.row in found for name, found in rows)
        moved = rewritten(seen) if here and any(word in said.text for word in words) else ""
        if moved:
            return f"{said.quote()}; {moved}"
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


def changed_leaf(seen: Seen, place: str) -> bool:
    """A leaf that wants a gradient got other values at the related place whose message has `place`."""
    return any(
        facts.leaf and facts.requires_grad and name in each.after and each.after[name].digest != facts.digest
        for each in seen.rounds_at(place)
        if each.after is not None
        for name, facts in each.before.items()
    )


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


def missed_gradient(seen: Seen) -> str:
    """When the gradient is read, or used by a step, backward has run and the leaf has none.

    The finding's last two places are that backward and that read.
    """
    name = seen.quoted_name(-1)
    passed = any(each.after is not None for each in seen.elsewhere[-2]) if len(seen.elsewhere) > 1 else False
    for facts in seen.at_related(-1, name) if passed else ():
        if facts.is_tensor and facts.leaf and facts.requires_grad and facts.gradient is None:
            return f"`{name}.grad` is None after the backward"
    return ""


def never_registered(seen: Seen, name: str) -> str:
    """What is trained in the attribute `name` of `self`, where it is bound or filled, is not registered."""
    for each in (*seen.rounds, *(found for rounds in seen.elsewhere for found in rounds)):
        after = each.after or {}
        held, module = after.get(f"self.{name}"), after.get("self")
        if held is None or module is None or module.parameters is None or not _is_filled(each, f"self.{name}"):
            continue
        if (held.leaves or _is_trained(held)) and not any(part.split(".")[0] == name for part in module.parameters):
            return (
                f"`self.{name}` is a {held.type}; named_parameters() of `{module.type}` has {listed(module.parameters)}"
            )
    return ""


def _is_filled(each: Round, name: str) -> bool:
    """Whether a statement binds `name`, or puts more into it."""
    before, after = each.before.get(name), (each.after or {})[name]
    return before is None or before.identity != after.identity or after.count > before.count


def _is_trained(facts: Facts) -> bool:
    return bool(facts.is_tensor and facts.leaf and facts.requires_grad)


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
    """`1, 2, 3` of numbers that grow, as far as they do; empty if not even the second is larger."""
    found = list(numbers)
    grown = found[:1] + [second for _, second in takewhile(lambda pair: pair[0] < pair[1], pairwise(found))]
    return ", ".join(map(str, grown)) if len(grown) > 1 else ""


def of_quoted(seen: Seen, sentence: Callable[[Seen, str], str]) -> str:
    """`sentence` of the first expression in the finding's message of which it has something to say."""
    return next((text for name in seen.quoted() if (text := sentence(seen, name))), "")


def names_in(seen: Seen) -> Iterator[str]:
    """Every expression that was looked at, with a value after the flagged statement."""
    return (name for name in dict.fromkeys(name for each in seen.rounds for name in each.after or ()))

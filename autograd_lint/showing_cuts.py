"""Sentences of evidence about gradients that never arrive: leaves that were cut off, backwards that end at once."""

from __future__ import annotations

from collections.abc import Iterable

from autograd_lint.evidence import Facts, Left, Round, Seen

_FEW = 3
"""So many parameters are shown."""

_MISSED = ("read here is None", "no gradient in this step")
"""How the place where a gradient is missed is told of."""
_NUMBERS = ("item", "detach", "float", "int", "tolist", "data", "numpy")
"""The cuts that the run itself tells of."""


def gradient_missing(seen: Seen) -> str:
    """After the backward the leaf that a cut keeps from it has no gradient: it is read, or a step passes it over."""
    rounds, left = seen.rounds_at(*_MISSED), list(seen.left())
    told = "" if not left else f"; `{left[0].how}` took the numbers out of the graph"
    how, *names = seen.quoted()
    if not rounds or not seen.rounds or (how in _NUMBERS and not left):
        return ""
    for name in names:
        for each in rounds:
            facts = each.before.get(name)
            if facts is not None and facts.leaf and facts.requires_grad and facts.gradient is None:
                return f"`{name}.grad` is None after the backward{told}"
    return next((f"{text}{told}" for each in rounds if (text := _passed_over(each, left))), "")


def _passed_over(each: Round, left: Iterable[Left]) -> str:
    """Leaves of an optimizer that steps have no gradient: those that numbers were taken from, where that is known."""
    cut = {leaf for one in left for leaf in one.leaves}
    for name, facts in each.before.items():
        missing = [leaf for leaf in facts.leaves if leaf.gradient is None and (not cut or leaf.identity in cut)]
        if missing and not facts.is_tensor and facts.parameters is None:
            shown = ", ".join(str(list(leaf.shape or ())) for leaf in missing[:_FEW])
            return f"when `{name}` steps, the gradient of its parameters of shape {shown} is None"
    return ""


def gradient_found(seen: Seen) -> str:
    """The leaf that a cut is said to keep from the backward has a gradient each time that it is read."""
    for name in seen.quoted()[1:]:
        found = [each.before[name] for each in seen.rounds_at(*_MISSED) if name in each.before]
        if found and all(facts.leaf and facts.gradient is not None for facts in found):
            assert found[0].gradient is not None
            return f"`{name}.grad` is {found[0].gradient.shown} after the backward"
    return ""


def dead_end(seen: Seen) -> str:
    """Backward starts from what ends at one new leaf, which none of the leaves before the flagged place is."""
    before = {leaf.identity for each in seen.rounds for facts in each.before.values() for leaf in leaves_of(facts)}
    for each in seen.rounds_at("backward runs here"):
        for name, facts in each.before.items():
            ends = leaves_of(facts)
            if len(ends) == 1 and facts.requires_grad and before and ends[0].identity not in before:
                what = f"the graph of `{name}`" if facts.grad_fn else f"`{name}`"
                ending = f"{what} ends at a leaf of the values {ends[0].shown}"
                return (
                    f"{ending} when backward runs; it reaches none of the {len(before)} that these were computed from"
                )
    return ""


def leaves_of(facts: Facts) -> tuple[Facts, ...]:
    """The leaves that want a gradient behind a value; itself, if it is one."""
    if facts.is_tensor and facts.leaf:
        return (facts,) if facts.requires_grad else ()
    return tuple(leaf for leaf in facts.leaves if leaf.requires_grad) if facts.grad_fn or not facts.is_tensor else ()

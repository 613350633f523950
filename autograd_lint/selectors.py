"""Which rules a selector means: a code, a prefix, a rule's name or `ALL`; and which rules a run selects."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from autograd_lint.errors import ConfigError
from autograd_lint.rule import Rule, all_rules

ALL: Final = "ALL"
ALWAYS: Final = frozenset({"AGL000", "AGL003"})
"""Codes that report on the run itself: no `select` leaves them out."""

_CUTOFF: Final = 0.5
"""How alike (0 to 1) two names must be for one to be proposed for the other."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The selectors of one source of settings; a later layer overrides an earlier one."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@cache
def rules_by_code() -> dict[str, type[Rule]]:
    """Every rule by its code."""
    return {rule.code: rule for rule in all_rules()}


@cache
def find_codes(selector: str) -> frozenset[str]:
    """The codes `selector` means; empty when it means none."""
    rules = all_rules()
    if selector == ALL:
        return frozenset(rule.code for rule in rules)
    if selector.startswith("AGL"):
        return frozenset(rule.code for rule in rules if rule.code.startswith(selector))
    return frozenset(rule.code for rule in rules if rule.name == selector)


def require_codes(selector: str, *, where: str) -> frozenset[str]:
    """The codes `selector` means. Raises ConfigError, with the nearest known selector, when it means none."""
    found = find_codes(selector)
    if not found:
        raise ConfigError(f"{where}: unknown rule selector {selector!r}{did_you_mean(selector, known_selectors())}")
    return found


@cache
def known_selectors() -> tuple[str, ...]:
    """Every code, rule name and one-digit prefix, and `ALL`."""
    codes = [rule.code for rule in all_rules()]
    prefixes = sorted({code[:4] for code in codes})
    return (ALL, *prefixes, *codes, *(rule.name for rule in all_rules()))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The member of `known` most like `word`; of several, the one that begins as it does. Case does not count."""
    matcher = difflib.SequenceMatcher(b=word.lower())
    best, best_likeness = None, (_CUTOFF, 0)
    for name in known:
        matcher.set_seq1(name.lower())
        if matcher.real_quick_ratio() >= best_likeness[0] and matcher.quick_ratio() >= best_likeness[0]:
            likeness = (matcher.ratio(), _in_common(name.lower(), word.lower()))
            if likeness > best_likeness and likeness[0] > _CUTOFF:
                best, best_likeness = name, likeness
    return best


def _in_common(one: str, other: str) -> int:
    """How many characters two words begin with alike."""
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error message about `word`: the nearest known name, or all of a short list."""
    names = list(known)
    found = nearest(word, names)
    if found is not None:
        return f"; did you mean {found!r}?"
    return f"; known are {', '.join(names)}" if len(names) <= 25 else ""


def selected_codes(layers: Sequence[Layer]) -> frozenset[str]:
    """The codes a run reports. Within a layer the more specific selector wins, and `ignore` wins a tie."""
    chosen = {rule.code for rule in all_rules() if rule.default}
    ignored: set[str] = set()
    for layer in layers:
        _apply(layer, chosen, ignored)
    return frozenset(chosen | (ALWAYS - ignored))


def _apply(layer: Layer, chosen: set[str], ignored: set[str]) -> None:
    if layer.select is not None:
        chosen.clear()
        ignored.clear()
    adding = (*(layer.select or ()), *layer.extend_select)
    for specificity in sorted({_specificity(selector) for selector in (*adding, *layer.ignore)}):
        for selector in adding:
            if _specificity(selector) == specificity:
                chosen |= find_codes(selector)
                ignored -= find_codes(selector)
        for selector in layer.ignore:
            if _specificity(selector) == specificity:
                chosen -= find_codes(selector)
                ignored |= find_codes(selector)


def _specificity(selector: str) -> int:
    if selector == ALL:
        return 0
    return len(selector) if selector.startswith("AGL") else len("AGL000")

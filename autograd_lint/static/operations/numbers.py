"""Operands that nothing shows to be tensors: for the sake of what may be a number, nothing is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autograd_lint.facts import table
from autograd_lint.facts.kinds import SOME_NUMBER
from autograd_lint.facts.model import Effect, Saved
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Const, Unknown, Value


def without_numbers_sake(
    run: Run, name: str, params: Mapping[str, Value], kinds: Mapping[str, str], effect: Effect
) -> Effect:
    """`effect` without what is saved only if an operand is a tensor that nothing shows to be one.

    A factor that a function is given may as well be a number, for which a product saves nothing.
    """
    numbers = {key for key, value in params.items() if type(value) is Unknown and _is_perhaps_a_number(run, value)}
    if not numbers:
        return effect
    plain = table.effect(name, {**kinds, **dict.fromkeys(numbers, SOME_NUMBER)})
    labels = None if plain is None else {saved.label for saved in plain.saved}

    def stays(saved: Saved) -> bool:
        if saved.label in numbers:
            return True  # it is a tensor, then
        return (
            any(numbers.isdisjoint(names) for names in saved.when)
            if saved.when
            else labels is None or saved.label in labels
        )

    return replace(effect, saved=tuple(filter(stays, effect.saved)))


def _is_perhaps_a_number(run: Run, value: Unknown) -> bool:
    """What the forward of a Module is given is a tensor more often than not, if its default is no number."""
    if value.kind or value.sources:
        return False
    default = value.default
    number = type(default) is Const and isinstance(default.value, int | float)
    return number or not run.machine.differentiated or id(value) in run.settings

"""What several possible effects have in common, when it is not known which of them a call has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from autograd_lint.facts.model import Alias, Effect, Output, Saved


def unite(effects: Sequence[Effect]) -> Effect | None:
    """One effect that holds whichever of `effects` is the right one; None when nothing can be said of the result."""
    if len(effects) == 1:
        return None if effects[0].container == "?" else effects[0]
    containers = {effect.container for effect in effects}
    if len(containers) > 1 or "?" in containers or len({len(effect.outputs) for effect in effects}) > 1:
        return None
    written = {label for effect in effects for label in (*effect.written, *effect.perhaps_written)}
    always = {label for label in written if all(label in effect.written for effect in effects)}
    frees = {(effect.frees, effect.frees_when) for effect in effects}
    derivatives = {effect.derivative for effect in effects}
    higher = {(effect.higher, effect.higher_when) for effect in effects}
    return Effect(
        saved=tuple(_saved(effects)),
        outputs=tuple(_output(column) for column in zip(*(effect.outputs for effect in effects), strict=True)),
        container=effects[0].container,
        written=tuple(sorted(always)),
        perhaps_written=tuple(sorted(written - always)),
        silent=_in_any([effect.silent for effect in effects]),
        frees=effects[0].frees if len(frees) == 1 else None,
        frees_when=effects[0].frees_when if len(frees) == 1 else (),
        derivative=derivatives.pop() if len(derivatives) == 1 else None,
        higher=effects[0].higher if len(higher) == 1 else None,
        higher_when=effects[0].higher_when if len(higher) == 1 else (),
        spread=_in_all([effect.spread for effect in effects]),
        ignored=_in_any([effect.ignored for effect in effects]),
        expandable=_in_any([effect.expandable for effect in effects]),
        sharing=_in_any([effect.sharing for effect in effects]),
        apart=_in_all([effect.apart for effect in effects]),
        exchanged=_in_all([effect.exchanged for effect in effects]),
    )


def _in_any(labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(frozenset().union(*labels)))


def _in_all(labels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(frozenset.intersection(*map(frozenset, labels))))


def _saved(effects: Sequence[Effect]) -> Iterator[Saved]:
    by_label = [{saved.label: saved for saved in effect.saved} for effect in effects]
    for label in sorted(set().union(*by_label)):
        found = [saved[label] for saved in by_label if label in saved]
        if len(found) == len(effects) and len(set(found)) == 1:
            yield found[0]
        else:
            yield Saved(label, (), certain=False)


def _output(column: Sequence[Output]) -> Output:
    first = column[0]
    if all(out == first for out in column):
        return first
    aliases = {(out.alias, out.of) for out in column}
    of = next((out.of for out in column if out.of), "")
    shapes, dtypes = {out.shape for out in column}, {out.dtype for out in column}
    return replace(
        first,
        alias=first.alias if len(aliases) == 1 else Alias.MAYBE,
        of=of,
        differentiable=any(out.differentiable for out in column),
        multi_view=all(out.multi_view for out in column),
        shape=first.shape if len(shapes) == 1 else "",
        dtype=first.dtype if len(dtypes) == 1 else "",
    )

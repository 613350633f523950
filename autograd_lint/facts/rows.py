"""From measured cases to the rows of the table: which kinds decide what a call does, and the effect for each.

Of all ways to look at the arguments, the fewest and coarsest are chosen under which no two cases contradict each
other; what they still contradict in is marked as not certain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Final

from autograd_lint.facts.case import Case, Refusals, SeenOutput
from autograd_lint.facts.kinds import Look
from autograd_lint.facts.model import Alias, Effect, Output, Saved, When
from autograd_lint.facts.search import Feature, Search

_MOST_FOR_SHAPES: Final = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """The features that decide, and the effect for each combination of what they show."""

    features: tuple[Feature, ...]
    effects: Mapping[tuple[str, ...], Effect]


def build_rows(cases: Sequence[Case], defaults: Mapping[str, str]) -> Rows:
    """The rows of one public name."""
    cases = _distinct([_merge_elements(case, cases) for case in cases])
    search = Search([case.kinds for case in cases], defaults, lambda i, j: _agree(cases[i], cases[j]))
    features = _sharpened(search, cases, search.deciding())
    effects = {key: _join([cases[i] for i in group]) for key, group in search.grouped(features).items()}
    return Rows(search.named(features), effects)


def _distinct(cases: Iterable[Case]) -> list[Case]:
    """Each case once, however often it was measured."""
    return list({repr((sorted(case.kinds.items()), _facts(case))): case for case in cases}.values())


def _facts(case: Case) -> tuple[object, ...]:
    ordered = (sorted(case.operands), sorted(case.saved.items()), sorted(case.doubtful), sorted(case.written))
    outputs = [(*_output_facts(out), sorted(out.shapes), sorted(out.dtypes)) for out in case.outputs]
    graph = (case.frees, case.higher, sorted(case.spread), sorted(case.ignored), case.derivative)
    memory = (sorted(case.exchanged), *(sorted(verdicts.items()) for verdicts in astuple(case.refusals)))
    return (*ordered, sorted(case.silent), *graph, case.container, outputs, memory)


# ------------------------------------------------------------------- sequences


def _merge_elements(case: Case, cases: Sequence[Case]) -> Case:
    """Label the elements of a tensor sequence as one, `tensors[]`, if every case treats them all alike."""
    merged = case
    for name in {label.partition("[")[0] for label in case.operands if label.endswith("]")}:
        if all(_alike(other, name) for other in cases):
            merged = _merge_group(merged, name)
    return merged


def _alike(case: Case, name: str) -> bool:
    elements = [label for label in case.operands if label.startswith(f"{name}[")]
    if not elements:
        return True
    states = {_own_condition(case, label) for label in elements}
    written = {label in case.written for label in elements}
    return len(states) == 1 and None not in states and len(written) == 1


def _own_condition(case: Case, label: str) -> str | None:
    """How one element is saved when that hangs on no other element: "never", "always", "itself"; else None."""
    if label in case.doubtful:
        return None
    if label not in case.saved:
        return "never"
    when = case.saved[label]
    return "always" if not when else "itself" if when == (frozenset({label}),) else None


def _merge_group(case: Case, name: str) -> Case:
    def one(label: str) -> str:
        return f"{name}[]" if label.startswith(f"{name}[") else label

    saved = {}
    for label, when in case.saved.items():
        saved[one(label)] = tuple(dict.fromkeys(frozenset(map(one, alternative)) for alternative in when))
    frees = case.frees and tuple(dict.fromkeys(frozenset(map(one, alternative)) for alternative in case.frees))
    outputs = tuple(
        replace(
            out, of=one(out.of), shapes=frozenset(f"same:{one(s[5:])}" if s[:5] == "same:" else s for s in out.shapes)
        )
        for out in case.outputs
    )
    return replace(
        case,
        operands=frozenset(map(one, case.operands)),
        saved=saved,
        frees=frees,
        higher=case.higher and tuple(dict.fromkeys(frozenset(map(one, a)) for a in case.higher)),
        spread=frozenset(map(one, case.spread)),
        ignored=frozenset(map(one, case.ignored)),
        outputs=outputs,
        doubtful=frozenset(map(one, case.doubtful)),
        written=frozenset(map(one, case.written)),
        silent=frozenset(map(one, case.silent)),
        refusals=Refusals(*(_merge_verdicts(verdicts, one) for verdicts in astuple(case.refusals))),
    )


def _merge_verdicts(verdicts: Mapping[str, bool | None], one: Callable[[str], str]) -> dict[str, bool | None]:
    """The verdicts on all elements of a sequence as one: refused where each of them is."""
    merged: dict[str, bool | None] = {}
    for label, verdict in verdicts.items():
        known = [v for v in (verdict, merged.get(one(label))) if v is not None]
        merged[one(label)] = all(known) if known else None
    return merged


# ---------------------------------------------------------------------- shapes


def _sharpened(search: Search, cases: Sequence[Case], features: tuple[int, ...]) -> tuple[int, ...]:
    """With a feature more, if it lets the shapes or dtypes of outputs be told of more cases.

    Not the rank: what hangs on it is computed from the whole shape (see `static.shapes`).
    """
    coarse = [i for i, (_, closeness) in enumerate(search.candidates) if closeness is not Look.RANK]
    for _ in range(_MOST_FOR_SHAPES):
        scored = [(_described(search, cases, (*features, i)), -i) for i in coarse]
        best, index = max(scored, default=(0, 0))
        if best <= _described(search, cases, features):
            return features
        features = (*features, -index)
    return features


def _described(search: Search, cases: Sequence[Case], features: tuple[int, ...]) -> int:
    """For how many cases the row tells shape and dtype of the first output."""
    total = 0
    for group in search.grouped(features).values():
        first = [cases[i].outputs[0] for i in group if cases[i].outputs]
        if first:
            total += bool(frozenset.intersection(*(out.shapes for out in first))) * len(group)
            total += bool(frozenset.intersection(*(out.dtypes for out in first))) * len(group)
    return total


# ------------------------------------------------------------------- agreement


def _agree(one: Case, other: Case) -> bool:
    """No fact of one contradicts the other, as far as both have the operands it is about."""
    shared = one.operands & other.operands
    if _is_variable(one, other):
        same_outputs = _output_facts(one.outputs[0]) == _output_facts(other.outputs[0])
    else:
        same_outputs = one.container == other.container and all(map(_outputs_agree, one.outputs, other.outputs))
    return (
        same_outputs
        and one.written & shared == other.written & shared
        and one.silent & shared == other.silent & shared
        and one.derivative is other.derivative
        and one.doubtful & shared == other.doubtful & shared
        and one.ignored & shared == other.ignored & shared
        and _saves_agree(one, other, shared)
        and _frees_agree(one, other)
        and _within(one.higher, other) == _within(other.higher, one)
    )


def _outputs_agree(one: SeenOutput, other: SeenOutput) -> bool:
    return _output_facts(one) == _output_facts(other)


def _output_facts(out: SeenOutput) -> tuple[Alias, str, bool, bool]:
    return out.alias, out.of, out.differentiable, out.multi_view


def _is_variable(one: Case, other: Case) -> bool:
    """Both return sequences of views that are all alike, as many as the arguments ask for."""
    return _is_uniform(one) and _is_uniform(other) and one.container[0] == other.container[0]


def _is_uniform(case: Case) -> bool:
    inside = case.container[1:-1]
    return (
        case.container[0] in "(["
        and set(inside) == {"."}
        and bool(case.outputs[0].of)
        and len({_output_facts(out) for out in case.outputs}) == 1
    )


def _saves_agree(one: Case, other: Case, shared: frozenset[str]) -> bool:
    if (one.frees is None and not one.saved) or (other.frees is None and not other.saved):
        if not any(out.differentiable for out in (*one.outputs, *other.outputs)):
            return True
    labels = {label for label in {*one.saved, *other.saved} if label in shared or label.startswith("out")}
    return all(_within(one.saved.get(label), other) == _within(other.saved.get(label), one) for label in labels)


def _frees_agree(one: Case, other: Case) -> bool:
    return _within(one.frees, other) == _within(other.frees, one)


def _within(when: When | None, other: Case) -> When | None:
    """The alternatives that speak only of operands the other case has too."""
    if not when:
        return when
    kept = tuple(alternative for alternative in when if alternative <= other.operands)
    return kept or None


# --------------------------------------------------------------------- joining


def _join(group: Sequence[Case]) -> Effect:
    """The effect of cases that show the same; what they differ in is not certain."""
    variable = all(_is_variable(group[0], other) for other in group)
    widest = max(group, key=lambda case: len(case.operands))
    containers = {case.container for case in group}
    container = f"{widest.container[0]}*{widest.container[-1]}" if variable else widest.container
    if len(containers) > 1 and not variable:
        container = "?"
    derivatives = {case.derivative for case in group}
    frees, frees_when = _joined_condition(group, [case.frees for case in group])
    higher, higher_when = _joined_condition(group, [case.higher for case in group])
    written = frozenset.union(*(case.written for case in group))
    always = {label for label in written if all(label in c.written or label not in c.operands for c in group)}
    return Effect(
        saved=tuple(_joined_saves(group)),
        outputs=_joined_outputs(group, variable=variable) if container != "?" else (),
        container=container,
        written=tuple(sorted(always)),
        perhaps_written=tuple(sorted(written - always)),
        silent=tuple(sorted(frozenset.union(*(case.silent for case in group)))),
        frees=frees,
        frees_when=frees_when,
        derivative=derivatives.pop() if len(derivatives) == 1 else None,
        higher=higher,
        higher_when=higher_when,
        spread=tuple(sorted(_joined_spread(group))),
        ignored=tuple(sorted(frozenset.union(*(case.ignored for case in group)))),
        expandable=_not_refused([case.refusals.expanded for case in group]),
        sharing=_not_refused([case.refusals.partly for case in group]),
        apart=_refused([case.refusals.exactly for case in group]),
        exchanged=tuple(sorted(frozenset.intersection(*(case.exchanged for case in group)))),
    )


def _refused(seen: Sequence[Mapping[str, bool | None]]) -> tuple[str, ...]:
    """The labels that were refused in every case that tells."""
    tried = sorted({label for verdicts in seen for label in verdicts})
    return tuple(label for label in tried if {v[label] for v in seen if v.get(label) is not None} == {True})


def _not_refused(seen: Sequence[Mapping[str, bool | None]]) -> tuple[str, ...]:
    tried = {label for verdicts in seen for label in verdicts}
    return tuple(sorted(tried.difference(_refused(seen))))


def _joined_condition(group: Sequence[Case], whens: Sequence[When | None]) -> tuple[bool | None, When]:
    """Whether something happens, and when, given when it did in each case (None: never)."""
    pairs = [(case, when) for case, when in zip(group, whens, strict=True) if _makes_node(case)]
    if all(when is None for _, when in pairs):
        return False, ()
    if any(when is None for _, when in pairs):
        return None, ()
    if all(_within(a, other) == _within(b, one) for (one, a), (other, b) in itertools.pairwise(pairs)):
        return True, max((when or () for _, when in pairs), key=len)
    return None, ()


def _makes_node(case: Case) -> bool:
    return case.frees is not None or any(out.differentiable for out in case.outputs)


def _joined_saves(group: Sequence[Case]) -> Iterator[Saved]:
    recorded = [case for case in group if any(out.differentiable for out in case.outputs)]
    for label in sorted({label for case in recorded for label in case.saved}):
        about = [case for case in recorded if label in case.operands or label.startswith("out")]
        when = max((case.saved[label] for case in about if label in case.saved), key=len)
        agree = all(case.saved.get(label) == _within(when, case) for case in about)
        certain = agree and not any(label in case.doubtful for case in about)
        yield Saved(label, when if agree else (), certain)


def _joined_spread(group: Sequence[Case]) -> Iterator[str]:
    """Operands whose gradient is expanded in every case where it has more than one element."""
    for label in frozenset.union(*(case.spread for case in group)):
        about = [case for case in group if case.kinds.get(label, "")[1:] != "0" and label in case.operands]
        if all(label in case.spread for case in about):
            yield label


def _joined_outputs(group: Sequence[Case], *, variable: bool) -> tuple[Output, ...]:
    count = 1 if variable else len(group[0].outputs)
    return tuple(_joined_output([case.outputs[i] for case in group], plain=not variable) for i in range(count))


def _joined_output(seen: Sequence[SeenOutput], *, plain: bool) -> Output:
    aliases = {(out.alias, out.of) for out in seen}
    if len(aliases) == 1:
        alias, of = next(iter(aliases))
    else:
        alias, of = Alias.MAYBE, next(of for _, of in sorted(aliases, key=lambda pair: pair[1], reverse=True) if of)
    shapes = frozenset.intersection(*(out.shapes for out in seen)) if plain else frozenset()
    dtypes = frozenset.intersection(*(out.dtypes for out in seen))
    return Output(
        alias=alias,
        of=of,
        differentiable=any(out.differentiable for out in seen),
        multi_view=all(out.multi_view for out in seen),
        shape=_preferred_shape(shapes),
        dtype="same" if "same" in dtypes else min(dtypes, default=""),
    )


def _preferred_shape(fitting: frozenset[str]) -> str:
    """Broadcasting first: that another operand was never larger than the first proves nothing."""
    if "broadcast" in fitting:
        return "broadcast"
    return "scalar" if "scalar" in fitting else min(fitting, default="")

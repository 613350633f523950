"""Measures torch and writes `ops.json`: `python -m autograd_lint.facts.measure` (about a minute; needs the dev extra).

Calls of every public name torch has samples of are run under saved-tensor hooks (see `measure_calls`), and what they
showed is condensed into rows (see `rows`).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from autograd_lint.facts.case import Case
from autograd_lint.facts.codec import encode
from autograd_lint.facts.measure_calls import Arguments, measure
from autograd_lint.facts.measure_distributions import measured_distributions
from autograd_lint.facts.measure_integers import changed_integers
from autograd_lint.facts.measure_modules import ModuleCases, ModuleState, measured_modules, measured_optimizers
from autograd_lint.facts.measure_names import Signature, resolve, signature
from autograd_lint.facts.measure_samples import Sample, public_names
from autograd_lint.facts.rows import build_rows
from autograd_lint.facts.search import Feature, Search
from autograd_lint.facts.unfit import UNFIT

TABLE: Final = Path(__file__).with_name("ops.json")


class _Numbered:
    """Things that many entries share, each once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, row: Any) -> int:
        """The running number of `row`."""
        text = json.dumps(row, sort_keys=True)
        if text not in self._numbers:
            self._numbers[text] = len(self.rows)
            self.rows.append(row)
        return self._numbers[text]


@dataclass(frozen=True, slots=True)
class _Shared:
    """The effects and the parameter lists of all entries, and the dtypes that each name makes of integers."""

    effects: _Numbered
    parameters: _Numbered
    integers: dict[str, set[str]]


def measured_table() -> dict[str, Any]:
    """The whole table, measured with the torch that is installed."""
    torch.set_num_threads(1)
    shared = _Shared(_Numbered(), _Numbered(), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ops = {name: entry for name, samples in public_names() if (entry := _function(name, samples, shared))}
        for name, known, cases in measured_distributions():
            ops[name] = _entry(cases, known, shared)
        modules = {name: _module(name, found, shared) for name, found in measured_modules() if found.cases}
        optimizers = {name: [facts.bumps, facts.bumps_fused] for name, facts in measured_optimizers()}
    table: dict[str, Any] = {"torch": torch.__version__.partition("+")[0], "effects": shared.effects.rows}
    table |= {"parameters": shared.parameters.rows, "integers": changed_integers(shared.integers)}
    return {**table, "ops": _once(ops), "modules": modules, "optimizers": optimizers}


def _once(entries: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The entries, with the name of an earlier one in the place of each that is the same."""
    names: dict[str, str] = {}
    return {name: first if (first := names.setdefault(_dump(e), name)) != name else e for name, e in entries.items()}


def _function(name: str, samples: list[Sample], shared: _Shared) -> dict[str, Any] | None:
    known = signature(name)
    if known is None:
        return None
    cases = [case for sample in samples if (case := _measure(name, known, sample)) is not None]
    shared.integers.setdefault(name.rpartition(".")[2], set()).update(*(case.integers for case in cases))
    return _entry(cases, known, shared) if cases else None


def _measure(name: str, known: Signature, sample: Sample) -> Case | None:
    arguments = _bind(known, sample)
    if arguments is None:
        return None
    positional = [parameter for parameter in known.names if parameter.removeprefix("*") in arguments]
    positional = positional[: len(sample.args)] if positional and not positional[-1].startswith("*") else positional
    try:
        return measure(_caller(name, positional), arguments, sample.kinds)
    except UNFIT:
        return None  # these arguments do not fit this name


def _bind(known: Signature, sample: Sample) -> dict[str, Any] | None:
    """The arguments by the names of the parameters."""
    arguments: dict[str, Any] = {}
    names = known.names
    if names and names[-1].startswith("*"):
        arguments.update(zip(names[:-1], sample.args, strict=False))
        rest = sample.args[len(names) - 1 :]
        parts = [part if isinstance(part, list | tuple) else [part] for part in rest]  # `f(a, b)` or `f([a, b])`
        arguments[names[-1][1:]] = [item for part in parts for item in part]
    elif len(sample.args) > len(names):
        return None
    else:
        arguments.update(zip(names, sample.args, strict=False))
    return {**arguments, **sample.kwargs} if not arguments.keys() & sample.kwargs.keys() else None


def _caller(name: str, positional: list[str]) -> Callable[[Arguments], Any]:
    function = resolve(name)

    def call(arguments: Arguments) -> Any:
        if not callable(function):
            return function.__get__(arguments["self"])
        args: list[Any] = []
        for parameter in positional:
            if parameter.startswith("*"):
                args.extend(arguments[parameter[1:]])
            else:
                args.append(arguments[parameter])
        names = {parameter.removeprefix("*") for parameter in positional}
        return function(*args, **{key: value for key, value in arguments.items() if key not in names})

    return call


def _entry(cases: list[Case], known: Signature, shared: _Shared) -> dict[str, Any]:
    rows = build_rows(cases, known.defaults)
    numbered = [[*shows, shared.effects.number(encode(effect))] for shows, effect in sorted(rows.effects.items())]
    defaults = _shown_defaults(known, rows.features)
    entry: dict[str, Any] = {"p": shared.parameters.number(known.names), "r": numbered}
    if rows.features:
        entry["k"] = rows.features
    return {**entry, "d": defaults} if defaults else entry


def _module(name: str, found: ModuleCases, shared: _Shared) -> dict[str, Any]:
    known = signature(name) or Signature((), {})
    states = found.states
    search = Search([s.kinds for s in states], known.defaults, lambda i, j: _state(states[i]) == _state(states[j]))
    features = search.deciding()
    rows = [
        [
            *shows,
            shared.parameters.number(states[group[0]].parameters),
            shared.parameters.number(states[group[0]].buffers),
        ]
        for shows, group in sorted(search.grouped(features).items())
    ]
    named = search.named(features)
    entry = _entry(found.cases, known, shared)
    entry.setdefault("d", {}).update(_shown_defaults(known, named))
    return {**entry, "i": found.inputs, "m": named, "w": rows}


def _state(state: ModuleState) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return state.parameters, state.buffers


def _shown_defaults(known: Signature, features: Iterable[Feature]) -> dict[str, str]:
    """The defaults that the table needs: those of parameters it looks at."""
    return {name: known.defaults[name] for name, _ in features if known.defaults.get(name, "None") != "None"}


def render(table: Mapping[str, Any]) -> str:
    """The table as it is stored: one line a name, so that a change is readable."""
    lines = []
    for section, content in table.items():
        if isinstance(content, str):
            lines.append(f"{_dump(section)}:{_dump(content)}")
        elif isinstance(content, list):
            lines.append(f"{_dump(section)}:[\n" + ",\n".join(map(_dump, content)) + "]")
        else:
            inner = ",\n".join(f"{_dump(name)}:{_dump(content[name])}" for name in sorted(content))
            lines.append(f"{_dump(section)}:{{\n{inner}}}")
    return "{" + ",\n".join(lines) + "}\n"


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def main() -> None:
    """Measure, write, and say what there is."""
    started = time.monotonic()
    table = measured_table()
    text = render(table)
    TABLE.write_text(text, encoding="utf-8")
    counts = ", ".join(f"{len(table[key])} {key}" for key in ("ops", "modules", "optimizers", "effects"))
    print(f"{TABLE.name}: {counts}, {len(text):,} bytes, {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

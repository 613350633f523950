"""The types of the measured facts: what one call of a public torch name does to autograd."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


class Alias(enum.Enum):
    """How an output relates to an input's memory."""

    FRESH = "fresh"  # new memory
    SELF = "self"  # the very same tensor object
    VIEW = "view"  # a view: shares memory and version counter, and is part of the graph
    SHARED = "shared"  # memory and counter, but no view (detach)
    MEMORY = "memory"  # memory only: writes through it move no counter (.data, numpy)
    MAYBE = "maybe"  # self, view or copy, depending on layout, dtype or arguments


When: TypeAlias = tuple[frozenset[str], ...]
"""Alternatives: something happens when all operands of one of them require grad; empty: always."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One tensor a node saves.

    `label` is an operand ("input"), all of a tensor list ("tensors[]"), one of it ("operands[0]"), or an output
    ("out0"). `when` lists what must require grad; empty: saved whenever a node is made. `certain` is False when it
    also depends on something the arguments' kinds do not tell.
    """

    label: str
    when: When = ()
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Output:
    """One output. `of` is the parameter it aliases. `differentiable` False: never requires grad.

    `multi_view`: an output of a function that returns several views (torch forbids writing to it).
    `shape`: "scalar" (0-dim), "same:PARAM", "broadcast" (of all tensor inputs) or "" when not known.
    `dtype`: "same" (as the promoted inputs), a dtype name such as "int64" or "bool", or "" when not known.
    """

    alias: Alias = Alias.FRESH
    of: str = ""
    differentiable: bool = True
    multi_view: bool = False
    shape: str = ""
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one call does.

    `container` draws how the outputs are packed: "." one tensor, "(..)" a tuple of two, "[..]" a list, "(.(..))"
    nested, "values,indices" a named tuple, "_" something that is no tensor; "(*)" and "[*]" hold a number of outputs
    that hangs on the arguments, all alike.
    `written` are the parameters written (with a counter bump), `perhaps_written` those that may be; `silent` those
    written without a bump. `frees`: a second backward raises (None: depends); True only `frees_when` that is met.
    `derivative` False: backward raises "not implemented".
    `higher`: gradients computed with `create_graph` have a graph of their own (None: depends), `higher_when` is met.
    `spread` are operands whose gradient is one value expanded, so that it may not be written to; `ignored` are operands
    whose requiring grad makes no node.
    Of memory, torch refuses a written operand whose elements share it, and an operand read that lies partly in it:
    `expandable` are the written operands, `sharing` the operands read for which it does not. An operand read that is
    exactly what is written it refuses only of `apart`. The written operands in `exchanged` get other memory.
    """

    saved: tuple[Saved, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    container: str = "."
    written: tuple[str, ...] = ()
    perhaps_written: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    frees: bool | None = True
    frees_when: When = ()
    derivative: bool | None = True
    higher: bool | None = True
    higher_when: When = ()
    spread: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    expandable: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    exchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """An `nn` module class: its parameters and buffers in registration order, and the parameters of its forward."""

    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptimizerFacts:
    """An optimizer class: whether `step` moves the version counters of the parameters it writes."""

    bumps: bool
    bumps_fused: bool | None = None

"""The types of the measured facts: what one call of a public torch name does to autograd."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Alias(enum.Enum):
    """How an output relates to an input's memory."""

    FRESH = "fresh"  # new memory
    SELF = "self"  # the very same tensor object
    VIEW = "view"  # a view: shares memory and version counter, and is part of the graph
    SHARED = "shared"  # memory and counter, but no view (detach)
    MEMORY = "memory"  # memory only: writes through it move no counter (.data, numpy)
    MAYBE = "maybe"  # self, view or copy, depending on layout, dtype or arguments


@dataclass(frozen=True, slots=True)
class Saved:
    """One tensor a node saves.

    `label` is a parameter name ("input", "other"), an element of a tensor list ("tensors[]"), or an output ("out0").
    `when` lists alternatives: the label is saved when all parameters of one alternative require grad; empty: always,
    whenever a node is made. `certain` is False when it also depends on something the key does not tell.
    """

    label: str
    when: tuple[frozenset[str], ...] = ()
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
    """What one call does. `container` is "single", "tuple", "list" or comma-joined field names of a named tuple.

    `written` are the parameters written (with a counter bump); `silent` those written without one.
    `frees`: a second backward raises (None: depends). `derivative` False: backward raises "not implemented".
    """

    saved: tuple[Saved, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    container: str = "single"
    written: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    frees: bool | None = True
    derivative: bool = True


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

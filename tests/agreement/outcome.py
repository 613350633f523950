"""What can come of a program under torch, and how torch's exceptions are sorted into it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final


class Kind(enum.Enum):
    """What autograd did to a program."""

    OK = "ok"
    REFUSED = "refused"
    STALE = "stale"
    SILENT = "silent"
    TWICE = "twice"
    NON_SCALAR = "non-scalar"
    NO_GRAPH = "no-graph"
    NOT_IMPLEMENTED = "not-implemented"
    OTHER = "other"

    @property
    def is_fault(self) -> bool:
        """Whether autograd raised, or computed a wrong gradient; an error of another kind is no fault of autograd."""
        return self not in (Kind.OK, Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Summed:
    """A backward at `line` added into gradients that `stepped` had used.

    Sure to be a fault where the same line had left them, and a step used the sum; not where they were all zero, so that
    they may as well have been cleared.
    """

    line: int
    stepped: int
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. Lines count from 1; None where there is none, or where it is not known.

    `line` is the statement that raised: the innermost frame of the program. For SILENT it is the backward that used
    the changed value. `reason` sorts REFUSED further, `in_backward` tells whether a backward raised it. `saved_*` and `write_*` are set for STALE and SILENT only.
    `unregistered` are the lines of constructors that keep a computed tensor whose Parameter the module does not know,
    `idle` those of steps that found no gradient they had not used.
    """

    kind: Kind
    line: int | None = None
    message: str = ""
    reason: str = ""
    in_backward: bool = False
    saved_line: int | None = None
    write_line: int | None = None
    write_op: str = ""
    versions: tuple[int, int] | None = None
    summed: tuple[Summed, ...] = ()
    unregistered: tuple[int, ...] = ()
    idle: tuple[int, ...] = ()


_REFUSALS: Final = (
    ("a view of a leaf Variable that requires grad", "view-of-leaf"),
    ("a leaf Variable that requires grad", "leaf"),
    ("created inside a custom Function", "custom-view"),
    ("function that returns multiple views", "multi-view"),
    ("A view was created in no_grad mode", "no_grad-view"),
    ("A view was created in inference mode", "no_grad-view"),
    ("Inference tensors cannot be saved", "inference-saved"),
    ("Setting requires_grad=True on inference tensor", "inference-flag"),
    ("Inplace update to inference tensor", "inference-write"),
    ("on inference tensor outside InferenceMode", "inference-write"),
    ("single memory location", "overlap"),
    ("functions with out=... arguments", "out="),
    ("Can't call numpy() on Tensor that requires grad", "numpy"),
    ("Only Tensors of floating point and complex dtype", "integer"),
    ("only Tensors of floating point dtype can require", "integer"),
    ("can't optimize a non-leaf Tensor", "optimizer"),
    ("you can only change requires_grad flags of leaf", "flags"),
    ("support the deepcopy protocol", "deepcopy"),
    ("has been detached in-place", "detach_"),
    ("Can't detach", "detach view"),
    ("Boolean value of Tensor with more than one value", "boolean"),
)

_KINDS: Final = (
    ("modified by an inplace operation", Kind.STALE),
    ("Trying to backward through the graph a second time", Kind.TWICE),
    ("grad can be implicitly created only for scalar outputs", Kind.NON_SCALAR),
    ("does not require grad and does not have a grad_fn", Kind.NO_GRAPH),
    ("One of the differentiated Tensors does not require grad", Kind.NO_GRAPH),
)

_NO_DERIVATIVE: Final = re.compile(r"derivative for '?[\w:. ]+'? is not implemented")
_VERSIONS: Final = re.compile(r"is at version (\d+); expected version (\d+) instead")


def sort_error(error: BaseException, line: int | None) -> Outcome:
    """The outcome of a run that `error` ended at `line`."""
    text = str(error)
    message = f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
    for part, kind in _KINDS:
        if part in text:
            return Outcome(kind, line, message, versions=_versions(text))
    if _NO_DERIVATIVE.search(text):
        return Outcome(Kind.NOT_IMPLEMENTED, line, message)
    for part, reason in _REFUSALS:
        if part in text:
            return Outcome(Kind.REFUSED, line, message, reason)
    return Outcome(Kind.OTHER, line, message)


def _versions(text: str) -> tuple[int, int] | None:
    found = _VERSIONS.search(text)
    return (int(found[2]), int(found[1])) if found else None

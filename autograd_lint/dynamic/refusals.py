"""Why torch raised, read from the text of its exceptions."""

from __future__ import annotations

import re
from typing import Final

from autograd_lint.events import Failure, Refusal

_WRITES: Final = (
    ("a view of a leaf Variable that requires grad", Refusal.VIEW_OF_LEAF),
    ("a leaf Variable that requires grad", Refusal.LEAF),
    ("created inside a custom Function", Refusal.CUSTOM_VIEW),
    ("function that returns multiple views", Refusal.MULTI_VIEW),
    ("A view was created in no_grad mode", Refusal.NO_GRAD_VIEW),
    ("A view was created in inference mode", Refusal.NO_GRAD_VIEW),
    ("Inplace update to inference tensor", Refusal.INFERENCE),
    ("on inference tensor outside InferenceMode", Refusal.INFERENCE),
    ("single memory location", Refusal.OVERLAP),
    ("overlap", Refusal.OVERLAP),
    ("functions with out=... arguments", Refusal.OUT),
)
_CALLS: Final = (
    ("Can't call numpy() on Tensor that requires grad", Refusal.NUMPY),
    ("Only Tensors of floating point and complex dtype can require gradients", Refusal.INTEGER_GRAD),
    ("only Tensors of floating point dtype can require gradients", Refusal.INTEGER_GRAD),
    ("can't optimize a non-leaf Tensor", Refusal.NON_LEAF_OPTIMIZER),
    ("you can only change requires_grad flags of leaf", Refusal.NON_LEAF_FLAG),
    ("support the deepcopy protocol", Refusal.DEEPCOPY),
    ("Inference tensors cannot be saved for backward", Refusal.INFERENCE_SAVED),
)
_FAILURES: Final = (
    ("Trying to backward through the graph a second time", Failure.TWICE),
    ("grad can be implicitly created only for scalar outputs", Failure.NON_SCALAR),
    ("does not require grad and does not have a grad_fn", Failure.NO_GRAPH),
)
_NO_DERIVATIVE: Final = re.compile(r"derivative for '?(?:aten::)?([\w.]+).*'? is not implemented")
_VERSIONS: Final = re.compile(r"is at version (\d+); expected version (\d+) instead")


def refusal_of_write(error: BaseException) -> Refusal | None:
    """Why a write was refused."""
    return next((refusal for part, refusal in _WRITES if part in str(error)), None)


def refusal_of_call(error: BaseException) -> Refusal | None:
    """Why a call that writes nothing was refused."""
    return next((refusal for part, refusal in _CALLS if part in str(error)), None)


def failure_of(error: BaseException) -> Failure | None:
    """Why a backward failed, other than by a saved tensor that changed."""
    text = str(error)
    found = next((failure for part, failure in _FAILURES if part in text), None)
    return found or (Failure.NOT_IMPLEMENTED if _NO_DERIVATIVE.search(text) else None)


def is_stale(error: BaseException) -> bool:
    """Whether a saved tensor had changed."""
    return "modified by an inplace operation" in str(error)


def versions_in(error: BaseException) -> tuple[int | None, int | None]:
    """The version that was saved and the one found, from the text of the error."""
    found = _VERSIONS.search(str(error))
    return (int(found[2]), int(found[1])) if found else (None, None)

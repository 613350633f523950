"""Which names make a body worth executing: without one of them no rule could find anything in it."""

from __future__ import annotations

from typing import Final

# Read or called as an attribute.
ATTRIBUTES: Final = frozenset(
    [
        "backward",
        "grad",
        "data",
        "retain_grad",
        "requires_grad_",
        "zero_grad",
        "step",
        "detach",
        "numpy",
        "Parameter",
        "copy_",
        "checkpoint",
        "apply",
        "register_hook",
        "state_dict",
        "load_state_dict",
        "save_for_backward",
        "mark_dirty",
        "gradcheck",
        "gradgradcheck",
        "set_detect_anomaly",
        "detect_anomaly",
        "tolist",
        "clip_grad_norm",
        "clip_grad_value",
        "__setitem__",
        "__iadd__",
        "__isub__",
        "__imul__",
        "__itruediv__",
        "__ifloordiv__",
        "__imod__",
        "__ipow__",
        "__imatmul__",
    ]
)

# Called, as a plain name or as the last name of an attribute.
CALLED: Final = ATTRIBUTES | frozenset(
    ["eval", "forward", "where", "sqrt", "setattr", "Variable", "as_tensor", "deepcopy", "inference_mode"]
)

# Keywords of any call.
KEYWORDS: Final = frozenset(["inplace", "out", "retain_graph", "create_graph", "requires_grad"])

# Attributes that are assigned to. `require` finds the misspelt forms too.
WRITTEN: Final = frozenset({"grad", "data", "requires_grad"})
WRITTEN_PART: Final = "require"

# Objects whose every new attribute matters: the context of a custom Function.
WRITTEN_BASES: Final = frozenset({"ctx"})

# Out-of-place operations of tensors whose result may be thrown away by mistake, and hardly anything else's.
DISCARDED: Final = frozenset(
    [
        "masked_fill",
        "masked_scatter",
        "index_add",
        "index_copy",
        "index_fill",
        "scatter",
        "scatter_add",
        "float",
        "double",
        "half",
        "bfloat16",
        "long",
        "int",
        "bool",
        "to",
        "cuda",
        "cpu",
        "clone",
        "contiguous",
        "clamp",
        "clip",
        "relu",
        "sigmoid",
        "tanh",
        "abs",
        "neg",
        "mul",
        "sub",
        "div",
        "view",
        "reshape",
        "permute",
        "transpose",
        "squeeze",
        "unsqueeze",
        "flatten",
        "requires_grad",
        "type",
        "type_as",
    ]
)

# Methods a custom Function defines.
DEFINED: Final = frozenset({"backward", "setup_context", "vjp", "jvp"})


def is_called_trigger(name: str) -> bool:
    """Whether a call of `name` counts: `add_`, a registration of a hook, or one of `CALLED`."""
    if name in CALLED:
        return True
    if name.endswith("_"):
        return not name.endswith("__") and name != "_"
    return name.startswith("register_") and name.endswith("_hook")


def is_attribute_trigger(name: str) -> bool:
    """Whether an attribute called `name` counts wherever it stands."""
    return name in ATTRIBUTES or (name.startswith("register_") and name.endswith("_hook"))


def is_written_trigger(name: str) -> bool:
    """Whether assigning to an attribute called `name` counts."""
    return name in WRITTEN or WRITTEN_PART in name

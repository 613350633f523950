"""Calls that the table of facts knows under another name, or that do another operation for some arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from autograd_lint.static.model.values import Const, Seq, Unknown, Value
from autograd_lint.static.shapes.shape_arguments import integers

_AVERAGES: Final = {f"torch.nn.functional.adaptive_avg_pool{rank}d": rank for rank in (2, 3)}
_UNIQUE: Final = frozenset({"torch.unique", "torch.unique_consecutive"})


def settled(name: str, params: Mapping[str, Value]) -> tuple[str, Mapping[str, Value]]:
    """The operation that `name(params)` really does, and its arguments as the table calls them."""
    if name == "torch.polygamma" and "n" in params:  # measured as a method, the tensor first
        return "Tensor.polygamma", {**params, "n": params["self"], "self": params["n"]}
    if name in _UNIQUE and "dim" not in params:  # their signature is `*args`, which tells no defaults
        return name, {"return_inverse": Const(False), "return_counts": Const(False), **params}
    if type(params.get("inplace")) is Unknown:
        params = {**params, "inplace": _usual(params["inplace"])}
    rank = _AVERAGES.get(name)
    if rank is not None and "output_size" in params and _all_ones(params["output_size"]):
        dims = Seq("tuple", [Const(-place) for place in range(rank, 0, -1)])
        given = params.get("input", params.get("self"))
        return ("torch.mean", {"self": given, "dim": dims, "keepdim": Const(True)}) if given else (name, params)
    return name, params


def _usual(flag: Value) -> Value:
    """What a flag that is not known mostly is: its default, and `inplace` is off where it has none."""
    default = flag.default if isinstance(flag, Unknown) else None
    return default if isinstance(default, Const) else Const(False)


def _all_ones(value: Value) -> bool:
    """An output of one element."""
    sizes = (value.value,) if isinstance(value, Const) else integers(value)
    return sizes is not None and len(sizes) > 0 and all(size == 1 for size in sizes)

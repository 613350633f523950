"""Dtypes: what a value names, and what an operation makes of the dtypes of its operands."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from autograd_lint.facts import table
from autograd_lint.static.model.values import Const, TorchName, Unknown, Value

INTEGERS: Final = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})
FLOATS: Final = frozenset({"float32", "float64", "float16", "bfloat16", "complex64", "complex128"})
"""Dtypes that may require grad."""
CONVERTERS: Final = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "int": "int32",
    "long": "int64",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
}
"""Methods of tensors that convert, which are also names of dtypes."""
_OF_COMPLEX: Final = frozenset(
    {"abs", "absolute", "angle", "imag", "real", "view_as_real", "irfft", "irfft2", "irfftn", "hfft"}
)
"""What gives real numbers of complex ones."""
_OPERANDS: Final = ("self", "other", "exponent", "min", "max")
"""Parameters that take a number in the place of a tensor."""
_SYNONYMS: Final = CONVERTERS | {"cfloat": "complex64", "cdouble": "complex128"}


def dtype_name(value: Value | None) -> str | None:
    """The dtype a value such as `torch.float64` names."""
    if isinstance(value, TorchName) and value.name.startswith("torch."):
        short = value.name[6:]
        return _SYNONYMS.get(short, short if short in INTEGERS | FLOATS else None)
    return None


def asked_dtype(given: Mapping[str, Value], usual: str | None, *, more: bool) -> str | None:
    """The dtype a call asks for by keyword, among `more` that are not known: `usual` for none, None if not known."""
    asked = given.get("dtype")
    if asked is None or (isinstance(asked, Const) and asked.value is None):
        return None if more and asked is None else usual
    return dtype_name(asked)


def result_dtype(
    name: str, measured: str, params: Mapping[str, Value], dtypes: Set[str | None], default: str | None
) -> str | None:
    """The dtype of an output of `name`, where the table has `measured` (see `facts.model.Output`).

    `dtypes` are those of the operands; `default` is what integers become where they turn into floating-point numbers.
    """
    wanted = params.get("dtype")
    if wanted is not None and not (isinstance(wanted, Const) and wanted.value is None):
        return dtype_name(wanted)
    if measured not in ("same", ""):
        return measured
    if measured == "same" and len(dtypes) == 1:
        only = next(iter(dtypes))
        return _of_integers(name, only, params, default) if only in INTEGERS else _of_floats(name, only)
    floats = dtypes - INTEGERS
    return _of_floats(name, next(iter(floats))) if len(floats) == 1 and None not in dtypes else None


def _of_floats(name: str, dtype: str | None) -> str | None:
    if dtype is None or not dtype.startswith("complex") or name.rpartition(".")[2].strip("_") not in _OF_COMPLEX:
        return dtype
    return "float64" if dtype == "complex128" else "float32"


def _of_integers(name: str, dtype: str | None, params: Mapping[str, Value], default: str | None) -> str | None:
    """Integers stay integers beside whole numbers, Booleans not even there; modules were not measured with them."""
    if dtype is None or table.is_module(name) or not all(map(_is_whole, params.values())):
        return None
    if dtype == "bool" and any(_is_number(params.get(operand)) for operand in _OPERANDS):
        return None
    found = table.integer_dtype(name, dtype)
    return default if found in FLOATS else found


def _is_whole(value: Value) -> bool:
    """Whether an argument is surely no fraction."""
    if isinstance(value, Unknown):
        return value.kind == "tensor"
    return not isinstance(value, Const) or not isinstance(value.value, float | complex)


def _is_number(value: Value | None) -> bool:
    return isinstance(value, Const) and isinstance(value.value, int) and not isinstance(value.value, bool)

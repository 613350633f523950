"""The calls that are measured: torch's own operator samples, varied, and probes of what they leave out.

Torch's samples have no Python number where a tensor may stand, no index assignment, no `copy_`, no `inplace=True`:
that is what user code writes, so it is added here.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.testing._internal.common_methods_invocations import op_db

from autograd_lint.facts.measure_names import Signature, resolve, signature

_MOST_SAMPLES: Final = 40
_FEWEST_SAMPLES: Final = 8
"""Of each variant of an operator."""
_VARIED: Final = 3
_NUMBERS: Final = (2.5, 0, 1)
_EXOTIC: Final = re.compile(r"^special\..*(bessel|polynomial|airy)")


@dataclass(frozen=True, slots=True)
class Sample:
    """Arguments for one call; `kinds` says what the kind of an argument is where its value does not tell."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    kinds: Mapping[str, str] | None = None


def public_names() -> Iterator[tuple[str, list[Sample]]]:
    """Every public name that can be measured, with its samples."""
    samples: dict[str, list[list[Sample]]] = {}
    for op in op_db:
        if _is_measured(op):
            ours = _op_samples(op)
            for name in _names_of(op):
                samples.setdefault(name, []).append(ours)
    for name, ours in _probes():
        samples.setdefault(name, []).append(ours)
    for name, variants in samples.items():
        if inspect.isroutine(resolve(name)) or name in _ATTRIBUTES:
            yield name, list(_varied(name, _of_each(variants)))


def _of_each(variants: Sequence[Sequence[Sample]]) -> list[Sample]:
    """The first samples of every variant, as `reflect` is one of `pad`: none is cut off for the sake of another."""
    share = max(_MOST_SAMPLES // len(variants), _FEWEST_SAMPLES)
    left = _MOST_SAMPLES - sum(len(variant[:share]) for variant in variants)
    chosen = [list(variant[:share]) for variant in variants]
    for variant, mine in zip(variants, chosen, strict=True):
        more = variant[share : share + max(left, 0)]
        mine.extend(more)
        left -= len(more)
    return [sample for mine in chosen for sample in mine]


def _is_measured(op: Any) -> bool:
    """Not internal, not a prototype, no special function without a derivative; indexing is left to the probes."""
    internal = op.name.startswith("_") and not op.name.startswith("__r")
    return (
        not internal and not op.name.startswith(("masked.", "torch.ops.")) and op.supports_dtype(torch.float32, "cpu")
    )


def _op_samples(op: Any) -> list[Sample]:
    torch.manual_seed(0)
    drawn = itertools.islice(op.sample_inputs("cpu", torch.float32, requires_grad=False), _MOST_SAMPLES)
    return [Sample((sample.input, *sample.args), dict(sample.kwargs)) for sample in drawn]


def _names_of(op: Any) -> Iterator[str]:
    """The public names an entry of the operator database stands for."""
    yield from _spellings(op.name, method=op.method_variant is not None)
    for alias in op.aliases:
        yield from _spellings(alias.name, method=alias.method_variant is not None)


def _spellings(name: str, *, method: bool) -> Iterator[str]:
    last = name.rpartition(".")[2]
    if last.startswith("__"):
        yield f"Tensor.{last}"
        return
    places = [f"torch.{name}", *([f"Tensor.{last}"] if method else [])]
    if name.startswith("nn.functional."):  # many are functions and methods too: `torch.relu`, `x.relu_()`
        places += [f"torch.{last}", f"Tensor.{last}"]
    for place in dict.fromkeys(places):
        yield place
        yield f"{place}_"


# --------------------------------------------------------------------- variations


def _varied(name: str, samples: list[Sample]) -> Iterator[Sample]:
    yield from samples
    known = signature(name)
    for sample in samples[:_VARIED]:
        if sample.kinds is None:  # else the kind of what would be replaced was told
            yield from _with_numbers(sample)
        yield from _transposed(sample)
        yield from _in_place(sample, known)


def _with_numbers(sample: Sample) -> Iterator[Sample]:
    """Python numbers in the place of tensors and of other numbers."""
    for position, value in enumerate(sample.args):
        if position and _may_be_number(value):
            for number in _NUMBERS:
                yield Sample((*sample.args[:position], number, *sample.args[position + 1 :]), sample.kwargs)
    for key, value in sample.kwargs.items():
        if _may_be_number(value):
            yield from (Sample(sample.args, {**sample.kwargs, key: number}) for number in _NUMBERS)


def _may_be_number(value: Any) -> bool:
    return isinstance(value, torch.Tensor | float | int) and not isinstance(value, bool)


def _transposed(sample: Sample) -> Iterator[Sample]:
    """The first argument in another memory order."""
    first = sample.args[0] if sample.args else None
    if isinstance(first, torch.Tensor) and first.dim() >= 2 and first.layout is torch.strided:
        turned = first.transpose(0, -1).contiguous().transpose(0, -1)
        yield Sample((turned, *sample.args[1:]), sample.kwargs, sample.kinds)


def _in_place(sample: Sample, known: Signature | None) -> Iterator[Sample]:
    if known is not None and "inplace" in known.names:
        yield Sample(sample.args, {**sample.kwargs, "inplace": True})


# ------------------------------------------------------------------------- probes


def _f(*shape: int) -> torch.Tensor:
    return torch.rand(shape) + 0.5


def _i(*values: int) -> torch.Tensor:
    return torch.tensor(values)


_ATTRIBUTES: Final = frozenset(f"Tensor.{name}" for name in ("T", "mT", "H", "mH", "real", "imag", "data"))
_ARITHMETIC: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
_BITS: Final = ("and", "or", "xor", "lshift", "rshift")
_COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge")
_BITWISE: Final = ("and", "or", "xor", "left_shift", "right_shift")
_UNARY: Final = ("neg", "pos", "abs")


def _probes() -> Iterator[tuple[str, list[Sample]]]:
    yield from _operator_probes()
    yield "Tensor.__getitem__", list(_reads())
    yield "Tensor.__setitem__", list(_writes())
    for name, build in _METHODS.items():
        yield f"Tensor.{name}", [Sample(tuple(args), {}) for args in build()]
    for name, build in _FUNCTIONS.items():
        yield f"torch.{name}", [Sample(tuple(args), {}) for args in build()]
    for name in vars(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            yield f"torch.nn.init.{name}", [Sample(args, {}) for args in ((_f(3, 4),), (_f(3, 4), 0.5), (_f(3, 4, 1),))]
    for name in _ATTRIBUTES:
        yield name, [Sample((_f(3, 4),), {})]


def _operator_probes() -> Iterator[tuple[str, list[Sample]]]:
    right = [_f(3, 4), _f(4), _f(), _f(2, 3, 4), torch.ones(3, 4, dtype=torch.long), 2.5, 0, 1]
    for name in _ARITHMETIC:
        yield f"Tensor.__{name}__", [Sample((_f(3, 4), other), {}) for other in right]
        yield f"Tensor.__i{name}__", [Sample((_f(3, 4), other), {}) for other in right]
        yield f"Tensor.__r{name}__", [Sample((_f(3, 4), other), {}) for other in right]
    for name in _COMPARISONS:
        yield f"Tensor.__{name}__", [Sample((_f(3, 4), other), {}) for other in right]
    bits = torch.ones(3, 4, dtype=torch.long)
    for name in _BITS:
        for form in (f"__{name}__", f"__i{name}__", f"__r{name}__"):
            yield f"Tensor.{form}", [Sample((bits, bits.clone()), {}), Sample((bits, 1), {})]
    for name in _UNARY:
        yield f"Tensor.__{name}__", [Sample((_f(3, 4),), {})]
    yield "Tensor.__invert__", [Sample((torch.ones(3, dtype=torch.bool),), {})]
    ranks = {1: _f(3), 2: _f(3, 3), 3: _f(2, 3, 3), 4: _f(2, 2, 3, 3)}
    pairs = [(a, b) for a in ranks.values() for b in ranks.values()]
    for name in ("Tensor.__matmul__", "torch.matmul", "Tensor.matmul"):
        yield name, [Sample(pair, {}) for pair in pairs]


_BASIC: Final = (0, slice(1, None), slice(None, 2), (0, 0), (slice(None), 1), None, (Ellipsis, 0), slice(None, None, 2))
_FULL: Final = (slice(None), Ellipsis)


def _advanced() -> tuple[Any, ...]:
    mask = torch.tensor([True, False, True])
    return ([0, 1], _i(0, 2), mask, (slice(None), [0, 1]), (_i(0, 1), _i(1, 1)), (0, _i(1, 2)), [True, False, True])


def _indices() -> Iterator[tuple[str, Any]]:
    yield from (("basic", index) for index in _BASIC)
    yield from (("full", index) for index in _FULL)
    yield from (("advanced", index) for index in _advanced())


def _reads() -> Iterator[Sample]:
    for kind, index in _indices():
        yield Sample((_f(3, 4), index), {}, {"index": kind})


def _writes() -> Iterator[Sample]:
    indexed = list(_indices())
    pieces: list[Any] = [torch.rand_like(_f(3, 4)[index]) for _, index in indexed]
    for values in (pieces, [_f()] * len(indexed), [2.5] * len(indexed)):  # every index before there are too many
        for (kind, index), value in zip(indexed, values, strict=True):
            yield Sample((_f(3, 4), index, value), {}, {"index": kind})


def _bits() -> list[list[Any]]:
    return [[_i(1, 2), _i(1, 1)], [_i(1, 2), 1]]


def _of_the_same_shape(*more: Any) -> list[list[Any]]:
    """For `scatter_` and its kin, whose samples never read as much as they write."""
    return [[_f(3, 3), 0, torch.zeros(3, 3, dtype=torch.long), _f(3, 3), *more]]


_Build = Callable[[], list[list[Any]]]

_METHODS: Final[dict[str, _Build]] = {
    "copy_": lambda: [[_f(3, 4), _f(3, 4)], [_f(3, 4), _f(4)]],
    "fill_": lambda: [[_f(3, 4), 2.5], [_f(3, 4), 0], [_f(3, 4), 1], [_f(3, 4), _f()]],
    "zero_": lambda: [[_f(3, 4)]],
    **dict.fromkeys(
        ("normal_", "uniform_", "random_", "exponential_", "cauchy_", "log_normal_", "bernoulli_"), lambda: [[_f(3, 4)]]
    ),
    "geometric_": lambda: [[_f(3, 4), 0.5]],
    "detach": lambda: [[_f(3, 4)]],
    "clone": lambda: [[_f(3, 4)]],
    "view": lambda: [[_f(3, 4), (4, 3)], [_f(3, 4), (12,)], [_f(3, 4), (-1,)]],
    "expand": lambda: [[_f(3, 1), (3, 4)], [_f(3, 4), (2, 3, 4)], [_f(4), (3, -1)]],
    "permute": lambda: [[_f(3, 4), (1, 0)]],
    "repeat": lambda: [[_f(3, 4), (2, 1)]],
    "t": lambda: [[_f(3, 4)]],
    "t_": lambda: [[_f(3, 4)]],
    "transpose_": lambda: [[_f(3, 4), 0, 1]],
    "swapaxes_": lambda: [[_f(3, 4), 0, 1]],
    "swapdims_": lambda: [[_f(3, 4), 0, 1]],
    "squeeze_": lambda: [[_f(3, 1)], [_f(3, 1), 1]],
    "unsqueeze_": lambda: [[_f(3, 4), 0]],
    "resize_": lambda: [[torch.ones(3, 4, dtype=torch.long), (3, 4)]],
    "set_": lambda: [[_f(3), _f(3)], [_f(3)]],
    "argmax": lambda: [[_f(3, 4)], [_f(3, 4), 0]],
    "relu_": lambda: [[_f(3, 4)]],
    **dict.fromkeys(("scatter_", "scatter_add_"), _of_the_same_shape),
    "scatter_reduce_": lambda: _of_the_same_shape("sum"),
    "index_reduce_": lambda: [[_f(3, 3), 0, _i(0, 1, 2), _f(3, 3), "amax"]],
    "put_": lambda: [[_f(3), _i(0, 1, 2), _f(3)]],
    "index_put_": lambda: [
        [_f(3, 4), (_i(0, 1, 2),), _f(3, 4)],
        [_f(3, 4), (_i(0, 1),), _f(2, 4)],
        [_f(3, 4), (_i(0, 1),), _f()],
    ],
    "masked_fill_": lambda: [[_f(3, 4), _f(3, 4) > 1, 0.0], [_f(3, 4), _f(3, 4) > 1, _f()]],
    "logical_not_": lambda: [[torch.ones(3, dtype=torch.bool)]],
    "sum": lambda: [[_f(3, 4)], [_f(3, 4), 0], [_f(3, 4), (0, 1)]],
    "share_memory_": lambda: [[_f(3)]],
    "requires_grad_": lambda: [[torch.ones(3)]],
    "fill_diagonal_": lambda: [[_f(3, 3), 0.5], [_f(3, 3), 0], [_f(3, 3), 1]],
    "unfold": lambda: [[_f(6), 0, 2, 2]],
    "float_power_": lambda: [[_f(3).double(), 2.0]],
    "slogdet": lambda: [[_f(3, 3)]],
    **dict.fromkeys([f"bitwise_{name}{end}" for name in _BITWISE for end in ("", "_")], lambda: _bits()),
    **dict.fromkeys(("bitwise_not", "bitwise_not_"), lambda: [[_i(1, 2)]]),
}

_FUNCTIONS: Final[dict[str, _Build]] = {
    "_foreach_add_": lambda: [[[_f(3), _f(3)], 1.0], [[_f(3)], 1.0]],
    "_foreach_mul_": lambda: [[[_f(3), _f(3)], 2.0], [[_f(3)], 2.0]],
    "_foreach_zero_": lambda: [[[_f(3), _f(3)]], [[_f(3)]]],
    "_foreach_neg_": lambda: [[[_f(3), _f(3)]], [[_f(3)]]],
    "clone": lambda: [[_f(3, 4)]],
    "detach": lambda: [[_f(3, 4)]],
    "relu_": lambda: [[_f(3, 4)]],
    "nn.functional.gumbel_softmax": lambda: [[_f(3, 4)], [_f(3, 4), 1.0, True], [_f(3, 4), 1.0, False]],
    "nn.functional.one_hot": lambda: [[_i(0, 2)], [_i(0, 2), 4]],
    "nn.functional.affine_grid": lambda: [[_f(1, 2, 3), (1, 1, 4, 4)]],
    "nn.functional.fold": lambda: [[_f(1, 12, 12), (4, 5), (2, 2)]],
    "nn.functional.lp_pool1d": lambda: [[_f(1, 2, 4), 2, 2]],
    "nn.functional.lp_pool2d": lambda: [[_f(1, 2, 4, 4), 2, 2]],
    "nn.functional.upsample": lambda: [[_f(1, 2, 4, 4), 8]],
    "slogdet": lambda: [[_f(3, 3)]],
    "view_as_real": lambda: [[torch.rand(3, dtype=torch.complex64)]],
    **dict.fromkeys([f"bitwise_{name}" for name in _BITWISE], lambda: _bits()),
    "bitwise_not": lambda: [[_i(1, 2)]],
    "nn.functional.embedding": lambda: [[_i(0, 2), _f(3, 4)]],
    "nn.functional.unfold": lambda: [[_f(1, 2, 4, 4), 2]],
    "einsum": lambda: [
        ["ij,jk->ik", _f(3, 3), _f(3, 3)],
        ["i,i->", _f(3), _f(3)],
        ["bij,bjk->bik", _f(2, 3, 3), _f(2, 3, 3)],
        ["ij->ji", _f(3, 3)],
        ["ij,jk,kl->il", _f(3, 3), _f(3, 3), _f(3, 3)],
    ],
    "meshgrid": lambda: [[_f(3), _f(3)], [_f(3), _f(2), _f(4)]],
    "broadcast_tensors": lambda: [[_f(3, 1), _f(4)], [_f(3), _f(3), _f(3)]],
    "block_diag": lambda: [[_f(3, 3), _f(2, 2)]],
    "cartesian_prod": lambda: [[_f(3), _f(2)]],
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d"), lambda: [[_f()], [_f(3)], [_f(2, 2)]]),
    "where": lambda: [
        [_f(3, 4) > 1, _f(3, 4), _f(3, 4)],
        [_f(3, 4) > 1, _f(3, 4), 0.0],
        [_f(3, 4) > 1, 0.0, _f(3, 4)],
    ],
}

"""What torch's errors tell of the tensors that a program was given: each lesson makes a better one of a tensor."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

SIZE: Final = 8
"""Every size that nothing is known of: the same, so that most fit."""
COLUMNS: Final = re.compile(r"shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)")
"""A product of matrices that do not fit."""
_SIDES: Final = (8, 16, 28, 32, 64, 96, 128, 224)
"""Usual sizes of images."""
COMPARED: Final = re.compile(r"arget size \(torch.Size\(\[([\d, ]*)\]\)\).* input size \(torch.Size\(\[([\d, ]*)\]\)\)")
"""A target and a result that do not fit."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor to be made. `leaf`: it is one, and its gradient is asked for; `plain`: it requires none.

    `target`: it is compared with a result. `settled`: its shape is known from what was asked of it alone.
    """

    shape: tuple[int, ...] = (SIZE, SIZE)
    whole: bool = False
    leaf: bool = False
    target: bool = False
    plain: bool = False
    settled: bool = False


def is_autograds(message: str) -> bool:
    """Whether `message` is what a finding may be about."""
    return any(word in message for word in _AUTOGRAD)


Lesson = Callable[[Spec, "re.Match[str]"], Spec | None]


def _columns(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A matrix product wants another last size; of images, a size that comes to it when flattened."""
    has, wants = int(found[2]), int(found[3])
    if spec.shape and spec.shape[-1] == has and len(spec.shape) < 4:
        return replace(spec, shape=(*spec.shape[:-1], wants))
    if len(spec.shape) == 4:
        flat = spec.shape[1] * spec.shape[2] * spec.shape[3]
        side = round((wants / spec.shape[1]) ** 0.5)
        if flat == has and side * side * spec.shape[1] == wants:
            return replace(spec, shape=(*spec.shape[:2], side, side))
        return _sized(spec, (wants / has) ** 0.5)
    return None


def _channels(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A convolution wants another number of channels."""
    shape = tuple(int(size) for size in found[1].split(","))
    return replace(spec, shape=(shape[0], int(found[2]), *shape[2:])) if spec.shape == shape else None


def _features(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A batch norm wants another number of channels."""
    has, wants = int(found[2]), int(found[1])
    shape = spec.shape
    return replace(spec, shape=(shape[0], has, *shape[2:])) if len(shape) > 1 and shape[1] == wants else None


def _dimensions(spec: Spec, found: re.Match[str]) -> Spec | None:
    """Another number of dimensions."""
    return _of_dimensions(spec, max(int(number) for number in found.groups() if number))


def _of_dimensions(spec: Spec, wants: int) -> Spec | None:
    usual = {3: (SIZE, SIZE, 16), 4: (2, 3, 32, 32), 5: (2, 3, 8, 16, 16)}.get(wants, (SIZE,) * wants)
    return replace(spec, shape=usual) if not spec.target and len(spec.shape) != wants else None


def _padded(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A padding of two sizes for each of the last dimensions."""
    return _of_dimensions(spec, int(found[1]) // 2 + 2)


def _one_more(spec: Spec, found: re.Match[str]) -> Spec | None:
    return replace(spec, shape=(SIZE, *spec.shape)) if len(spec.shape) < 5 and not spec.target else None


def _elements(spec: Spec, found: re.Match[str]) -> Spec | None:
    """As many elements as a view wants; of images, the size that comes nearest to it."""
    count = 1
    for size in found[1].split(","):
        count *= max(1, int(size)) if size.strip("- ").isdigit() else 1
    if len(spec.shape) == 4:
        whole = count * spec.shape[0] if "-1" in found[1] else count
        return _sized(spec, (whole / int(found[2])) ** 0.5)
    return replace(spec, shape=(2, count)) if not spec.target or spec.shape == (SIZE, SIZE) else None


def _sized(spec: Spec, scale: float) -> Spec | None:
    """An image of another usual size, the one nearest to so many times the size."""
    side = spec.shape[2]
    larger = [size for size in _SIDES if (size > side) == (scale > 1) and size != side]
    best = min(larger, key=lambda size: abs(size / side - scale), default=None)
    return None if best is None else replace(spec, shape=(*spec.shape[:2], best, best))


def _larger(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A larger image."""
    return _sized(spec, 2.0) if len(spec.shape) == 4 else None


def _groups(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A number of channels that the groups divide: the size that layers are built with."""
    shape = tuple(int(size) for size in found[1].split(","))
    groups = int(found[2])
    fitting = SIZE if SIZE % groups == 0 else groups
    return replace(spec, shape=(shape[0], fitting, *shape[2:])) if spec.shape == shape and len(shape) > 1 else None


def _rows(spec: Spec, found: re.Match[str]) -> Spec | None:
    """As many rows as are unpacked."""
    wants = int(found[1])
    return replace(spec, shape=(wants, *spec.shape[1:])) if spec.shape and spec.shape[0] > wants else None


def _one(spec: Spec, found: re.Match[str]) -> Spec | None:
    """A single number."""
    return replace(spec, shape=()) if spec.shape and not spec.target else None


def _last(spec: Spec, found: re.Match[str]) -> Spec | None:
    return replace(spec, shape=(*spec.shape[:-1], int(found[1]))) if spec.shape and not spec.target else None


def _size(spec: Spec, found: re.Match[str]) -> Spec | None:
    """One size where another tensor has a different one."""
    has, wants = int(found[1]), int(found[2])
    for old, new in ((has, wants), (wants, has)):
        if old in spec.shape and new != 1:
            return replace(spec, shape=tuple(new if size == old else size for size in spec.shape))
    return None


def _whole(spec: Spec, found: re.Match[str]) -> Spec | None:
    return replace(spec, whole=True) if not spec.whole else None


def _classes(spec: Spec, found: re.Match[str]) -> Spec | None:
    """Numbers of classes, one for each of the batch."""
    return replace(spec, whole=True, shape=spec.shape[:1]) if spec.target else None


def _real(spec: Spec, found: re.Match[str]) -> Spec | None:
    return replace(spec, whole=False) if spec.whole else None


def sizes_in(text: str) -> tuple[int, ...]:
    """A shape as messages show it."""
    return tuple(int(size) for size in text.split(",") if size.strip())


def _as_result(spec: Spec, found: re.Match[str]) -> Spec | None:
    """The shape of what it is compared with."""
    if not spec.target or str(list(spec.shape)) != f"[{found[1]}]":
        return None
    return replace(spec, shape=sizes_in(found[2]))


def _as_row(spec: Spec, found: re.Match[str]) -> Spec | None:
    """The shape of the part of an array that it is put into."""
    has, wants = map(sizes_in, found.groups())
    return replace(spec, shape=wants) if spec.shape == has else None


def _as_many(spec: Spec, found: re.Match[str]) -> Spec | None:
    """As many targets as there are results."""
    if spec.target and spec.shape and spec.shape[0] == int(found[2]):
        return replace(spec, shape=(int(found[1]), *spec.shape[1:]))
    return None


_AUTOGRAD: Final = (
    *("modified by an inplace operation", "a second time", "does not require grad", "implicitly created only"),
    *("leaf Variable", "a non-leaf", "is a view and is being", "Can't call numpy()", "number of gradients", "deepcopy"),
    *("can require gradients", "out=... arguments", "nference tensor", "derivative for", "requires_grad flags"),
)
AS_ROW: Final = _as_row
"""The lesson of what is put into an array."""
TYPES: Final = (_whole, _real, _classes)
LESSONS: Final[tuple[tuple[str, Lesson], ...]] = (
    (COLUMNS.pattern, _columns),
    (r"expected input\[([\d, ]+)\] to have (\d+) channels", _channels),
    (r"running_mean should contain (\d+) elements not (\d+)", _features),
    (r"[Ee]xpected (\d)D \(unbatched\) or (\d)D \(batched\) input", _dimensions),
    (r"[Ee]xpected (\d)D(?: or (\d)D)? (?:input|\(batch mode\))", _dimensions),
    (r"Padding size (\d) is not supported for \dD input", _padded),
    (r"not enough values to unpack \(expected (\d)", _dimensions),
    (r"too many values to unpack \(expected (\d)", _dimensions),
    (r"too many values to unpack \(expected (\d)", _rows),
    (r"input of shape \[([\d, ]+)\] and num_groups=(\d+)", _groups),
    (r"could not broadcast input array from shape \(([\d,]+)\) into shape \(([\d,]*)\)", _as_row),
    (r"Boolean value of Tensor with more than one value", _one),
    (r"shape '\[([-\d, ]+)\]' is invalid for input of size ([1-9]\d*)", _elements),
    (r"more than 1 spatial element when training", _larger),
    (r"normalized_shape=\[(\d+)\]", _last),
    (r"must be equal to input_size. Expected (\d+)", _last),
    (r"was expecting embedding dimension of (\d+)", _last),
    (r"tensors used as indices must be long|index_\w+\(\): Expected dtype int|Expected dtype int64", _whole),
    (r"scalar types: Long, Int|must be long, byte|expected scalar type Long|Long but (?:found|got)", _whole),
    (r"must have the same dtype, but got (?:Long|Int)|class probabilities, got Long", _real),
    (r"result type Float can't be cast|found dtype Long", _real),
    (r"0D or 1D target|multi-target not supported|class probabilities|Expected target size", _classes),
    (COMPARED.pattern, _as_result),
    (r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)", _as_many),
    (r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", _size),
    (r"Dimension out of range|dimension specified as|too many indices|has only \d dim", _one_more),
)

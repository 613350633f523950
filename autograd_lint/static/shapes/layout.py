"""Shapes and strides: whether a reshape is a view, whether two views overlap, what broadcasting gives.

All sizes and strides are in elements. A layout is either wholly known or absent (None).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MOST_ELEMENTS: Final = 4096
"""Overlap of larger views is not worked out element by element."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a tensor's elements lie in its storage."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def numel(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Row-major without gaps, as `Tensor.is_contiguous` (sizes of 1 do not matter)."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1:
                if stride != expected:
                    return False
                expected *= size
        return True

    @property
    def dense(self) -> bool:
        """Some order of the dimensions makes it contiguous (torch's "non-overlapping and dense")."""
        expected = 1
        for stride, size in sorted((st, sz) for sz, st in zip(self.shape, self.strides, strict=True) if sz != 1):
            if stride != expected:
                return False
            expected *= size
        return True

    @property
    def overlapping(self) -> bool:
        """Several elements share a memory location (an expanded tensor)."""
        return any(st == 0 and sz > 1 for sz, st in zip(self.shape, self.strides, strict=True))

    def elements(self) -> frozenset[int] | None:
        """The storage positions of all elements, or None when there are too many."""
        if self.numel > _MOST_ELEMENTS:
            return None
        ranges = [range(0, sz * st, st) if st else (0,) for sz, st in zip(self.shape, self.strides, strict=True)]
        if any(sz == 0 for sz in self.shape):
            return frozenset()
        return frozenset(self.offset + sum(point) for point in itertools.product(*ranges))


def fresh(shape: Sequence[int]) -> Layout:
    """A contiguous layout of its own."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return Layout(tuple(shape), tuple(reversed(strides)))


def spread(layout: Layout | None) -> Layout | None:
    """One value expanded to the shape of `layout`."""
    return None if layout is None else Layout(layout.shape, (0,) * len(layout.shape))


SCALAR: Final = fresh(())


def like(inputs: Sequence[Layout | None], shape: tuple[int, ...] | None) -> Layout | None:
    """The layout of an elementwise result of `shape`: strides are kept where torch's TensorIterator keeps them."""
    if shape is None:
        return None
    full = [x for x in inputs if x is not None and x.shape == shape]
    if all(x.contiguous for x in full):
        return fresh(shape)
    if all(x.dense and x.strides == full[0].strides for x in full) and len(full) == len(inputs):
        return Layout(shape, full[0].strides)
    strides = [0] * len(shape)
    step = 1
    for dim in _iteration_order([grown.strides for x in inputs if x and (grown := expand(x, shape))], shape):
        strides[dim] = step
        step *= max(shape[dim], 1)
    return Layout(shape, tuple(strides))


def _iteration_order(operands: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> list[int]:
    """The dimensions, that with the smallest strides first (ATen/TensorIterator.cpp, `reorder_dimensions`)."""
    order = list(range(len(shape)))[::-1]
    for i in range(1, len(order)):
        at = i
        for before in reversed(range(i)):
            verdict = _compare_dimensions(order[before], order[at], operands, shape)
            if verdict > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif verdict < 0:
                break
    return order


def _compare_dimensions(one: int, other: int, operands: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> int:
    """Above 0 where `other` must be iterated before `one`; 0 where no operand tells."""
    for strides in operands:
        if strides[one] == 0 or strides[other] == 0:
            continue
        if strides[one] != strides[other]:
            return -1 if strides[one] < strides[other] else 1
        if shape[one] > shape[other]:
            return 1
    return 0


def broadcast(shapes: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The broadcast of `shapes`; None when one is not known or they do not fit."""
    result: list[int] = []
    for shape in shapes:
        if shape is None:
            return None
        padded = [1] * (len(result) - len(shape)) + list(shape)
        result = [1] * (len(padded) - len(result)) + result
        for i, size in enumerate(padded):
            if size != result[i] and 1 not in (size, result[i]):
                return None
            result[i] = max(size, result[i]) if 0 not in (size, result[i]) else 0
    return tuple(result)


def partly_overlap(a: Layout | None, b: Layout | None) -> bool | None:
    """Whether torch finds that two views of one storage share some but not all elements; None when not known.

    It compares ranges of memory, and only of views without gaps (ATen/MemoryOverlap.cpp, `get_overlap_status`).
    """
    if a is None or b is None:
        return None
    if a == b or not a.dense or not b.dense or a.overlapping or b.overlapping or not a.numel or not b.numel:
        return False
    if a.offset == b.offset and a.numel == b.numel:
        return a.strides != b.strides
    return a.offset < b.offset + b.numel and b.offset < a.offset + a.numel


def fully_overlap(a: Layout | None, b: Layout | None) -> bool:
    """Whether two views of one storage are surely the same elements in the same order."""
    return a is not None and a == b


def axis(layout: Layout, dim: int) -> int | None:
    """`dim` counted from the front, or None when out of range."""
    rank = len(layout.shape)
    return dim % rank if -rank <= dim < rank else None


def select(layout: Layout, dim: int, index: int) -> Layout | None:
    """`x.select(dim, index)`: the dimension goes."""
    at = axis(layout, dim)
    if at is None or not -layout.shape[at] <= index < layout.shape[at]:
        return None
    offset = layout.offset + (index % layout.shape[at]) * layout.strides[at]
    return Layout(layout.shape[:at] + layout.shape[at + 1 :], layout.strides[:at] + layout.strides[at + 1 :], offset)


def cut(layout: Layout, dim: int, bounds: slice) -> Layout | None:
    """`x[start:stop:step]` on one dimension."""
    at = axis(layout, dim)
    if at is None or (bounds.step is not None and bounds.step < 1):
        return None
    start, stop, step = bounds.indices(layout.shape[at])
    size = len(range(start, stop, step))
    shape = (*layout.shape[:at], size, *layout.shape[at + 1 :])
    strides = (*layout.strides[:at], layout.strides[at] * step, *layout.strides[at + 1 :])
    return Layout(shape, strides, layout.offset + start * layout.strides[at])


def insert(layout: Layout, dim: int) -> Layout | None:
    """`x.unsqueeze(dim)`."""
    rank = len(layout.shape) + 1
    if not -rank <= dim < rank:
        return None
    at = dim % rank
    stride = layout.shape[at] * layout.strides[at] if at < rank - 1 else 1
    return Layout(
        (*layout.shape[:at], 1, *layout.shape[at:]), (*layout.strides[:at], stride, *layout.strides[at:]), layout.offset
    )


def squeeze(layout: Layout, dims: Sequence[int] | None) -> Layout | None:
    """`x.squeeze(dims)`; None as dims means every dimension of size 1."""
    if not layout.shape:
        return layout
    wanted = range(len(layout.shape)) if dims is None else [axis(layout, d) for d in dims]
    if None in wanted:
        return None
    keep = [i for i, size in enumerate(layout.shape) if not (i in wanted and size == 1)]
    return Layout(tuple(layout.shape[i] for i in keep), tuple(layout.strides[i] for i in keep), layout.offset)


def permute(layout: Layout, dims: Sequence[int]) -> Layout | None:
    """`x.permute(dims)`."""
    order = [axis(layout, d) for d in dims]
    if sorted(d for d in order if d is not None) != list(range(len(layout.shape))):
        return None
    found = [d for d in order if d is not None]
    return Layout(tuple(layout.shape[d] for d in found), tuple(layout.strides[d] for d in found), layout.offset)


def transpose(layout: Layout, first: int, second: int) -> Layout | None:
    """`x.transpose(first, second)`."""
    if not layout.shape and first in (0, -1) and second in (0, -1):
        return layout
    a, b = axis(layout, first), axis(layout, second)
    if a is None or b is None:
        return None
    order = list(range(len(layout.shape)))
    order[a], order[b] = order[b], order[a]
    return permute(layout, order)


def expand(layout: Layout, sizes: Sequence[int]) -> Layout | None:
    """`x.expand(sizes)`; -1 keeps a size."""
    extra = len(sizes) - len(layout.shape)
    if extra < 0:
        return None
    shape: list[int] = list(sizes[:extra])
    strides: list[int] = [0] * extra
    for size, stride, wanted in zip(layout.shape, layout.strides, sizes[extra:], strict=True):
        if wanted not in (-1, size) and size != 1:
            return None
        grown = wanted not in (-1, size)
        shape.append(wanted if grown else size)
        strides.append(0 if grown else stride)
    for dim in reversed(range(extra)):
        if shape[dim] == 1 and dim + 1 < len(shape):
            strides[dim] = shape[dim + 1] * strides[dim + 1]
    return None if any(s < 0 for s in shape) else Layout(tuple(shape), tuple(strides), layout.offset)


def resolve_sizes(numel: int, sizes: Sequence[int]) -> tuple[int, ...] | None:
    """`sizes` with a single -1 worked out; None when they do not fit `numel`."""
    known = math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) > 1 or (-1 in sizes and (known == 0 or numel % known)):
        return None
    result = tuple(numel // known if s == -1 else s for s in sizes)
    return result if math.prod(result) == numel else None


def view(layout: Layout, sizes: Sequence[int]) -> Layout | None:
    """`x.view(sizes)` by torch's rule (ATen/TensorUtils computeStride); None when only a copy can have that shape."""
    shape = resolve_sizes(layout.numel, sizes)
    if shape is None:
        return None
    if layout.numel == 0:
        return Layout(shape, fresh(shape).strides, layout.offset)
    strides = [0] * len(shape)
    at = len(shape) - 1
    chunk_base, tensor_numel, view_numel = (layout.strides[-1] if layout.strides else 1), 1, 1
    for dim in range(len(layout.shape) - 1, -1, -1):
        tensor_numel *= layout.shape[dim]
        if dim and (layout.shape[dim - 1] == 1 or layout.strides[dim - 1] == tensor_numel * chunk_base):
            continue
        while at >= 0 and (view_numel < tensor_numel or shape[at] == 1):
            strides[at] = view_numel * chunk_base
            view_numel *= shape[at]
            at -= 1
        if view_numel != tensor_numel:
            return None
        if dim:
            chunk_base, tensor_numel, view_numel = layout.strides[dim - 1], 1, 1
    while at >= 0:
        strides[at] = chunk_base
        at -= 1
    return Layout(shape, tuple(strides), layout.offset)


def flatten(layout: Layout, start: int, end: int) -> tuple[int, ...] | None:
    """The sizes that `x.flatten(start, end)` gives."""
    if not layout.shape:
        return (1,)
    first, last = axis(layout, start), axis(layout, end)
    if first is None or last is None or first > last:
        return None
    return (*layout.shape[:first], math.prod(layout.shape[first : last + 1]), *layout.shape[last + 1 :])


def reduced(shape: tuple[int, ...], dims: Sequence[int] | None, *, keepdim: bool) -> tuple[int, ...] | None:
    """The shape left when `dims` (None: all) are reduced."""
    if not shape:
        return ()
    wanted = set(range(len(shape))) if dims is None else {d % len(shape) for d in dims if -len(shape) <= d < len(shape)}
    if keepdim:
        return tuple(1 if i in wanted else s for i, s in enumerate(shape))
    return tuple(s for i, s in enumerate(shape) if i not in wanted)


def matmul(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of `a @ b`."""
    if not a or not b or a[-1] != (b[-2] if len(b) > 1 else b[0]):
        return None
    if len(a) == 1 and len(b) == 1:
        return ()
    if len(b) == 1:
        return a[:-1]
    if len(a) == 1:
        return (*b[:-2], b[-1])
    batch = broadcast([a[:-2], b[:-2]])
    return None if batch is None else (*batch, a[-2], b[-1])

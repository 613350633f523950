"""What shapes and types tensors that the program expects may have: guessed, tried, and learnt from torch's errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import torch

SIZE: Final = 8
"""Every size that nothing is known of: the same, so that most fit."""
_INDICES: Final = re.compile(r"(?:^|[_.:\[])(?:idx|index|indices|ids|tokens?|input_ids|edge_index|src_ids)\]?$")
"""Names of tensors of whole numbers."""
_COLUMNS: Final = re.compile(r"shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)")
_TOO_SMALL: Final = re.compile(r"of size \[0, |at least 1 at dimension|by zero|num_groups|must be (?:a )?positive")
_LARGE: Final = 8
_USUAL: Final = (
    *((SIZE, SIZE), (SIZE, SIZE, SIZE), (2, 3, 32, 32), (SIZE,), (2, 3, 28, 28), (2, 1, 28, 28), (2, 3, 64, 64)),
    *((2, 3, 224, 224), (), (2, 3, 8, 16, 16)),
)


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor to be made. `leaf`: it is one, and its gradient is asked for; `plain`: it requires none.

    `target`: it is compared with a result.
    """

    shape: tuple[int, ...] = (SIZE, SIZE)
    whole: bool = False
    leaf: bool = False
    target: bool = False
    plain: bool = False


class Guesses:
    """The tensors that the program was given, by what it calls them; better from attempt to attempt.

    With `zeros` they hold nothing but zeros, where many a derivative is infinite. `scale`: sizes that nothing is known
    of are so many times as large, because parts of them came to nothing.
    """

    def __init__(self, *, zeros: bool = False) -> None:
        self.specs: dict[str, Spec] = {}
        self.zeros = zeros
        self.scale = 1
        self._tried = 0

    def forget(self) -> None:
        """Begin anew."""
        self.specs.clear()
        self.scale = 1
        self._tried = 0

    def tensor(self, name: str, usual: Spec | None = None) -> torch.Tensor:
        """The tensor called `name`."""
        spec = self.specs.setdefault(name, usual or Spec(whole=bool(_INDICES.search(name))))
        if spec.whole:
            return torch.zeros(spec.shape, dtype=torch.long)
        fill = torch.zeros if self.zeros else torch.rand
        made = fill(spec.shape, requires_grad=not spec.plain and not spec.target)
        return made * 1.0 if made.requires_grad and not spec.leaf else made

    def inputs(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """What a batch of `name` has: an input and a target."""
        return self.tensor(f"{name}:input", Spec(plain=True)), self.tensor(f"{name}:target", Spec(target=True))

    def learn(self, message: str) -> bool:
        """Change the guesses after `message` was raised; False: there is nothing more to try, or it is autograd's.

        What autograd says is what the run is for, and no other shape would change it.
        """
        if "requires_grad flags" in message:
            return self._make_plain()
        if is_autograds(message):
            return False
        if self.scale == 1 and _TOO_SMALL.search(message):
            self.scale = _LARGE
            return True
        for pattern, change in _LESSONS:
            found = re.search(pattern, message)
            if found is not None and self._change(change, found):
                return True
        joined = _COLUMNS.search(message)
        if joined is not None and self._join(int(joined[2]), int(joined[3])):
            return True
        return self._next_usual()

    def _join(self, has: int, wants: int) -> bool:
        """Two tensors whose last sizes come to `has` together are to come to `wants`."""
        ends = {name: spec.shape[-1] for name, spec in self.specs.items() if len(spec.shape) > 1}
        pairs = ((a, b) for a in ends for b in ends if a < b and ends[a] + ends[b] == has)
        pair = next(pairs, None) if wants > 1 else None
        for name, size in zip(pair or (), (wants - wants // 2, wants // 2), strict=False):
            self.specs[name] = replace(self.specs[name], shape=(*self.specs[name].shape[:-1], size))
        return pair is not None

    def _change(self, change: _Lesson, found: re.Match[str]) -> bool:
        """Apply a lesson to the first tensor that it changes; of two, targets learn of types first."""
        for name, spec in sorted(self.specs.items(), key=lambda item: not item[1].target if change in _TYPES else 0):
            better = change(spec, found)
            if better is not None and better != spec:
                self.specs[name] = better
                return True
        return False

    def _make_plain(self) -> bool:
        """What the program itself wants to require grad comes from no graph."""
        self.specs, before = {name: replace(spec, plain=True) for name, spec in self.specs.items()}, self.specs
        return self.specs != before

    def _next_usual(self) -> bool:
        if not self.specs or self._tried >= len(_USUAL) - 1:
            return False
        self._tried += 1
        for name, spec in self.specs.items():
            if not spec.target:
                self.specs[name] = replace(spec, shape=_USUAL[self._tried], whole=bool(_INDICES.search(name)))
        return True


def is_autograds(message: str) -> bool:
    """Whether `message` is what a finding may be about."""
    return any(word in message for word in _AUTOGRAD)


_Lesson = Callable[[Spec, "re.Match[str]"], Spec | None]


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
        later = [size for size in (28, 32, 64, 96, 224) if size > spec.shape[2]] if wants > has else [28, 16, 8]
        smaller = [size for size in later if wants > has or size < spec.shape[2]]
        return replace(spec, shape=(*spec.shape[:2], smaller[0], smaller[0])) if smaller else None
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
    wants = max(int(number) for number in found.groups() if number)
    usual = {3: (SIZE, SIZE, 16), 4: (2, 3, 32, 32), 5: (2, 3, 8, 16, 16)}.get(wants, (SIZE,) * wants)
    return replace(spec, shape=usual) if not spec.target and len(spec.shape) != wants else None


def _one_more(spec: Spec, found: re.Match[str]) -> Spec | None:
    return replace(spec, shape=(SIZE, *spec.shape)) if len(spec.shape) < 5 and not spec.target else None


def _elements(spec: Spec, found: re.Match[str]) -> Spec | None:
    """As many elements as a view wants; of images, the next size."""
    count = 1
    for size in found[1].split(","):
        count *= max(1, int(size)) if size.strip("- ").isdigit() else 1
    if len(spec.shape) == 4:
        later = [size for size in (28, 32, 64, 96, 224) if size > spec.shape[2]]
        return replace(spec, shape=(*spec.shape[:2], later[0], later[0])) if later else None
    return replace(spec, shape=(2, count)) if not spec.target or spec.shape == (SIZE, SIZE) else None


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


def _as_result(spec: Spec, found: re.Match[str]) -> Spec | None:
    """The shape of what it is compared with."""
    if not spec.target or str(list(spec.shape)) != f"[{found[1]}]":
        return None
    return replace(spec, shape=tuple(int(size) for size in found[2].split(",") if size.strip()))


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
_TYPES: Final = (_whole, _real, _classes)
_LESSONS: Final[tuple[tuple[str, _Lesson], ...]] = (
    (_COLUMNS.pattern, _columns),
    (r"expected input\[([\d, ]+)\] to have (\d+) channels", _channels),
    (r"running_mean should contain (\d+) elements not (\d+)", _features),
    (r"[Ee]xpected (\d)D \(unbatched\) or (\d)D \(batched\) input", _dimensions),
    (r"[Ee]xpected (\d)D(?: or (\d)D)? input", _dimensions),
    (r"not enough values to unpack \(expected (\d)", _dimensions),
    (r"too many values to unpack \(expected (\d)", _dimensions),
    (r"too many values to unpack \(expected (\d)", _rows),
    (r"input of shape \[([\d, ]+)\] and num_groups=(\d+)", _groups),
    (r"Boolean value of Tensor with more than one value", _one),
    (r"shape '\[([-\d, ]+)\]' is invalid for input", _elements),
    (r"normalized_shape=\[(\d+)\]", _last),
    (r"must be equal to input_size. Expected (\d+)", _last),
    (r"was expecting embedding dimension of (\d+)", _last),
    (r"tensors used as indices must be long|index_\w+\(\): Expected dtype int|Expected dtype int64", _whole),
    (r"scalar types: Long, Int|must be long, byte|expected scalar type Long|Long but (?:found|got)", _whole),
    (r"must have the same dtype, but got (?:Long|Int)|class probabilities, got Long", _real),
    (r"result type Float can't be cast|found dtype Long", _real),
    (r"0D or 1D target|multi-target not supported|class probabilities|Expected target size", _classes),
    (r"arget size \(torch.Size\(\[([\d, ]*)\]\)\).* input size \(torch.Size\(\[([\d, ]*)\]\)\)", _as_result),
    (r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)", _as_many),
    (r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", _size),
    (r"Dimension out of range|dimension specified as|too many indices|has only \d dim", _one_more),
)

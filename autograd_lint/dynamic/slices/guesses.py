"""The tensors and other things that a program is given: guessed, tried, and made better by what torch says of them."""

from __future__ import annotations

import re
import weakref
from dataclasses import replace
from math import prod
from typing import Final

import torch

from autograd_lint.dynamic.slices.lessons import (
    AS_ROW,
    COLUMNS,
    COMPARED,
    LESSONS,
    SIZE,
    TYPES,
    Lesson,
    Spec,
    is_autograds,
    sizes_in,
)

_INDICES: Final = re.compile(r"(?:^|[_.:\[])(?:idx|index|indices|ids|tokens?|input_ids|edge_index|src_ids)\]?$")
"""Names of tensors of whole numbers."""
_TOO_SMALL: Final = re.compile(r"of size \[0, |at least 1 at dimension|by zero|num_groups|must be (?:a )?positive")
_GOT: Final = re.compile(r"(?:got|of size:?) (?:input of size:? )?(?:torch\.Size\()?\[([\d, ]+)\]")
"""The shape of what a message complains of."""
_LARGE: Final = 8
_TOO_MANY: Final = re.compile(
    r"Boolean value of Tensor with more|only one element tensors can be converted|cannot be converted to Scalar|"
    r"only (?:length-1|0-dimensional) arrays can be"
)
_USUAL: Final = (
    *((SIZE, SIZE), (SIZE, SIZE, SIZE), (2, 3, 32, 32), (SIZE,), (2, 3, 28, 28), (2, 1, 28, 28), (2, 3, 64, 64)),
    *((2, 3, 224, 224), (), (2, 3, 8, 16, 16)),
)


class Guesses:
    """The tensors that the program was given, by what it calls them; better from attempt to attempt.

    With `zeros` they hold nothing but zeros, where many a derivative is infinite. `scale`: sizes that nothing is known
    of are so many times as large, because parts of them came to nothing.
    """

    def __init__(self, *, zeros: bool = False) -> None:
        self.specs: dict[str, Spec] = {}
        self.kinds: dict[str, str] = {}
        """What arguments have turned out to be, against what their names tell: `tensor`, `unknown`."""
        self.given: dict[str, tuple[str, frozenset[str]]] = {}
        """The type of each argument that was made up, and what is asked of it, by its name."""
        self.results: dict[str, tuple[int, ...]] = {}
        """The shapes that results of modules which are not known turned out to have."""
        self.ran: dict[str, tuple[int, ...]] = {}
        """The shape of the last result of each, the last one last."""
        self.zeros = zeros
        self.scale = 1
        self._tried = 0
        self._asked = ""
        self._last_result: weakref.ref[torch.Tensor] | None = None

    def forget(self) -> None:
        """Begin anew."""
        self.specs.clear()
        for learnt in (self.kinds, self.given, self.results, self.ran):
            learnt.clear()
        self.scale = 1
        self._tried = 0

    def tensor(self, name: str, usual: Spec | None = None) -> torch.Tensor:
        """The tensor called `name`."""
        spec = self.specs.setdefault(name, usual or Spec(whole=bool(_INDICES.search(name))))
        self._asked = name
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
        if "Can't call numpy()" in message and self._make_plain():
            return True
        if is_autograds(message):
            return False
        if self._other_kind(message):
            return True
        if self.scale == 1 and _TOO_SMALL.search(message):
            self.scale = _LARGE
            return True
        for pattern, change in LESSONS:
            found = re.search(pattern, message)
            if found is not None and self._change(change, found):
                return True
        if _TOO_MANY.search(message) and self._make_number(message):
            return True
        compared = COMPARED.search(message)
        if compared is not None and self._make_result(*map(sizes_in, compared.groups())):
            return True
        joined = COLUMNS.search(message)
        if joined is not None and self._join(int(joined[2]), int(joined[3])):
            return True
        return self._next_usual()

    def _other_kind(self, message: str) -> bool:
        """Make an argument something else, whose type could not do what was asked of it: the last that fits."""
        for pattern, kind in _KINDS:
            found = pattern.search(message)
            for name in reversed(self.given) if found is not None else ():
                type_, uses = self.given[name]
                if name not in self.kinds and found is not None and type_ == found["type"]:
                    if type_ != "Tensor" or kind in ("sizes", "number") or found.groupdict().get("use") in uses:
                        self.kinds[name] = kind
                        self.specs.pop(name, None)
                        return True
        return False

    def _join(self, has: int, wants: int) -> bool:
        """Two tensors whose last sizes come to `has` together are to come to `wants`."""
        ends = {name: spec.shape[-1] for name, spec in self.specs.items() if len(spec.shape) > 1}
        pairs = ((a, b) for a in ends for b in ends if a < b and ends[a] + ends[b] == has)
        pair = next(pairs, None) if wants > 1 else None
        for name, size in zip(pair or (), (wants - wants // 2, wants // 2), strict=False):
            self.specs[name] = replace(self.specs[name], shape=(*self.specs[name].shape[:-1], size))
        return pair is not None

    def _change(self, change: Lesson, found: re.Match[str]) -> bool:
        """Apply a lesson to the likeliest tensor that it changes."""
        got = _GOT.search(found.string)
        shape = sizes_in(got[1]) if got is not None else None

        def unlikely(item: tuple[str, Spec]) -> tuple[bool, bool, bool]:
            """Targets learn of types first; a shape that was seen is better than another; what was made last, too."""
            name, spec = item
            return change in TYPES and not spec.target, spec.shape != shape, change is AS_ROW and name != self._asked

        for name, spec in sorted(self.specs.items(), key=unlikely):
            better = change(spec, found)
            if better is not None and better != spec:
                self.specs[name] = better
                return True
        return False

    def _make_number(self, message: str) -> bool:
        """One number was to come of a tensor: of a loss, else of the tensor that was asked for last."""
        told = re.search(r"with (\d+) elements", message)
        fitting = [name for name, spec in self.specs.items() if told is None or prod(spec.shape) == int(told[1])]
        losses = [name for name in fitting if name.rpartition(".")[2].startswith("loss")]
        name = next(iter((*losses, *([self._asked] if self._asked in fitting else fitting[-1:]))), "")
        spec = self.specs.get(name)
        if spec is None or not spec.shape:
            return False
        ones = (1,) * len(spec.shape)
        self.specs[name] = replace(spec, shape=() if spec.shape == ones else ones, settled=True)
        return True

    def result(self, name: str, made: torch.Tensor) -> torch.Tensor:
        """The result of the module `name`, which is not known: `made`, or something of the shape that is wanted."""
        wanted = self.results.get(name)
        result = made if wanted is None else made.mean() * torch.ones(wanted)
        self.ran.pop(name, None)
        self.ran[name] = tuple(result.shape)
        self._last_result = weakref.ref(result)
        return result

    def is_result(self, value: object) -> bool:
        """Whether `value` is what a module that is not known has just given."""
        return self._last_result is not None and self._last_result() is value

    def _make_result(self, wants: tuple[int, ...], has: tuple[int, ...]) -> bool:
        """The last module with a result of the shape `has` is to give what can be compared with the program's own."""
        name = next((name for name in reversed(self.ran) if self.ran[name] == has), None)
        if name is None or self.results.get(name) == wants:
            return False
        self.results[name] = wants
        return True

    def _make_plain(self) -> bool:
        """What the program itself wants to require grad comes from no graph."""
        self.specs, before = {name: replace(spec, plain=True) for name, spec in self.specs.items()}, self.specs
        return self.specs != before

    def _next_usual(self) -> bool:
        if not self.specs or self._tried >= len(_USUAL) - 1:
            return False
        self._tried += 1
        for name, spec in self.specs.items():
            if not spec.target and not spec.settled:
                self.specs[name] = replace(spec, shape=_USUAL[self._tried], whole=bool(_INDICES.search(name)))
        return True


_KINDS: Final = (
    (
        re.compile(
            r"AttributeError: '(?P<type>int|float|bool|str|list|Tensor)' object has no attribute '(?P<use>\w+)'"
        ),
        "unknown",
    ),
    (re.compile(r"TypeError: '(?P<type>int)' object is not (?:iterable|subscriptable)"), "sizes"),
    (re.compile(r"TypeError: '(?P<type>int|float|bool)' object is not (?:iterable|callable|subscriptable)"), "unknown"),
    (re.compile(r"must be Tensor, not (?P<type>int|float|bool|str)\b"), "tensor"),
    (re.compile(r"iterable of 'int' \(item 0 is '(?P<type>Tensor)'\)"), "sizes"),
    (re.compile(r"must be tuple of ints, but found element of type (?P<type>Tensor)"), "number"),
)
"""What messages tell of the type of an argument, and what it may be instead."""

"""Keeps account of gradients in a plain run: which backward added to what a step had used; and of computed attributes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.agreement.outcome import Summed
from tests.agreement.watch import PROGRAM, around_backward, leaves_of, program_line


@dataclass(slots=True)
class Page:
    """One leaf: the lines whose gradients are in its `.grad` now, those of them that a step has used, and that step.

    `fresh`: no step has used the gradient since the last backward. `sums` are the backwards that added to what a step had used, since the last clearing.
    """

    leaf: torch.Tensor
    lines: set[int | None] = field(default_factory=set)
    used: set[int | None] = field(default_factory=set)
    stepped: int | None = None
    was_zero: bool = False
    fresh: bool = False
    sums: list[Summed] = field(default_factory=list)

    def open(self) -> None:
        """Forget what was cleared since the last backward."""
        if self.leaf.grad is None or (_is_zero(self.leaf.grad) and not self.was_zero):
            self.lines, self.used, self.stepped, self.sums = set(), set(), None, []

    def close(self, line: int | None) -> None:
        """A backward at `line` left a gradient."""
        self.lines.add(line)
        self.fresh = True
        self.was_zero = self.leaf.grad is None or _is_zero(self.leaf.grad)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A tensor with a graph that a constructor bound, at `line`, to an attribute of `module`."""

    module: nn.Module
    leaves: tuple[torch.Tensor, ...]
    line: int


@dataclass
class Ledger:
    """The account of one run."""

    sums: dict[tuple[int, int], Summed] = field(default_factory=dict)
    attributes: list[Attribute] = field(default_factory=list)
    idle: set[int] = field(default_factory=set)
    """The lines of steps that once found no gradient, or none but zeros and what a step had used before."""
    _pages: dict[int, Page] = field(default_factory=dict)

    def around(self, run: Callable[[], Any], roots: Sequence[torch.Tensor]) -> Any:
        """A backward: compares the gradients of the leaves before and after."""
        line = program_line()
        with torch.no_grad():
            pages = [self._pages.setdefault(id(leaf), Page(leaf)) for leaf in leaves_of(roots)]
            for page in pages:
                page.open()
            before = [_state(page.leaf.grad) for page in pages]
        result = run()
        with torch.no_grad():
            for page, state in zip(pages, before, strict=True):
                if _state(page.leaf.grad) != state:
                    self._note_sum(page, line)
                    page.close(line)
        return result

    def stepped(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """A step: has used the gradients of what the optimizer holds."""
        line = program_line()
        pages = [(p, self._pages.get(id(p))) for group in optimizer.param_groups for p in group["params"]]
        has_fresh = any(page is not None and page.fresh and not _is_empty(p.grad) for p, page in pages)
        if line is not None and not has_fresh:
            self.idle.add(line)
        for parameter, page in pages:
            if page is not None and page.lines and parameter.grad is not None:
                page.used |= page.lines
                page.stepped, page.fresh = line, False
                for summed in page.sums:
                    self._enter(summed)

    def _note_sum(self, page: Page, line: int | None) -> None:
        """What a step does not use in the end does no harm: then it is not sure to be a fault."""
        if line is None or page.stepped is None or not page.used:
            return
        page.sums.append(Summed(line, page.stepped, sure=line in page.used and not page.was_zero))
        self._enter(Summed(line, page.stepped, sure=False))

    def _enter(self, summed: Summed) -> None:
        known = self.sums.get((summed.line, summed.stepped))
        if known is None or not known.sure:
            self.sums[summed.line, summed.stepped] = summed

    def bound(self, module: nn.Module, value: torch.Tensor, line: int) -> None:
        """A constructor binds a tensor that has a graph."""
        self.attributes.append(Attribute(module, tuple(leaves_of([value])), line))

    def unregistered(self) -> tuple[int, ...]:
        """The lines that keep what was computed from a Parameter that the module never came to know."""
        lines = set()
        for attribute in self.attributes:
            if "_parameters" not in vars(attribute.module):
                continue  # its constructor never came to `super().__init__()`
            known = {id(parameter) for parameter in attribute.module.parameters()}
            if any(isinstance(leaf, nn.Parameter) and id(leaf) not in known for leaf in attribute.leaves):
                lines.add(attribute.line)
        return tuple(sorted(lines))


def _is_empty(grad: torch.Tensor | None) -> bool:
    return grad is None or _is_zero(grad)


def _is_zero(tensor: torch.Tensor) -> bool:
    return not bool(tensor.any())


def _state(grad: torch.Tensor | None) -> tuple[int, int] | None:
    return None if grad is None else (id(grad), grad._version)


@contextmanager
def keeping(ledger: Ledger) -> Iterator[None]:
    """Runs the body and enters what it does to gradients in `ledger`."""
    handle = register_optimizer_step_post_hook(ledger.stepped)
    original = nn.Module.__setattr__

    def __setattr__(self: nn.Module, name: str, value: Any) -> None:  # noqa: N807 - stands in for the method
        original(self, name, value)
        if isinstance(value, torch.Tensor):
            frame = sys._getframe(1)
            if frame.f_code.co_filename == PROGRAM and frame.f_code.co_name == "__init__" and not value.is_leaf:
                ledger.bound(self, value, frame.f_lineno)

    nn.Module.__setattr__ = __setattr__  # type: ignore[method-assign]
    try:
        with around_backward(ledger.around):
            yield
    finally:
        nn.Module.__setattr__ = original  # type: ignore[method-assign]
        handle.remove()

"""Parameters that training leaves alone: stepped without a gradient, or given one that no optimizer uses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.graph import walk
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.records import IdleParameter, LeftNote, Place
from autograd_lint.dynamic.watch import Watch, is_leaf

_GRAD: Final[Any] = torch._C.TensorBase.__dict__["grad"]
_LEAVES: Final = 64
_STEPS: Final = 20
"""So many steps of an optimizer are looked at."""


@dataclass(slots=True)
class _Stepped:
    """An optimizer's parameters that had no gradient at any of the steps looked at."""

    ref: weakref.ref[Any]
    count: int = 0
    without: frozenset[int] | None = None


class Unreached:
    """What is known of Parameters, by id; an id counts only while its reference is alive."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._optimizers: dict[int, _Stepped] = {}
        self._without: dict[int, str] = {}
        self._owned: dict[int, weakref.ref[Any]] = {}
        self._unowned: dict[int, str] = {}
        self._cuts: dict[int, tuple[weakref.ref[Any], str, Place]] = {}
        self._seen: set[tuple[CodeType, int]] = set()

    def own(self, parameters: Iterable[Any]) -> None:
        """An optimizer has these parameters."""
        for parameter in parameters:
            self._owned[id(parameter)] = weakref.ref(parameter)

    @guarded
    def cut(self, tensor: torch.Tensor, how: str, frame: FrameType) -> None:
        """Numbers of a graph are taken out of it: the first time at each place."""
        key = (frame.f_code, frame.f_lasti)
        if key in self._seen or not tensor.requires_grad:
            return
        self._seen.add(key)
        place = self._watch.frames.place(frame)
        leaves = (tensor,) if is_leaf(tensor) else walk([tensor]).leaves
        self._watch.records.left.append(LeftNote(place, how, tuple(id(leaf) for leaf in leaves[:_LEAVES])))
        for leaf in () if is_leaf(tensor) else leaves:
            if id(leaf) not in self._cuts or self._cuts[id(leaf)][0]() is not leaf:
                self._cuts[id(leaf)] = (weakref.ref(leaf), how, place)

    def is_done_with(self, optimizer: Any) -> bool:
        """Whether enough of its steps were looked at."""
        stepped = self._optimizers.get(id(optimizer))
        return stepped is not None and stepped.count >= _STEPS and stepped.ref() is optimizer

    @guarded
    def will_step(self, optimizer: Any, reached: Callable[[], Iterable[Any]]) -> None:
        """An optimizer is about to step; `reached` tells the leaves that passes gave a gradient so far."""
        stepped = self._optimizers.get(id(optimizer))
        if stepped is None or stepped.ref() is not optimizer:
            stepped = self._optimizers[id(optimizer)] = _Stepped(weakref.ref(optimizer))
        stepped.count += 1
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        idle = {id(p): p for p in parameters if p.requires_grad and _GRAD.__get__(p) is None}
        kept = frozenset(idle) if stepped.without is None else stepped.without & frozenset(idle)
        if stepped.count == 1:
            self.own(parameters)  # in case it was built before the watch began
            extra = [p for p in reached() if isinstance(p, torch.nn.Parameter) and not self._is_owned(p)]
            if idle or extra:
                names = _names([*idle.values(), *extra])
                self._without.update({key: names[key] for key in idle})
                self._unowned.update({id(p): names[id(p)] for p in extra})
        for key in (stepped.without or frozenset()) - kept:
            self._without.pop(key, None)
        stepped.without = kept

    def _is_owned(self, parameter: Any) -> bool:
        found = self._owned.get(id(parameter))
        return found is not None and found() is parameter

    def end(self) -> None:
        """Note what is left."""
        idle = self._watch.records.idle
        for key, name in self._without.items():
            _, how, place = self._cuts.get(key, (None, "", None))
            idle.append(IdleParameter(name, stepped=True, cut_by=how, cut_at=place))
        idle.extend(IdleParameter(name, stepped=False) for key, name in self._unowned.items() if key not in self._owned)


def _names(parameters: Iterable[Any]) -> dict[int, str]:
    """The longest path by which a module has each; of one that is in no module its shape."""
    names = {id(p): f"a parameter of shape {tuple(p.shape)} that no module has" for p in parameters}
    found: dict[int, str] = {}
    for module in _modules():
        for path, parameter in module.named_parameters():
            if id(parameter) in names and path.count(".") >= found.get(id(parameter), "").count("."):
                found[id(parameter)] = f"{type(module).__name__}.{path}"
    return names | found


def _modules() -> Iterator[torch.nn.Module]:
    return (item for item in gc.get_objects() if issubclass(type(item), torch.nn.Module))

"""Who wrote which memory when: the log that tells the first write after a tensor was saved.

Memory is named by its address. An address is used again once its memory is free, but what is asked is always what
happened since a tensor was saved, and a saved tensor keeps its memory. Rounds of a loop that write one after the other
from one place are one entry, so the log grows with the program and not with its running time.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from autograd_lint.dynamic.records import Moment, Place, WriteFacts

_ADDRESSES: Final = 4096
_WRITES: Final = 256
_STEPS: Final = 64


@dataclass(slots=True)
class Run:
    """Writes to one address from one place, with no other write in between; of the last one, when it ended."""

    facts: WriteFacts
    tick: int
    thread: int
    seq: int
    version: int
    zero: bool = False
    changed: bool = True

    def is_after(self, moment: Moment, version: int | None) -> bool:
        """Whether its last write came after `moment` and moved the counter beyond `version`."""
        if self.tick <= moment.tick or (version is not None and self.version <= version):
            return False
        return self.thread != moment.thread or self.seq > moment.seq


@dataclass(slots=True)
class Step:
    """One `step` of an optimizer: every parameter it wrote, by address, with the version it left."""

    facts: WriteFacts
    tick: int
    thread: int
    seq: int
    versions: dict[int, int]
    silent: bool


@dataclass(slots=True)
class WriteLog:
    """The writes, in the order of `tick`. `exposed` are addresses that are written behind their counter's back."""

    tick: int = 0
    exposed: set[int] = field(default_factory=set)
    silent_tick: int = 0
    _assigned: dict[WriteFacts, weakref.ref[Any]] = field(default_factory=dict)
    _runs: OrderedDict[int, deque[Run]] = field(default_factory=OrderedDict)
    _steps: deque[Step] = field(default_factory=lambda: deque(maxlen=_STEPS))

    def expose(self, *addresses: int) -> None:
        """From now on, what writes these addresses may go unnoticed by the counters."""
        if len(self.exposed) > _ADDRESSES:
            self.exposed.clear()
        self.exposed.update(addresses)

    def add(
        self, address: int, facts: WriteFacts, *, seq: int, version: int, zero: bool = False, changed: bool = True
    ) -> None:
        """Note that `address` was just written; `changed` is False when it holds what it held before."""
        self.tick += 1
        thread = threading.get_ident()
        if address in self.exposed:
            self.silent_tick = self.tick
        runs = self._runs.get(address)
        if runs is None:
            runs = self._runs[address] = deque(maxlen=_WRITES)
            if len(self._runs) > _ADDRESSES:
                self._runs.popitem(last=False)
        last = runs[-1] if runs else None
        same = last is not None and (last.facts, last.thread, last.zero, last.changed) == (facts, thread, zero, changed)
        if last is not None and same:
            last.tick, last.seq, last.version = self.tick, seq, version
        else:
            runs.append(Run(facts, self.tick, thread, seq, version, zero, changed))

    def add_step(self, facts: WriteFacts, versions: dict[int, int], *, seq: int, silent: bool) -> None:
        """Note that an optimizer wrote its parameters."""
        self.tick += 1
        if silent:
            self.silent_tick = self.tick
            self.expose(*versions)
        elif not self.exposed.isdisjoint(versions):
            self.silent_tick = self.tick
        self._steps.append(Step(facts, self.tick, threading.get_ident(), seq, versions, silent))

    def first_after(self, address: int, moment: Moment, version: int | None = None) -> WriteFacts | None:
        """The first write to `address` after `moment` that moved its counter beyond `version`."""
        return next(self.all_after(address, moment, version), None)

    def all_after(
        self, address: int, moment: Moment, version: int | None = None, *, changed: bool = False
    ) -> Iterator[WriteFacts]:
        """The writes to `address` after `moment` that moved its counter beyond `version`, the first one first.

        With `changed` only those that left other values than there were.
        """
        found = [r for r in self._runs_at(address) if r.is_after(moment, version) and (r.changed or not changed)]
        return (run.facts for run in sorted(found, key=lambda run: run.tick))

    def is_zeroed_since(self, address: int, tick: int) -> bool:
        """Whether `address` was set to zero after write number `tick`."""
        return any(run.zero and run.tick > tick for run in self._runs.get(address, ()))

    def step_since(self, tick: int, address: int | None = None) -> Place | None:
        """The first optimizer step after write number `tick`, if given of the parameter at `address`."""
        for step in self._steps:
            if step.tick > tick and (address is None or address in step.versions):
                return step.facts.spot.place
        return None

    def written_since(self, address: int, tick: int) -> bool:
        """Whether torch wrote `address` after write number `tick`."""
        return any(run.tick > tick for run in self._runs_at(address))

    def assign(self, tensor: object, facts: WriteFacts) -> None:
        """Note that `tensor` itself was given other memory."""
        self._assigned[facts] = weakref.ref(tensor)

    def was_assigned(self, tensor: object, facts: WriteFacts) -> bool:
        """Whether the assignment `facts` was to `tensor` itself."""
        return facts in self._assigned and self._assigned[facts]() is tensor

    def _runs_at(self, address: int) -> Iterable[Run]:
        yield from self._runs.get(address, ())
        for step in self._steps:
            if address in step.versions:
                version = step.versions[address]
                yield Run(step.facts, step.tick, step.thread, step.seq, version)

"""Wraps backward: what each pass ran, what it kept, why it failed, and what changed behind its back."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.gradients import Gradients
from autograd_lint.dynamic.graph import Graph, find_freed, lost_leaves, selections, walk
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.kept import KeptRounds, held_bytes
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import (
    IndexReadNote,
    LostLeafNote,
    NodeFacts,
    PassNote,
    Place,
    StaleSave,
    Via,
    WriteFacts,
)
from autograd_lint.dynamic.refusals import failure_of, is_stale, refusal_of_write
from autograd_lint.dynamic.rests import PassRest
from autograd_lint.dynamic.saves import SaveCheck
from autograd_lint.dynamic.tracer import get_trace, set_trace
from autograd_lint.dynamic.watch import Watch
from autograd_lint.events import Failure, Refusal

_ALWAYS: Final = 20
"""So many passes at one place are watched closely, then one in `_THEN_ONE_IN`: loops repeat themselves."""
_THEN_ONE_IN: Final = 16
_METHOD: Final = torch.Tensor.backward.__code__
_PARTIAL_WRITE: Final = "torch::autograd::CopySlices"
"""The node of a write to a view."""


@dataclass(slots=True)
class _Site:
    """What is known of the passes at one place."""

    note: PassNote
    facts: WriteFacts
    count: int = 0
    kept: KeptRounds = field(default_factory=KeptRounds)
    reused: int = 0


@dataclass(frozen=True, slots=True)
class _Ran:
    """A pass that freed its graph, or kept it for others to use."""

    numbers: frozenset[int]
    place: Place
    note: PassNote
    thread: int
    tick: int
    kept: bool


@dataclass(slots=True)
class _Begun:
    """What was found before a pass that is watched `close`ly."""

    site: _Site
    leaves: tuple[torch.Tensor, ...]
    numbers: frozenset[int]
    close: bool


@dataclass(slots=True)
class Request:
    """The arguments of a call that runs backward; `asked` is False when a library chose them.

    `whole`: it is to go through all of the graph, and not only to some of its tensors.
    """

    call: str
    roots: tuple[Any, ...]
    retain: bool | None
    create: bool
    accumulates: bool
    whole: bool = False
    asked: bool = True
    graph: Graph | None = None

    def walked(self) -> Graph:
        """The graph under the roots."""
        if self.graph is None:
            self.graph = walk(self.roots)
        return self.graph


class Passes:
    """Notes every backward pass that the user's program asks for."""

    def __init__(
        self, watch: Watch, gradients: Gradients, saves: SaveCheck, *, annotate: bool, index_reads: bool = False
    ) -> None:
        self._watch = watch
        self._gradients = gradients
        self._saves = saves
        self._annotate = annotate
        self._index_reads = index_reads
        self._sites: dict[Place, _Site] = {}
        self._known: dict[tuple[int, int], _Site] = {}
        self._ran: deque[_Ran] = deque(maxlen=64)
        self._keeping = False
        self.on_begin: Callable[[], None] | None = None
        self._inside = threading.local()
        self._rest = PassRest(watch.tracer)

    def install(self, patches: Patches) -> None:
        """Replace `torch.autograd.backward`, which `Tensor.backward` calls, and `torch.autograd.grad`."""
        self._rest.install(patches)
        patches.set(torch.autograd, "backward", self._wrap(torch.autograd.backward, _of_backward))
        patches.set(torch.autograd, "grad", self._wrap(torch.autograd.grad, _of_grad))

    def _wrap(self, original: Any, read: Callable[..., Request]) -> Callable[..., Any]:
        watch, inside, rest = self._watch, self._inside, self._rest
        hook, resume = watch.tracer.hook, watch.tracer.resume

        def backward(*args: Any, **kwargs: Any) -> Any:
            paused = get_trace() is hook
            if paused:
                set_trace(None)  # at once: each call that is traced costs, our own too
            try:
                rest.begins(on=paused)
                frame = sys._getframe(1)
                user, _ = watch.reach(frame)
                # A pass inside a pass, as reentrant checkpoints run it, is part of the outer one.
                if user is None or getattr(inside, "pass_", False):
                    rest.go_on((None,))
                    return original(*args, **kwargs)
                request = read(*args, **kwargs)
                request.asked = frame is user or (frame.f_back is user and frame.f_code is _METHOD)
                return self._run(original, request, user, args, kwargs)
            finally:
                rest.begins(on=False)
                if paused:
                    resume()

        return dressed(backward, original)

    def _run(self, original: Any, request: Request, user: FrameType, args: Any, kwargs: Any) -> Any:
        begun = self._begin(request, user)
        if self.on_begin is not None:
            self.on_begin()
        self._rest.go_on(request.roots)
        self._saves.pass_begins(None if begun is None else begun.site.note.spot)
        self._inside.pass_ = True
        try:
            result = original(*args, **kwargs)
        except RuntimeError as error:
            self._failed(error, request, begun, user)
            raise
        finally:
            self._inside.pass_ = False
            self._saves.pass_begins(None)
        self._succeeded(request, begun, user)
        return result

    @guarded
    def _begin(self, request: Request, user: FrameType) -> _Begun:
        """Before a pass: what did earlier ones keep for it, and what changed that torch will not notice?"""
        site = self._site(request, user)
        site.count += 1
        close = site.count <= _ALWAYS or site.count % _THEN_ONE_IN == 0
        if site.count == 1:
            self._note_lost(request.walked())
            if self._index_reads:
                self._note_index_reads(request.walked())
        if close and request.accumulates:
            root = request.roots[0] if request.roots else None
            site.kept.pass_begins(request.walked(), root, site.note.spot.place, self._watch.records)
        leaves = request.walked().leaves if close and request.accumulates else ()
        if leaves:
            self._gradients.before_pass(leaves)
        if self._keeping and any(ran.kept for ran in self._ran):
            self._note_reuse(request, site)
        if close and self._watch.log.silent_tick:
            self._saves.find_silent(request.walked(), site.note.spot)
        numbers = request.walked().numbers if close else frozenset()
        request.graph = None  # a graph must not live longer for being watched
        return _Begun(site, leaves, numbers, close)

    def _site(self, request: Request, user: FrameType) -> _Site:
        key = (id(user.f_code), user.f_lasti)
        site = self._known.get(key)
        if site is None:
            place = self._watch.frames.place(user)
            site = self._sites.get(place) or self._sites.setdefault(place, self._make_site(request, user))
            self._known[key] = site
        return site

    def _make_site(self, request: Request, user: FrameType) -> _Site:
        note = self._note(request, user)
        self._watch.records.passes.append(note)
        return _Site(note, WriteFacts(note.spot, "backward", Via.PASS, grad_enabled=False))

    def _note(self, request: Request, user: FrameType) -> PassNote:
        root = next((root for root in request.roots if isinstance(root, torch.Tensor)), None)
        return PassNote(
            spot=self._watch.frames.spot(user),
            call=request.call,
            retain_graph=request.retain is True and request.asked,
            create_graph=request.create,
            root=None if root is None else self._watch.node_of(root),
            shape=None if root is None else tuple(root.shape),
        )

    def _note_lost(self, graph: Graph) -> None:
        for node, _ in lost_leaves(graph):
            self._watch.records.note(LostLeafNote(self._watch.node(node)))

    def _note_index_reads(self, graph: Graph) -> None:
        """`Tensor.__getitem__` itself is not replaced: then torch would take 0-dimensional tensors for sequences."""
        for node in selections(graph):
            self._watch.records.note(IndexReadNote(self._watch.node(node)))

    def _note_reuse(self, request: Request, site: _Site) -> None:
        numbers = request.walked().numbers
        place, thread = site.note.spot.place, threading.get_ident()
        for ran in self._ran:
            if not ran.kept or ran.thread != thread or ran.numbers.isdisjoint(numbers):
                continue
            again = (place, _is_scalar(request.roots))
            if again not in ran.note.reused:
                if not ran.note.reused:
                    ran.note.stepped = self._watch.log.step_since(ran.tick)
                ran.note.reused.append(again)

    @guarded
    def _succeeded(self, request: Request, begun: _Begun | None, user: FrameType) -> None:
        if begun is None:
            return
        site, numbers = begun.site, begun.numbers
        if request.accumulates and not begun.close:
            self._gradients.skip_pass()
        if begun.leaves:
            self._gradients.after_pass(begun.leaves, site.facts, user)
        kept = request.retain if request.retain is not None else request.create
        explicit = request.retain is True and site.count <= _ALWAYS
        if numbers and explicit:
            site.note.retained = max(site.note.retained, held_bytes(walk(request.roots)))
        if numbers and (explicit or not kept):
            thread, tick = threading.get_ident(), self._watch.log.tick
            self._keeping = self._keeping or bool(kept)
            self._ran.append(_Ran(numbers, site.note.spot.place, site.note, thread, tick, bool(kept)))
        site.note.in_loop = site.count > 1

    @guarded
    def _failed(self, error: RuntimeError, request: Request, begun: _Begun | None, user: FrameType) -> None:
        if begun is None:
            return
        site = begun.site
        if is_stale(error):
            stale = self._saves.explain(error, request.walked(), site.note.spot, whole=request.whole)
            if stale is not None and self._annotate:
                error.add_note(_told(stale))
            return
        if refusal_of_write(error) is Refusal.OVERLAP:
            self._explain_overlap(request.walked())
        failure = failure_of(error)
        if failure is None:
            return
        note = self._note(request, user)
        note.failure, note.in_loop = failure, site.count > 1
        if failure is Failure.TWICE:
            self._explain_twice(note, request.walked())
        self._watch.records.passes.append(note)

    def _explain_overlap(self, graph: Graph) -> None:
        """Some writes to memory that overlaps itself are refused when backward comes to them: the first is the one."""
        writes = self._watch.records.writes
        waiting = {write.spot.place.row: write for write in writes if write.overlapping and write.refusal is None}
        partial = (node for node in graph.nodes if node.name() == _PARTIAL_WRITE) if waiting else ()
        for place in filter(None, map(self._watch.place_of, partial)):
            write = waiting.get(place.row)  # nodes may be known by their rows only
            if write is not None:
                del writes[write]
                writes[replace(write, refusal=Refusal.OVERLAP)] = None
                return

    def _explain_twice(self, note: PassNote, graph: Graph) -> None:
        """Which node was gone, and which pass freed it? What the failed pass ran before is freed as well."""
        thread = threading.get_ident()
        earlier = [ran for ran in reversed(self._ran) if not ran.kept and ran.thread == thread]
        for node in find_freed(graph.nodes):
            ran = next((ran for ran in earlier if node._sequence_nr() in ran.numbers), None)
            if ran is not None:
                note.shared, note.freed = self._watch.node(node), ran.place
                again = ran.place == note.spot.place
                note.loop_carried = again and self._is_made_again(graph, note.shared, max(ran.numbers))
                return

    def _is_made_again(self, graph: Graph, shared: NodeFacts, last: int) -> bool:
        """Whether the place that made the freed node has made another one since the pass that freed it."""
        newer = (node for node in graph.nodes if node._sequence_nr() > last)
        return shared.place is not None and any(self._watch.place_of(node) == shared.place for node in newer)


def _told(stale: StaleSave) -> str:
    """The three places, as a note to torch's error."""
    saved, written = stale.node.place, stale.write.spot.place
    places = [
        "autograd-lint: saved for backward at " + ("a place unknown" if saved is None else saved.shown),
        f"changed at {written.shown} by {stale.write.op}",
        f"needed at {stale.needed.place.shown}",
    ]
    return ", ".join(places)


def _of_backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> Request:
    return Request("backward", _tuple(tensors), retain_graph, create_graph, accumulates=True, whole=inputs is None)


def _of_grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Request:
    return Request("grad", _tuple(outputs), retain_graph, create_graph, accumulates=False)


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_scalar(roots: tuple[Any, ...]) -> bool:
    return all(root.numel() == 1 for root in roots if isinstance(root, torch.Tensor))

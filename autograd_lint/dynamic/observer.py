"""The observer: watches a program from `start` to `stop`, and tells what it saw as events."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final

import torch

from autograd_lint.dynamic.analyse import to_events
from autograd_lint.dynamic.compiled import run_eagerly
from autograd_lint.dynamic.evaluation import Evaluation
from autograd_lint.dynamic.frames import Frames
from autograd_lint.dynamic.gradients import Gradients
from autograd_lint.dynamic.hooked_saves import HookedSaves
from autograd_lint.dynamic.hooks import SaveHooks, SaveTracer
from autograd_lint.dynamic.memory import Memory
from autograd_lint.dynamic.misuse import Misuse
from autograd_lint.dynamic.mutators import install_mutators
from autograd_lint.dynamic.passes import Passes
from autograd_lint.dynamic.patches import Patches
from autograd_lint.dynamic.records import NodeFacts, Records
from autograd_lint.dynamic.rests import rest_inside_modules
from autograd_lint.dynamic.saves import SaveCheck
from autograd_lint.dynamic.syntax import Sources
from autograd_lint.dynamic.tools import Tools
from autograd_lint.dynamic.tracer import SetTrace, Visitor
from autograd_lint.dynamic.watch import Files, Watch
from autograd_lint.events import Event

_USUAL: Final = Files()


class Observer(ABC):
    """Watches what runs between `start` and `stop`, in this process. One at a time, and each only once."""

    @abstractmethod
    def start(self) -> None:
        """Begin to watch."""

    @abstractmethod
    def stop(self) -> None:
        """Stop watching, and leave torch as it was."""

    @property
    @abstractmethod
    def records(self) -> Records:
        """What was noted so far."""

    @abstractmethod
    def events(self) -> list[Event]:
        """What happened so far, for rules to judge."""

    def __enter__(self) -> Observer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class TorchObserver(Observer):
    """What both ways of watching share: everything but how saved tensors are followed."""

    def __init__(self, watch: Watch, *, index_reads: bool, annotate: bool) -> None:
        self._watch = watch
        self._sources = Sources()
        self._patches = Patches()
        self._index_reads = index_reads
        self._annotate = annotate
        self._tools = Tools(watch)
        self._ends: tuple[Callable[[], None], ...] = ()

    def start(self) -> None:
        """Replace what must be noticed in torch, and follow the user's code."""
        watch, patches = self._watch, self._patches
        gradients = Gradients(watch, self._sources)
        misuse, evaluation = Misuse(watch, gradients), Evaluation(watch)
        self._ends = (gradients.unreached.end, self._tools.end, misuse.end, evaluation.end)
        install_mutators(watch, patches, gradients)
        Memory(watch, gradients).install(patches)
        gradients.install(patches)
        misuse.install(patches)
        evaluation.install(patches)
        self._tools.install(patches, gradients.is_gradient)
        passes = Passes(watch, gradients, self._save_check(), annotate=self._annotate, index_reads=self._index_reads)
        passes.on_begin = evaluation.pass_begins
        passes.install(patches)
        run_eagerly(watch.records, patches)
        rest_inside_modules(watch.tracer, patches)
        gradients.optimizers.install(patches)
        patches.keep_an_eye_on(torch.Tensor, "backward")
        watch.tracer.start()

    def _save_check(self) -> SaveCheck:
        return SaveCheck(self._watch)

    def stop(self) -> None:
        """Put everything back."""
        self._watch.tracer.stop()
        self.records.replaced = self._patches.displaced()
        for end in self._ends:
            end()
        self._patches.undo()

    @property
    def records(self) -> Records:
        """What was noted so far."""
        return self._watch.records

    def events(self) -> list[Event]:
        """What happened so far, for rules to judge."""
        return to_events(self.records, self._sources)

    def accompany(self, visitor: Visitor) -> None:
        """Tell `visitor` each line and exception of the program, if it is traced."""
        self._watch.tracer.visitor = visitor

    def node(self, node: Any) -> NodeFacts:
        """The name of a node of the graph, and where it was made."""
        return self._watch.node(node)

    @property
    def frames(self) -> Frames:
        """What tells the user's code from others'."""
        return self._watch.frames


class SequenceObserver(TorchObserver):
    """Watches by the numbers of nodes: touches nothing that autograd does, and looks at the graph when it fails.

    With `instructions` places are exact to the column, which is slower; else saves are known by their row. With
    `annotate` the three places are added to torch's error as a note.
    """

    def __init__(
        self,
        files: Files = _USUAL,
        *,
        instructions: bool = False,
        index_reads: bool = False,
        annotate: bool = False,
    ) -> None:
        watch = Watch(files, partial(SetTrace, instructions=instructions))
        super().__init__(watch, index_reads=index_reads, annotate=annotate)


class HookObserver(TorchObserver):
    """Watches by saved-tensor hooks: exact to the column, also in what checkpoints keep.

    It traces the program only if no other tool does.

    Hooks are not unseen: an error's text may describe the tensor otherwise than torch's own, and
    `SavedTensor.register_hooks` refuses to work beside them. With `raise_at_write` a write to a tensor that a graph
    still holds saved raises `SavedTensorWritten`.
    """

    def __init__(
        self,
        files: Files = _USUAL,
        *,
        index_reads: bool = False,
        annotate: bool = False,
        raise_at_write: bool = False,
    ) -> None:
        watch = Watch(files, SaveTracer if is_traced() else partial(SetTrace, instructions=True))
        super().__init__(watch, index_reads=index_reads, annotate=annotate)
        self._hooks = SaveHooks(watch)
        if raise_at_write:
            watch.refuse = self._hooks.refuse

    def start(self) -> None:
        """Turn the hooks on last."""
        super().start()
        self._hooks.install(self._patches)

    def _save_check(self) -> SaveCheck:
        return HookedSaves(self._watch, self._hooks)


def is_traced() -> bool:
    """Whether another tool traces this process, so that a `SequenceObserver` would be in its way."""
    return sys.gettrace() is not None


def can_count_nodes() -> bool:
    """Whether this torch has the private names a `SequenceObserver` lives by: numbers of nodes, and what they saved."""
    with torch.enable_grad():
        x = torch.ones(1, requires_grad=True)
        node = (x * x).grad_fn
    return hasattr(torch.autograd, "_get_sequence_nr") and hasattr(node, "_raw_saved_self")

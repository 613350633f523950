"""The abstract autograd machine: memory, version counters, views, the graph and what its nodes saved.

It does to abstract tensors what torch's autograd does to real ones (torch/csrc/autograd: variable.cpp,
VariableTypeUtils.h, saved_variable.cpp): an operation makes a node that saves tensors with the version they have, a
write moves the version of every tensor that shares the counter, and a write through a view rebases its base.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.events import AliasRead, Event, How, Refusal, Refused, Site, Stale, TensorRef, Write
from autograd_lint.facts.model import Alias, Effect, Output, Saved
from autograd_lint.static.model.dtypes import INTEGERS
from autograd_lint.static.model.saved import SavedRecord, is_met_by, labelled
from autograd_lint.static.model.silent import UNWATCHED
from autograd_lint.static.model.traces import Trace
from autograd_lint.static.model.values import LoopStack, Tensor, Tri

_UNRECORDED: Final = frozenset({"logical_and_", "logical_not_", "logical_or_", "logical_xor_"})
"""Writes that autograd knows nothing of: it neither refuses nor records them; the version counter moves."""
_REFUSED_VIEWS: Final = {
    "multi": Refusal.MULTI_VIEW,
    "no_grad": Refusal.NO_GRAD_VIEW,
    "custom": Refusal.CUSTOM_VIEW,
    "inference": Refusal.INFERENCE,
}


_SEQUENCE: Final = itertools.count()
"""Running numbers of nodes; they only order nodes, so one counter serves all paths."""


class TorchError(Exception):
    """Torch would raise here; ends the path, or goes to the program's own handler."""


@dataclass(slots=True, eq=False)
class WriteRecord:
    """One write while its consequences are not known yet; becomes a `Write` event when the path ends.

    `value` is the number that is written everywhere, if it is one; `changes` False: the memory held just that.
    `part`: a view of the tensor is written (None: perhaps), made on the way (`x[0] = v`). `exchanges`: the tensor gets
    other memory, and what shared the old one with it keeps its values.
    """

    site: Site
    how: How
    op: str
    target: TensorRef
    tensor: Tensor
    value_in_graph: bool
    grad_enabled: bool
    through: str = ""
    constructor: Site | None = None
    origin: Site | None = None
    certain: bool = True
    bumps: bool = True
    value: float | None = None
    changes: bool = True
    stale: Stale | None = None
    stale_certain: bool = True
    refusal: Refusal | None = None
    alias_read: AliasRead | None = None
    late: bool = False
    argument: str = ""
    part: Tri = False
    exchanges: bool = False
    spare: bool = False
    scattered: bool = False
    fits: Tri = None

    def event(self) -> Write:
        """The finished event."""
        return Write(
            site=self.site,
            certain=self.certain and (self.stale is None or self.stale_certain),
            target=self.target,
            how=self.how,
            op=self.op,
            value_in_graph=self.value_in_graph,
            grad_enabled=self.grad_enabled,
            through=self.through,
            constructor=self.constructor,
            origin=self.origin,
            stale=self.stale,
            refusal=self.refusal,
            alias_read=self.alias_read,
            argument=self.argument,
            spare=self.spare,
            scattered=self.scattered,
            fits=self.fits,
        )


@dataclass(frozen=True, slots=True)
class GradientUse:
    """The `.grad` of `leaf`, read when it was the sum of `passes` passes and had been cleared `clears` times."""

    leaf: Tensor
    clears: int
    passes: int


class Memory:
    """The bytes of a storage and every write to them; `filled` is the number that all elements are, if one is known.

    `gradients` are those that its numbers were computed from.
    """

    __slots__ = ("filled", "gradients", "writes")

    def __init__(self) -> None:
        self.writes: list[tuple[WriteRecord, bool]] = []
        self.filled: float | None = None
        self.gradients: tuple[GradientUse, ...] = ()


class Counter:
    """A version counter, shared by all views of a storage; a version is the number of writes it has seen."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        self.writes: list[tuple[WriteRecord, bool]] = []

    @property
    def version(self) -> int:
        """How many writes moved it."""
        return len(self.writes)


@dataclass(slots=True, eq=False)
class GraphNode:
    """A node of the graph. `edges` lead to nodes, or to leaves that require grad; `certain`: it surely exists.

    `higher`: its gradients, computed with a graph, have one; `spread`: edges whose gradient is one value expanded.
    `reshapes`: its gradient is handed on as a view of what arrives; `hands_on`: edges that get what arrives itself.
    `overlapping`: the write through an expanded view that its backward cannot undo. `again`: what its backward runs.
    """

    op: str
    site: Site
    seq: int
    edges: list[GraphNode | Tensor]
    saved: list[SavedRecord]
    frees: Tri
    certain: bool
    loops: LoopStack
    derivative: bool = True
    higher: Tri = True
    spread: tuple[GraphNode | Tensor, ...] = ()
    reshapes: bool = False
    hands_on: tuple[GraphNode | Tensor, ...] = ()
    overlapping: WriteRecord | None = None
    again: Callable[[Site], None] | None = None
    freed: Site | None = None
    freed_certain: bool = True
    kept: list[Site] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Modes:
    """What of autograd is switched on. `grad` None: not known; `off` is the place that switched it off."""

    grad: Tri = True
    inference: bool = False
    autocast: bool = False
    mutation_allowed: bool = False
    offload: bool = False
    off: Site | None = None


def _covers_memory(tensor: Tensor) -> bool:
    """The tensor is all there is of its memory: no view, and no alias of one."""
    source: Tensor | None = tensor
    while source is not None and source.base is None:
        if source.alias_of is None:
            return source.maybe_of is None
        source = source.alias_of
    return False


class Machine:
    """The state of autograd along one path of the program."""

    def __init__(self) -> None:
        self.modes = Modes()
        self.loops: LoopStack = ()
        self.alone = False
        """A function runs that nobody called: its callers may have switched gradients off."""
        self.differentiated = False
        """The forward of a module runs that nobody called: what it is given may require grad."""
        self.events: list[tuple[Event, bool]] = []
        self.writes: list[WriteRecord] = []
        self.failed = False
        self.expecting = 0
        self.catching = 0

    # ------------------------------------------------------------ tensors

    def tensor(self, site: Site | None = None, *, requires_grad: Tri = False) -> Tensor:
        """A leaf with memory of its own."""
        result = Tensor(Memory(), Counter(), requires_grad=requires_grad, site=site)
        result.loops = self.loops
        result.inference = result.unversioned = self.modes.inference
        return result

    def requires(self, tensor: Tensor) -> Tri:
        """Whether `tensor.requires_grad` is true now; that of a view is also its base's (`DifferentiableViewMeta`)."""
        own, base = tensor.requires_grad, tensor.base
        if own is True or base is None:
            return own
        inherited = base.requires_grad
        return own if inherited is False else inherited

    def edge(self, tensor: Tensor) -> GraphNode | Tensor | None:
        """Where a gradient of `tensor` flows to: its node, itself when it is a leaf, or nowhere.

        This is when torch regenerates the `grad_fn` of a view whose storage was written (`VariableHooks::grad_fn`).
        """
        base = tensor.base
        if base is not None and tensor.attr_version != len(tensor.counter.writes):
            if tensor.node is not None or base.requires_grad is not False:
                self._regenerate(tensor, base)
        return tensor.node or (None if tensor.requires_grad is False else tensor)

    def show(self, value: object) -> None:
        """Print `value`: of a tensor torch asks its `grad_fn` then, and bears with a view that it refuses one."""
        if type(value) is Tensor and value.view_kind not in _REFUSED_VIEWS:
            self.edge(value)

    def edges(self, tensors: Iterable[Tensor]) -> list[GraphNode | Tensor]:
        """Where the gradients of `tensors` flow to."""
        return [edge for tensor in tensors if (edge := self.edge(tensor)) is not None]

    def _regenerate(self, view: Tensor, base: Tensor) -> None:
        """Give a view the history of its base as it is now; torch refuses that for some kinds of views."""
        fresh_writes = view.counter.writes[view.attr_version :]
        refused = not view.numpy and self.refuses_view(view, base)
        view.attr_version = len(view.counter.writes)
        if view.numpy or refused is not False:
            if refused:
                self.fail()
            return
        if base.requires_grad is not False:  # else the base has left the graph: the view keeps a node, without edges
            view.requires_grad = base.requires_grad
        source = self.edge(base)
        view.node = self.node(
            "view", view.site or fresh_writes[0][0].site, [] if source is None else [source], frees=False
        )
        view.node.certain = view.requires_grad is True

    def refuses_view(self, view: Tensor, base: Tensor) -> Tri:
        """Whether torch refuses a view its history, for a write to its memory that then is to blame; None: perhaps."""
        refusal, fresh_writes = _REFUSED_VIEWS.get(view.view_kind), view.counter.writes[view.attr_version :]
        if refusal is None or not base.requires_grad or not fresh_writes:
            return False
        record, certain = fresh_writes[0]
        if not certain or record.refusal is not None or self.failed:
            return None
        record.refusal, record.origin = refusal, view.view_site
        return True

    def node(self, op: str, site: Site, edges: list[GraphNode | Tensor], *, frees: Tri) -> GraphNode:
        """A new node."""
        return GraphNode(op, site, next(_SEQUENCE), edges, [], frees, True, self.loops)

    def time(self) -> int:
        """A number that is larger than `seq` of the nodes made so far, and smaller than that of later ones."""
        return next(_SEQUENCE)

    # --------------------------------------------------------- operations

    def wants_grad(self, tensors: Iterable[Tensor]) -> Tri:
        """Whether an operation on `tensors` makes a node now."""
        grad = self.modes.grad
        if grad is False or self.modes.inference:
            return False
        answer: Tri = False
        for tensor in tensors:
            requires = self.requires(tensor)
            if requires:
                return grad
            if requires is None:
                answer = None
        return answer

    def save(
        self, node: GraphNode, tensor: Tensor, name: str, *, result: bool, certain: bool, sure: bool = False
    ) -> None:
        """Record that `node` saves `tensor` as it is now."""
        if self.modes.offload:
            certain = sure = False
        counter = Counter() if node.op in UNWATCHED else tensor.counter
        node.saved.append(
            SavedRecord(
                tensor,
                counter,
                len(counter.writes),
                tensor.memory,
                len(tensor.memory.writes),
                name,
                result,
                certain,
                non_leaf=tensor.node is not None,
                sure=sure,
            )
        )

    def record(self, op: str, effect: Effect, operands: Mapping[str, list[Tensor]], *, site: Site) -> GraphNode | None:
        """Make the node of an operation and save its inputs; None when none of the operands can require grad."""
        ignored = {label.removesuffix("[]") for label in effect.ignored}
        flat = [t for name, group in operands.items() if name != "*" and name not in ignored for t in group]
        wanted = self.wants_grad(flat)
        if wanted is False or not any(out.differentiable for out in effect.outputs):
            return None
        frees = effect.frees and self._condition(effect.frees_when, operands)
        node = self.node(op, site, self.edges(flat), frees=frees)
        node.certain = wanted is True
        node.derivative = effect.derivative is not False
        node.higher = effect.higher and self._condition(effect.higher_when, operands)
        if effect.spread:
            node.spread = tuple(self.edges(t for label in effect.spread for t in labelled(operands, label)))
        for saved in effect.saved:
            self._save_operand(node, saved, operands)
        return node

    def _save_operand(self, node: GraphNode, saved: Saved, operands: Mapping[str, list[Tensor]]) -> None:
        group = labelled(operands, saved.label)
        if not group:
            return
        verdict = self._condition(saved.when, operands)
        if verdict is False:
            return
        certain = saved.certain and verdict is True and node.certain and not self.modes.autocast
        for tensor in group:
            if tensor.inference and certain and not self.modes.inference:
                self.refuse(node.site, Refusal.INFERENCE_SAVED, tensor)
            sure = saved.certain and not self.modes.autocast and is_met_by(tensor, saved.when, operands)
            self.save(node, tensor, tensor.name, result=False, certain=certain, sure=sure)

    def _condition(self, when: Sequence[frozenset[str]], operands: Mapping[str, list[Tensor]]) -> Tri:
        if not when:
            return True
        answer: Tri = False
        for alternative in when:
            verdict: Tri = True
            for name in alternative:
                requires = (
                    self._all_require(operands["*"]) if name == "*" else self._any_requires(labelled(operands, name))
                )
                verdict = False if requires is False else (None if requires is None else verdict)
                if verdict is False:
                    break
            if verdict:
                return True
            answer = None if verdict is None else answer
        return answer

    def _takes_gradient(self, tensor: Tensor) -> Tri:
        """Whether it has an edge: a view made under `no_grad` has none, though it requires grad when its base does."""
        return tensor.requires_grad if tensor.node is None else self.requires(tensor)

    def _any_requires(self, tensors: list[Tensor]) -> Tri:
        answers = [self._takes_gradient(t) for t in tensors]
        return True if True in answers else (None if None in answers else False)

    def _all_require(self, tensors: list[Tensor]) -> Tri:
        """Whether all require grad; None where only some do: such mixtures are not measured."""
        answers = {self._takes_gradient(t) for t in tensors}
        return answers.pop() if len(answers) == 1 else None

    def save_outputs(self, node: GraphNode | None, effect: Effect, outputs: Sequence[Tensor]) -> None:
        """Save the results an operation keeps; called after its writes."""
        if node is None:
            return
        for saved in effect.saved:
            if saved.label.startswith("out") and saved.label[3:].isdigit() and int(saved.label[3:]) < len(outputs):
                tensor = outputs[int(saved.label[3:])]
                sure = saved.certain and not saved.when
                self.save(node, tensor, tensor.name, result=True, certain=sure and node.certain, sure=sure)

    def output(self, out: Output, source: Tensor | None, node: GraphNode | None, *, site: Site) -> Tensor:
        """The tensor an operation returns, related to `source` as `out` says."""
        if out.alias is Alias.SELF and source is not None:
            return source
        if out.alias in (Alias.FRESH, Alias.SELF) or source is None:
            result = self.tensor(site)
        elif out.alias is Alias.MAYBE:
            result = self.tensor(site)
            result.maybe_of = source
        else:
            result = self._sharing(out, source, site)
        if node is not None and out.differentiable and out.alias not in (Alias.SHARED, Alias.MEMORY):
            result.node = node
            result.requires_grad = True if node.certain else None
        result.made_by = node.op if node else ""
        return result

    def _sharing(self, out: Output, source: Tensor, site: Site) -> Tensor:
        counter = Counter() if out.alias is Alias.MEMORY else source.counter
        result = Tensor(source.memory, counter, requires_grad=False, site=site)
        result.loops = self.loops
        # Outside inference mode, `detach()` and `.data` give an inference tensor a version counter, a view does not.
        result.inference = source.inference
        result.unversioned = source.inference and (out.alias is Alias.VIEW or self.modes.inference)
        if out.alias is Alias.VIEW:
            result.base = source.base or source
            result.view_kind = self._view_kind(out, source)
            result.view_site = site
            result.attr_version = len(counter.writes)
            result.alias_how, result.alias_of, result.alias_site = source.alias_how, source.alias_of, source.alias_site
            result.alias_version = source.alias_version
        else:
            result.alias_how = "detach" if out.alias is Alias.SHARED else "data"
            result.alias_of, result.alias_site = source, site
            result.alias_version = len(source.memory.writes)
        return result

    def _view_kind(self, out: Output, source: Tensor) -> str:
        if self.modes.inference and not source.inference:
            return "no_grad"
        if self.modes.grad is False:
            return "no_grad"
        if out.multi_view:
            return "multi"
        return source.view_kind or "plain"

    # -------------------------------------------------------------- writes

    def write(
        self, record: WriteRecord, values: Sequence[Tensor], node: GraphNode | None = None, *, overlaps: bool = False
    ) -> None:
        """Write to `record.tensor`; `values` are the operation's other operands, `node` the node it made."""
        if self.admits(record, values):
            self.perform(record, node, overlaps=overlaps)

    def admits(self, record: WriteRecord, values: Sequence[Tensor]) -> bool:
        """Autograd's checks of a write, which come before its node is made. Raises TorchError where torch refuses."""
        self.keep(record)
        refusal = self._refusal(record, values)
        if refusal is None and self.differentiated and self._may_be_refused(record.tensor):
            record.refusal, record.origin, record.certain = Refusal.MULTI_VIEW, record.tensor.view_site, False
        return not self._refuse_write(record, refusal)

    def _may_be_refused(self, tensor: Tensor) -> bool:
        """One of several views of a tensor that may require grad."""
        of_numbers = tensor.numpy or tensor.dtype in INTEGERS
        return tensor.view_kind == "multi" and not of_numbers and self.wants_grad([tensor]) is None

    def perform(self, record: WriteRecord, node: GraphNode | None, *, overlaps: bool = False) -> None:
        """Write, after `admits`. `overlaps`: the memory written overlaps itself or partly what is read (a check of the
        kernel's). Raises TorchError where torch refuses."""
        record.late = self.failed
        if self._refuse_write(record, Refusal.OVERLAP if overlaps else self._unversioned(record)):
            return
        self._bump(record.tensor, record)
        if node is not None:
            layout = record.tensor.layout
            if layout is not None and layout.overlapping and record.op != "[]=":
                node.overlapping = record
            self._rebase(record.tensor, node)

    def _refuse_write(self, record: WriteRecord, refusal: Refusal | None) -> bool:
        if refusal is None:
            return False
        record.refusal = refusal
        record.origin = record.tensor.view_site
        if self.alone and refusal in (Refusal.LEAF, Refusal.VIEW_OF_LEAF):
            record.certain = record.certain and not (record.tensor.base or record.tensor).parameter
        self.fail()
        return True

    def keep(self, record: WriteRecord) -> None:
        """Remember a write for the events of the path; where a raise is expected there is nothing to tell."""
        record.late = self.failed
        if not self.expecting:
            self.writes.append(record)

    def _unversioned(self, record: WriteRecord) -> Refusal | None:
        """The last check: the version of an inference tensor cannot move."""
        tensor = record.tensor
        unversioned = tensor.unversioned or (record.part and tensor.inference)
        return Refusal.INFERENCE if unversioned and not self.modes.inference and not tensor.numpy else None

    def _refusal(self, record: WriteRecord, values: Sequence[Tensor]) -> Refusal | None:
        tensor = record.tensor
        if self.wants_grad([tensor, *values]) is not True or tensor.numpy or record.op in _UNRECORDED:
            return None
        base = tensor.base
        if base is not None:
            refused = _REFUSED_VIEWS.get(tensor.view_kind)
            if refused is not None:
                return refused  # also when its base was written since: this write is what torch names
            if record.part is not False and self.modes.grad is not False:
                self.edge(tensor)  # the view that it writes to is made first
            if base.node is None and self.requires(tensor):
                return Refusal.VIEW_OF_LEAF
        if tensor.node is None and self.requires(tensor):
            return Refusal.LEAF
        return None

    def _bump(self, tensor: Tensor, record: WriteRecord) -> None:
        memory = tensor.memory
        record.changes = record.value is None or record.value != memory.filled
        if record.changes:
            memory.filled = record.value if _covers_memory(tensor) else None
        if not record.exchanges:
            memory.writes.append((record, True))
        if record.bumps:
            tensor.counter.writes.append((record, True))
        seen = {id(tensor)}
        root = tensor.base or tensor
        other = tensor.maybe_of or root.maybe_of
        while other is not None and id(other) not in seen:
            seen.add(id(other))
            other.memory.writes.append((record, False))
            if record.bumps:
                other.counter.writes.append((record, False))
            other = other.maybe_of or (other.base.maybe_of if other.base else None)

    def _rebase(self, tensor: Tensor, node: GraphNode) -> None:
        """Make `node` the history of the written tensor, and of its base when it is a view."""
        requires: Tri = True if node.certain else (tensor.requires_grad or None)
        base = tensor.base
        tensor.detached = None
        if base is None:
            tensor.node = node
            tensor.requires_grad = requires
            return
        if base.requires_grad is not False:
            node.edges.append(base.node or base)
        base.node = node
        base.requires_grad = requires
        node.frees = True  # `CopySlices` gives up the operation it wraps
        tensor.node = self.node("view", node.site, [node], frees=False)
        tensor.node.certain = node.certain
        tensor.requires_grad = requires
        tensor.attr_version = len(tensor.counter.writes)

    # -------------------------------------------------------------- errors

    def refuse(
        self, site: Site, reason: Refusal, tensor: Tensor, *, origin: Site | None = None, certain: bool = True
    ) -> None:
        """Torch raises at `site`, for `reason`; perhaps, where that is not `certain`."""
        self.emit(Refused(site=site, reason=reason, target=self.ref(tensor), origin=origin, certain=certain))
        if certain:
            self.fail()

    def fail(self) -> None:
        """Torch raises here: go to the program's handler if it has one, else remember that nothing later runs."""
        if self.catching or self.expecting:
            raise TorchError
        self.failed = True

    def emit(self, event: Event) -> None:
        """Keep an event, with whether torch raised before it; where a raise is expected there is nothing to tell."""
        if not self.expecting:
            self.events.append((event, self.failed))

    def note_alias_read(self, record: WriteRecord, alias: Tensor, site: Site) -> None:
        """`alias` is read after `record` wrote the memory it shares."""
        if record.target.in_graph and record.grad_enabled and alias.alias_site is not None and not self.expecting:
            record.alias_read = AliasRead(alias.alias_site, alias.alias_how, alias.name, site)

    def ref(self, tensor: Tensor, name: str = "") -> TensorRef:
        """What a message says of `tensor`."""
        requires = self.requires(tensor)
        node = tensor.node or (tensor.base.node if tensor.base is not None else None)
        in_graph: Tri = (node is not None and node.certain) if requires else requires
        return TensorRef(
            name=name or tensor.name,
            in_graph=None if requires is None else in_graph,
            leaf=tensor.node is None,
            parameter=tensor.parameter,
            made=tensor.node.site if tensor.node else tensor.site,
            made_by=tensor.node.op if tensor.node else "",
        )

"""Looks at the variables of a running program, before and after chosen statements, without running any of its code."""

from __future__ import annotations

import ast
import ctypes
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.graph import walk
from autograd_lint.dynamic.probes import Probes
from autograd_lint.dynamic.watch import is_leaf
from autograd_lint.evidence import Facts, Round

_BASE: Final[Any] = torch._C.TensorBase
_GRAD: Final[Any] = torch._C.TensorBase.grad
_PLAIN: Final = (torch.Tensor, torch.nn.Parameter)
_READ: Final = 4
"""Elements that are read out."""
_LARGEST: Final = 1 << 22
"""Bytes of a tensor that are compared as a whole."""
_FIRST_ROUNDS: Final = 4
_EARLIER: Final = 10
_NODES: Final = 5_000
_LEAVES: Final = 16
_ATTRIBUTES: Final = 16
_ELEMENTS: Final = 100
_DEPTH: Final = 2
_MISSING: Final = object()
FORWARD_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""The hooks of a module that run when it is called."""


class Aim:
    """A statement to look at: its rows, and the expressions to evaluate before and after it.

    With `probes` a hook that only counts is on each module among them while the statement runs.
    """

    def __init__(
        self, filename: str, first: int, last: int, expressions: list[str], *, graphs: bool, probes: bool = False
    ) -> None:
        self.filename = filename
        self._graphs = graphs
        self._probes = Probes() if probes else None
        self.first = first
        self.rows = range(first, last + 1)
        self.expressions = {text: ast.parse(text, mode="eval").body for text in expressions}
        self.rounds: list[Round] = []
        self.earlier: list[Round] = []
        """Those of attempts before this one, the last one first."""
        self.pending: list[tuple[FrameType, Mapping[str, Facts]]] = []
        self.ends: tuple[Facts, ...] = ()
        self._leaves: dict[int, weakref.ref[torch.Tensor]] = {}

    def again(self) -> None:
        """The program begins anew: its rounds are no continuation of those before."""
        self.earlier = [*self.rounds, *self.earlier][:_EARLIER]
        self.rounds = []

    def before(self, frame: FrameType) -> None:
        """The statement is about to run in `frame`."""
        self.pending.append((frame, self._look(frame)))
        if self._probes is not None:
            self._probes.put_on(self._value(text, frame) for text in self.expressions)

    def after(self, frame: FrameType) -> None:
        """`frame` has gone on from the statement."""
        self._end(frame, self._look(frame))

    def failed(self, frame: FrameType) -> None:
        """The statement raised, or was left in another way."""
        self._end(frame, None)

    def finish(self) -> None:
        """The program has ended: look at the leaves (or, where graphs do not matter, the tensors) once more."""
        alive = [leaf for leaf in (ref() for ref in self._leaves.values()) if leaf is not None]
        self.ends = _leaves_of(alive)

    def _value(self, text: str, frame: FrameType) -> Any:
        return _value(self.expressions[text], frame.f_locals, frame.f_globals)

    def is_inside(self, frame: FrameType) -> bool:
        """Whether the statement runs in `frame`."""
        return any(running is frame for running, _ in self.pending)

    def _end(self, frame: FrameType, after: Mapping[str, Facts] | None) -> None:
        before = next(values for running, values in self.pending if running is frame)
        self.pending = [(running, values) for running, values in self.pending if running is not frame]
        if self._probes is not None and not self.pending:
            self._probes.take_off()
        if len(self.rounds) > _FIRST_ROUNDS:
            del self.rounds[-1]
        self.rounds.append(Round(before, after))

    def _look(self, frame: FrameType) -> dict[str, Facts]:
        found = {}
        for text in self.expressions:
            value = self._value(text, frame)
            if value is not _MISSING:
                facts = facts_of(value, graphs=self._graphs)
                if facts is not None:
                    probed = None if self._probes is None else self._probes.counted(value)
                    found[text] = facts if probed is None else replace(facts, probed=probed)
                if isinstance(value, torch.Tensor) and len(self._leaves) < _LEAVES:
                    ends = _leaves_below(value) if self._graphs else (value,)
                    self._leaves.update((id(each), weakref.ref(each)) for each in ends)
        return found


def _value(node: ast.expr, names: Mapping[str, Any], others: Mapping[str, Any]) -> Any:
    """What a name, an attribute's path or an element is bound to; found without calling anything of the program's."""
    match node:
        case ast.Name(id=name):
            return names.get(name, others.get(name, _MISSING))
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, names, others)
            return _MISSING if owner is _MISSING else _attribute(owner, name)
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            owner = _value(inner, names, others)
            return _element(owner, key)
    return _MISSING


def _attribute(owner: Any, name: str) -> Any:
    if isinstance(owner, torch.Tensor):
        return _GRAD.__get__(owner) if name == "grad" and type(owner) in _PLAIN else _MISSING
    own = getattr(owner, "__dict__", None)
    if not isinstance(own, dict):
        return _MISSING
    if name in own:
        return own[name]
    for table in ("_parameters", "_buffers", "_modules"):
        held = own.get(table)
        if isinstance(owner, torch.nn.Module) and isinstance(held, dict) and name in held:
            return held[name]
    return _MISSING


def _element(owner: Any, key: Any) -> Any:
    if type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner):
        return owner[key]
    if type(owner) is dict:
        return owner.get(key, _MISSING)
    return _MISSING


def facts_of(value: Any, *, graphs: bool = False, gradients: bool = True) -> Facts | None:
    """What can be seen of a value that matters to autograd; None of others. `graphs`: also of the graph behind it."""
    if value is None:
        return Facts("NoneType")
    if isinstance(value, torch.Tensor):
        return _tensor(value, graphs=graphs, gradients=gradients)
    if isinstance(value, torch.nn.Module):
        return _module(value)
    if isinstance(value, torch.autograd.function.FunctionCtx):
        return Facts(_name(value), leaves=_leaves_of(_saved_by(value)))
    if isinstance(value, torch.optim.Optimizer):
        held = [parameter for group in value.param_groups for parameter in group["params"]]
        return Facts(_name(value), nodes=len(value.state), leaves=_leaves_of(held), identity=id(value))
    if type(value) in (list, tuple, set) or isinstance(value, dict):
        return _container(value, graphs=graphs)
    if isinstance(value, bool | int | float):
        return Facts(_name(value), shape=(), values=(float(value),))
    return None


def _name(value: object) -> str:
    return type(value).__name__


def _module(module: torch.nn.Module) -> Facts:
    named = list(torch.nn.Module.named_parameters(module))
    hooks = sum(len(table) for name, table in vars(module).items() if name in FORWARD_HOOKS and table)
    leaves = _leaves_of(parameter for _, parameter in named)
    names, own = tuple(name for name, _ in named), _attributes(module)
    training = module.training
    return Facts(
        _name(module),
        parameters=names,
        hooks=hooks,
        leaves=leaves,
        identity=id(module),
        attributes=own,
        training=training,
    )


def _attributes(value: object) -> tuple[str, ...]:
    """The names that were set on an object itself."""
    own = getattr(value, "__dict__", None)
    names = (name for name in own if isinstance(name, str) and name[:1] != "_") if isinstance(own, dict) else ()
    return tuple(islice(names, _ATTRIBUTES))


def _saved_by(context: Any) -> tuple[torch.Tensor, ...]:
    """What a custom Function has given to `save_for_backward` so far."""
    saved = getattr(context, "to_save", None)
    return tuple(item for item in saved or () if isinstance(item, torch.Tensor))


def _leaves_below(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The leaves that a tensor was computed from; itself, if it is one that wants a gradient."""
    if is_leaf(tensor):
        return (tensor,) if tensor.requires_grad else ()
    return walk([tensor]).leaves


def _leaves_of(tensors: Iterable[torch.Tensor]) -> tuple[Facts, ...]:
    """The first few of the leaves `tensors`, with their gradients."""
    found = (_tensor(tensor, graphs=False, gradients=True) for tensor in islice(tensors, _LEAVES))
    return tuple(facts for facts in found if facts is not None)


def _container(value: Any, *, graphs: bool) -> Facts:
    """Of a container: how many elements it has; the graphs of its tensors and one checksum of all.

    Its leaves are those among the tensors, and the parameters of the modules.
    """
    items = list(islice(_elements(value), _ELEMENTS))
    inside = [_tensor(item, graphs=graphs, gradients=False) for item in items if isinstance(item, torch.Tensor)]
    found = [facts for facts in inside if facts is not None]
    digest = hash(tuple(facts.digest for facts in found)) if found else None
    nodes, saved = sum(facts.nodes for facts in found), sum(facts.saved for facts in found)
    first = next((facts.values for facts in found), ())
    leaves = {leaf.identity: leaf for facts in found for leaf in (facts.leaves if facts.grad_fn else (facts,))}
    below = tuple(leaf for leaf in leaves.values() if leaf.requires_grad)[:_LEAVES]
    return Facts(
        _name(value),
        count=len(value),
        digest=digest,
        nodes=nodes,
        saved=saved,
        values=first,
        leaves=below or _leaves_of(_trained(items)),
        identity=id(value),
    )


def _elements(value: Any, depth: int = 0) -> Iterator[Any]:
    for item in list(value.values()) if isinstance(value, dict) else list(value):
        if depth < _DEPTH and type(item) in (list, tuple, dict, OrderedDict):
            yield from _elements(item, depth + 1)
        else:
            yield item


def _trained(items: Iterable[Any]) -> Iterator[torch.Tensor]:
    for item in items:
        if isinstance(item, torch.nn.Module):
            yield from torch.nn.Module.parameters(item)
        elif isinstance(item, torch.Tensor) and item.requires_grad and item.is_leaf:
            yield item


def _tensor(tensor: torch.Tensor, *, graphs: bool, gradients: bool) -> Facts | None:
    if type(tensor) not in _PLAIN or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return None
    try:
        node, leaf = tensor.grad_fn, tensor.is_leaf
    except RuntimeError:  # a view whose base was written: torch refuses to make its node
        node, leaf = None, False
    with torch.no_grad():
        values, digest, finite = _contents(tensor)
    graph = _graph(node) if graphs and node is not None else _Graph()
    gradient = _GRAD.__get__(tensor) if gradients and (leaf or tensor.retains_grad) else None
    return Facts(
        type(tensor).__name__,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        version=None if tensor.is_inference() else tensor._version,
        grad_fn="" if node is None else node.name(),
        leaf=leaf,
        requires_grad=tensor.requires_grad,
        values=values,
        digest=digest,
        finite=finite,
        gradient=None if gradient is None else facts_of(gradient, gradients=False),
        hooks=len(tensor._backward_hooks or ()),
        nodes=graph.nodes,
        saved=graph.saved,
        leaves=graph.leaves,
        identity=id(tensor),
        attributes=_attributes(tensor),
    )


def _contents(tensor: torch.Tensor) -> tuple[tuple[float, ...], int | None, bool]:
    """The first elements, a checksum of all, and whether none of them is NaN or infinite."""
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_complex():
        return (), None, True
    if tensor.numel() * tensor.element_size() > _LARGEST:
        return (), None, True
    plain = tensor.detach().to(torch.float64).flatten().contiguous()
    digest = zlib.crc32(ctypes.string_at(plain.data_ptr(), plain.numel() * plain.element_size()))
    return tuple(plain[:_READ].tolist()), digest, bool(torch.isfinite(plain).all())


@dataclass(frozen=True, slots=True)
class _Graph:
    """The nodes of a graph, the bytes that they hold saved, the leaves it ends at."""

    nodes: int = 0
    saved: int = 0
    leaves: tuple[Facts, ...] = ()


def _graph(node: Any) -> _Graph:
    seen, waiting = {node}, [node]
    held: dict[int, int] = {}
    leaves: list[torch.Tensor] = []
    while waiting and len(seen) < _NODES:
        current = waiting.pop()
        if hasattr(current, "variable"):
            leaves.append(current.variable)
        for name in dir(current):
            if name.startswith("_raw_saved_"):
                _hold(current, name.removeprefix("_raw"), held)
        for following, _ in current.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return _Graph(len(seen), sum(held.values()), _leaves_of(leaves))


def _hold(node: Any, name: str, held: dict[int, int]) -> None:
    try:
        saved = getattr(node, name)
    except RuntimeError:  # freed, or changed since
        return
    for tensor in saved if isinstance(saved, tuple) else (saved,):
        if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()

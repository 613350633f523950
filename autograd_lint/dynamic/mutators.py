"""Wraps everything in torch that writes a tensor, so that each write is noted with the line that asked for it.

Operations that write nothing are left alone, so they cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final

import torch

from autograd_lint.dynamic.forward_warnings import call_from
from autograd_lint.dynamic.gradients import Gradients
from autograd_lint.dynamic.guard import guarded
from autograd_lint.dynamic.mutator_names import mutator_names
from autograd_lint.dynamic.patches import Patches, dressed
from autograd_lint.dynamic.records import Via, WriteFacts
from autograd_lint.dynamic.refusals import refusal_of_write
from autograd_lint.dynamic.watch import Layer, Watch, address_of, checksum, is_leaf, is_plain, version_of

_OPERATORS: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift")


def install_mutators(watch: Watch, patches: Patches, gradients: Gradients) -> None:
    """Replace every mutator of torch by one that notes what it writes."""
    table = torch.jit._builtins._get_builtin_table()
    writer = Writer(watch, gradients)
    modules: tuple[Any, ...] = (torch, torch._C._nn, torch._VF, torch.nn.functional)
    names = mutator_names()
    for name, position in names.writing:
        if hasattr(torch._C.TensorBase, name):
            method = getattr(torch.Tensor, name)
            patches.set(torch.Tensor, name, _wrap(writer, method, name, Via.METHOD, position))
        for module in modules:
            function = _own(module, name)
            if callable(function):
                _set_function(patches, table, module, name, _wrap(writer, function, name, Via.FUNCTION, position))
    for name in _OPERATORS:
        dunder = f"__i{name}__"
        if hasattr(torch.Tensor, dunder):
            patches.set(torch.Tensor, dunder, _wrap(writer, getattr(torch.Tensor, dunder), dunder, Via.OPERATOR, 0))
    # This fills the slot of `PySequence_SetItem` as well, for good, which nothing written in Python can tell.
    patches.set(torch.Tensor, "__setitem__", _wrap(writer, torch.Tensor.__setitem__, "[]=", Via.INDEX, 0))
    for module, name in names.with_out:
        _set_function(patches, table, module, name, _wrap_out(writer, getattr(module, name), name))


def _own(module: Any, name: str) -> Any:
    if module is torch._VF:  # hands out the functions of another module
        return getattr(torch._C._VariableFunctions, name, None)
    return vars(module).get(name)


def _set_function(patches: Patches, table: dict[int, str], owner: Any, name: str, wrapper: Any) -> None:
    """Replace a function, and let `torch.jit.script`, which knows builtins by identity, know the wrapper too."""
    patches.set(owner, name, wrapper)
    builtin = table.get(id(wrapper.__wrapped__))
    if builtin is not None:
        patches.set_item(table, id(wrapper), builtin)


def _wrap(writer: Writer, original: Any, op: str, via: Via, position: int) -> Callable[..., Any]:
    note, layers, get_frame, optimizer = writer.call, writer.layers, sys._getframe, Layer.OPTIMIZER

    def write(*args: Any, **kwargs: Any) -> Any:
        frame = get_frame(1)
        # What an optimizer writes is noted as a whole, when it has stepped; what clears gradients is noted here.
        if layers[frame.f_code.co_filename] is optimizer and frame.f_code.co_name != "zero_grad":
            return original(*args, **kwargs)
        if len(args) <= position:
            return original(*args, **kwargs)
        return note(original, op, via, args[position], args, kwargs, frame)

    return dressed(write, original)


def _wrap_out(writer: Writer, original: Any, op: str) -> Callable[..., Any]:
    note, layers = writer.call, writer.layers

    def write(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is None:
            return original(*args, **kwargs)
        frame = sys._getframe(1)
        if layers[frame.f_code.co_filename] is Layer.OPTIMIZER:
            return original(*args, **kwargs)
        return note(original, op, Via.OUT, kwargs["out"], args, kwargs, frame)

    return dressed(write, original)


@dataclass(frozen=True, slots=True)
class _Written:
    """A tensor that is about to be written; `values` is a checksum of what it holds, where that is wanted."""

    tensor: torch.Tensor
    address: int
    facts: WriteFacts
    values: int | None


class Writer:
    """Notes writes."""

    def __init__(self, watch: Watch, gradients: Gradients) -> None:
        self._watch = watch
        self.layers = watch.layers
        self._gradients = gradients
        self._known: dict[tuple[Any, ...], WriteFacts] = {}

    def call(self, original: Any, op: str, via: Via, target: Any, args: Any, kwargs: Any, frame: FrameType) -> Any:
        """Run `original`, which writes `target`, and note that; or just run it where it is none of ours."""
        targets = target if isinstance(target, list | tuple) else (target,)
        if not targets or not is_plain(targets[0]):
            return original(*args, **kwargs)
        user, between = self._watch.reach(frame)
        if user is None:
            return original(*args, **kwargs)
        if self._watch.refuse is not None:
            for item in targets:
                self._watch.refuse(item)
        written = self._before(targets, op, via, args, user, frame, between)
        try:
            # Torch may warn of a result that had to be resized.
            result = call_from(frame, original, *args, **kwargs) if via is Via.OUT else original(*args, **kwargs)
        except RuntimeError as error:
            self._refused(error, written)
            raise
        zero = _is_zeroing(op, args)
        self._note(written, zero=zero)
        if zero and user is frame:
            self._gradients.note_zero(targets[0], op, user)
        return result

    @guarded
    def _before(self, targets: Iterable[Any], *about: Any) -> list[_Written]:
        exposed = self._watch.log.exposed
        written = []
        for item in targets:
            if is_plain(item):
                address = address_of(item)
                # Only where a write may go unnoticed does it matter whether it changes anything.
                values = checksum(item) if address in exposed else None
                written.append(_Written(item, address, self._facts(item, *about), values))
        return written

    @guarded
    def _note(self, written: list[_Written] | None, *, zero: bool) -> None:
        log, seq = self._watch.log, self._watch.next_number()
        for item in written or ():
            version, now = version_of(item.tensor), address_of(item.tensor)
            same = now == item.address and item.values is not None and item.values == checksum(item.tensor)
            for address in {item.address, now}:  # `set_` and `resize_` change what the tensor's memory is
                log.add(address, item.facts, seq=seq, version=version, zero=zero, changed=not same)

    def _facts(
        self, target: Any, op: str, via: Via, args: Any, user: FrameType, frame: FrameType, between: FrameType | None
    ) -> WriteFacts:
        leaf, wants = is_leaf(target), target.requires_grad
        value = len(args) > 2 if via is Via.INDEX else len(args) > 1
        value_in_graph = value and any(isinstance(a, torch.Tensor) and a.requires_grad for a in args[1:])
        enabled = torch.is_grad_enabled()
        through = self.through(target)
        key = (id(user.f_code), user.f_lasti, op, leaf, wants, value_in_graph, enabled, through, type(target))
        facts = self._known.get(key)
        if facts is None:
            name, reached = (op, via) if user is frame else self._reached(op, via, between)
            facts = self._known[key] = WriteFacts(
                spot=self._watch.frames.spot(user),
                op=name,
                via=reached,
                through=through,
                in_graph=wants and not leaf,
                leaf=leaf,
                parameter=isinstance(target, torch.nn.Parameter),
                requires_grad=wants,
                value_in_graph=value_in_graph,
                grad_enabled=enabled,
                argument=self._gradients.first_writes.argument(target, user) or "",
                overlapping=_overlaps_itself(target),
            )
            self._watch.records.writes[facts] = None
            if user is frame:
                self._gradients.first_writes.look(target, op, user)
        return facts

    def through(self, target: torch.Tensor) -> str:
        """The alias that `target` is, or is a view of."""
        aliases = self._watch.aliases
        if not aliases:
            return ""
        alias = aliases.find(target)
        if alias is None and target._is_view():
            alias = aliases.find(target._base)
        return alias.how if alias is not None else ""

    def _reached(self, op: str, via: Via, between: FrameType | None) -> tuple[str, Via]:
        """What a write is called that torch's own Python code makes on the user's behalf."""
        if between is None:
            return op, Via.FUNCTION if via in (Via.METHOD, Via.OPERATOR, Via.INDEX) else via
        module = between.f_locals.get("self")
        if getattr(module, "inplace", False) is True and between.f_code.co_name == "forward":
            return op, Via.MODULE
        return self._watch.entry_name(between, otherwise=op), Via.STATE

    @guarded
    def _refused(self, error: RuntimeError, written: list[_Written] | None) -> None:
        refusal = refusal_of_write(error)
        if refusal is None or not written:
            return
        facts = written[0].facts
        node = self._watch.node_of(written[0].tensor)
        self._watch.records.writes.pop(facts, None)
        told = replace(facts, refusal=refusal, origin=None if node is None else node.place)
        self._watch.records.writes[told] = None


def _overlaps_itself(tensor: torch.Tensor) -> bool:
    """Whether elements share memory, as those of an expanded tensor do."""
    if tensor.layout is not torch.strided:
        return False
    return any(size > 1 and step == 0 for size, step in zip(tensor.shape, tensor.stride(), strict=True))


def _is_zeroing(op: str, args: Any) -> bool:
    if op in ("zero_", "_foreach_zero_"):
        return True
    if op not in ("fill_", "mul_", "__imul__"):
        return False
    return len(args) > 1 and isinstance(args[1], int | float) and args[1] == 0

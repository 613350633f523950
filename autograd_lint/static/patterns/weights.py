"""Weights of modules that are not known: written in place, outside `no_grad`, as if they were plain tensors.

`layer.weight` and `layer.bias` of what is not known are most likely Parameters, which torch lets nobody write to while
gradients are recorded. Nothing learned so is certain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from autograd_lint.events import How, Refusal, TensorRef, Write
from autograd_lint.static.interpret.state import truth
from autograd_lint.static.model.values import Const, Seq, SliceValue, Unknown, Value

if TYPE_CHECKING:
    from autograd_lint.static.interpret.state import Run
    from autograd_lint.static.syntax import ir

_WEIGHT: Final = re.compile(r"weight|bias|(weight|bias)_[ih]h(_l\d+)?(_reverse)?|in_proj_(weight|bias)")
_VIEWS: Final = frozenset({"view", "reshape", "t", "transpose", "permute", "squeeze", "unsqueeze", "flatten", "narrow"})
_VIEW_ATTRIBUTES: Final = frozenset({"T", "mT"})
_WRITING: Final = re.compile(r"(?!requires_grad_|share_memory_|retain_grad_|detach_)[a-z]\w*[a-z]_")


def note_call(run: Run, function: Value, last: str, result: Unknown, node: ir.Node) -> None:
    """`weight.view(…)` is a view of it; `weight.zero_()` writes it."""
    owner = function.owner if type(function) is Unknown else None
    if type(owner) is not Unknown or _weight_of(run, owner) is None:
        return
    if last in _VIEWS:
        run.watch.weights[id(result)] = (result, owner)
    elif _WRITING.fullmatch(last):
        _tell(run, owner, node, How.METHOD, last)


def note_item(run: Run, base: Unknown, index: Value, item: Value) -> None:
    """`weight[:, 0]` is a view of it; with a mask or a list of indices it would be a copy."""
    parts = index.items if isinstance(index, Seq) and index.kind == "tuple" else [index]
    if _weight_of(run, base) is not None and all(isinstance(part, SliceValue | Const) for part in parts):
        run.watch.weights[id(item)] = (item, base)


def note_write(run: Run, base: Value, node: ir.Node, how: How) -> None:
    """`weight[…] = value`."""
    if type(base) is Unknown and _weight_of(run, base) is not None:
        _tell(run, base, node, how, "[]=")


def _weight_of(run: Run, value: Unknown) -> Unknown | None:
    """The weight that `value` is, or is a view of."""
    while type(value) is Unknown:
        owner = run.watch.weights.get(id(value), (None, value.owner))[1]
        if type(owner) is not Unknown:
            return None
        if id(value) not in run.watch.weights and value.label not in _VIEW_ATTRIBUTES:
            return value if _WEIGHT.fullmatch(value.label) else None
        value = owner
    return None


def _tell(run: Run, written: Unknown, node: ir.Node, how: How, op: str) -> None:
    weight = _weight_of(run, written)
    machine = run.machine
    if weight is None or machine.modes.grad is not True or machine.failed or run.watch.frozen or _is_frozen(weight):
        return
    refusal = Refusal.LEAF if written is weight else Refusal.VIEW_OF_LEAF
    target = TensorRef(written.name or weight.name or weight.label, leaf=True, parameter=True)
    machine.emit(Write(site=run.site(node), target=target, how=how, op=op, refusal=refusal, certain=False))


def _is_frozen(weight: Unknown) -> bool:
    flag = (weight.attrs or {}).get("requires_grad")
    return flag is not None and truth(flag) is not True

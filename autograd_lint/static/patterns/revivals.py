"""Computed numbers that are made leaves: put into a new tensor, or told to require grad."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import DeadEnd, Site, TensorRef
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.traces import Trace, leave, trace_of
from autograd_lint.static.model.values import TRUE, Const, Revival, Seq, Tensor, Tri, Unknown, Value
from autograd_lint.static.operations.tensors import describe, known_tensor
from autograd_lint.static.syntax import ir

_DEPTH = 3


def rewrap(run: Run, tensor: Tensor, data: Value | None, how: str, node: ir.Node) -> None:
    """`tensor` was made of the numbers in `data`, and knows nothing of the graph they come from."""
    if data is None:
        return
    sources = list(_tensors(data))
    tensor.trace = _trace(run, data, sources, how, node)
    computed = True if tensor.trace is not None else _may_be_computed(data)
    if tensor.requires_grad and computed is not False:
        name = sources[0].name if sources else getattr(data, "name", "")
        tensor.revived = Revival(run.site(node), how, name=name, computed=computed)


def _trace(run: Run, data: Value, sources: list[Tensor], how: str, node: ir.Node) -> Trace | None:
    if any(run.machine.requires(t) for t in sources):
        return leave(run, sources, how, node, rewrapped=True)
    return trace_of(data)


def _tensors(value: Value, depth: int = 0) -> Iterator[Tensor]:
    tensor = known_tensor(value)
    if tensor is not None:
        yield tensor
    elif isinstance(value, Seq) and depth < _DEPTH:
        for item in value.items:
            yield from _tensors(item, depth + 1)


def _may_be_computed(data: Value) -> Tri:
    """Whether `data` may be something computed; None when it may as well be a constant."""
    if isinstance(data, Const):
        return False
    if isinstance(data, Seq):
        return None if any(_may_be_computed(item) is not False for item in data.items) else False
    return None if isinstance(data, Unknown) else False


def flag(run: Run, base: Value, value: Value, node: ir.Node, *, assigned: bool) -> None:
    """`base` is told to require grad: by `requires_grad = True` (`assigned`) or by `requires_grad_()`.

    Only a leaf can be told so by assignment; for what is in the graph already torch raises.
    """
    if value is not TRUE and not (isinstance(value, Const) and value.value is True):
        return
    how = "requires_grad = True" if assigned else "requires_grad_()"
    site = run.site(node)
    if isinstance(base, Unknown) and base.tensor is None:
        base.revived = Revival(site, how, name=base.name, flagged=True, computed=None, raises=assigned)
        return
    tensor = known_tensor(base) or (base.tensor if isinstance(base, Unknown) else None)
    if tensor is None or (tensor.node is not None and tensor.node.certain):
        return
    if not (tensor.made_by or tensor.trace is not None or tensor.node is not None):
        return
    named = node.base if isinstance(node, ir.Attr) else None
    name = describe(named) if named is not None else tensor.name
    known: Tri = True if tensor.node is None else None
    tensor.revived = Revival(site, how, name=name or tensor.name, flagged=True, computed=known, raises=assigned)


def dead_end_of_unknown(revival: Revival, needed: Site) -> DeadEnd:
    """The backward of what is not known but for having been told to require grad: in the graph or not, it is wrong."""
    return DeadEnd(
        site=revival.site,
        certain=revival.raises,
        target=TensorRef(revival.name),
        how=revival.how,
        needed=needed,
        flagged=True,
        raises=revival.raises,
    )

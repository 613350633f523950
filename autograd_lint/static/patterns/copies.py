"""Writes to copies that indexing has made, and that nothing holds: they are lost."""

from __future__ import annotations

from autograd_lint.events import LostWrite, Site
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.machine import WriteRecord
from autograd_lint.static.model.values import Seq, Tensor, Value
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.syntax import ir


def surely_copies(index: Value) -> bool:
    """Indexing with it gives a copy: a list, a mask, a tensor that has dimensions; alone or in a tuple."""
    if isinstance(index, Seq):
        if index.kind == "tuple":
            return any(surely_copies(item) for item in index.items)
        return index.kind == "list"
    if type(index) is not Tensor:
        return False
    return index.dtype == "bool" or (index.layout is not None and len(index.layout.shape) > 0)


def note_statement(run: Run, call: ir.Call, before: int) -> None:
    """A call on its own has written; `before` is how many writes there were."""
    for record in run.machine.writes[before:]:
        if record.site.token is call.cst and record.op != "detach_" and record.refusal is None:
            receiver = call.func.base if isinstance(call.func, ir.Attr) else None
            first = call.args[0].value if call.args else None
            for written in (receiver, first):
                if written is not None and _emit(run, record.tensor, written, record, record.site):
                    return


def note_item(run: Run, target: ir.Subscript, base: Value, site: Site) -> None:
    """`x[mask][0] = v` has written to an element of `x[mask]`."""
    if isinstance(base, Tensor) and run.machine.writes:
        record = run.machine.writes[-1]
        if record.tensor is base and record.refusal is None:
            _emit(run, base, target.base, record, site)


def _emit(run: Run, tensor: Tensor, written: ir.Expr, record: WriteRecord, site: Site) -> bool:
    copied = _copied(tensor)
    source = _within(written, copied)
    if copied is None or source is None:
        return False
    target = run.machine.ref(tensor, describe(source.base))
    run.machine.emit(LostWrite(site=site, target=target, op=record.op, copied=copied, certain=record.certain))
    return True


def _copied(tensor: Tensor) -> Site | None:
    """Where indexing made the copy that `tensor` is, is a view of, or shares memory with."""
    link: Tensor | None = tensor
    while link is not None:
        root = link.base or link
        if root.copied is not None:
            return root.copied
        link = root.alias_of
    return None


def _within(expr: ir.Expr, copied: Site | None) -> ir.Subscript | None:
    """The indexing in a chain of methods and attributes that made the copy: nobody else can have a name for it."""
    part: ir.Expr = expr
    while copied is not None:
        if isinstance(part, ir.Subscript):
            if part.cst is copied.token:
                return part
            part = part.base
        elif isinstance(part, ir.Attr):
            part = part.base
        elif isinstance(part, ir.Call) and isinstance(part.func, ir.Attr):
            part = part.func.base
        else:
            return None
    return None

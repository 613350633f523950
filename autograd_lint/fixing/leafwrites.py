"""Writes to leaves that require grad, put under `no_grad`: those that stand in a row under one."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from autograd_lint.events import How, Refusal, Write
from autograd_lint.finding import Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.lines import in_a_row, under
from autograd_lint.fixing.names import name_for


def under_no_grad(code: Code, event: Write) -> Fix | None:
    """`with torch.no_grad():` around the statement that writes, and around its neighbours that do."""
    node = code.node(event.site)
    no_grad = None if node is None else name_for(code, "torch.no_grad", node)
    if node is None or no_grad is None or event.how is How.MODULE:
        return None
    first, last = in_a_row(code, node, _refused(code))
    edit = under(code, first, f"with {no_grad.text}():", until=last)
    return code.unsafe("write under `no_grad`", *no_grad.imports, edit)


def _refused(code: Code) -> Iterator[cst.CSTNode]:
    """All writes of the file that torch refuses because of a leaf."""
    for site in code.reported(Write):
        node = code.node(site)
        if node is not None and any(_is_refused(event) for event in code.events_at(site)):
            yield node


def _is_refused(event: object) -> bool:
    leaf = (Refusal.LEAF, Refusal.VIEW_OF_LEAF)
    return isinstance(event, Write) and event.refusal in leaf and event.how is not How.MODULE

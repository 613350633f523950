"""A value with its graph, in place of one that was cut from it."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.events import ConstantTerm, Cut
from autograd_lint.finding import Fix
from autograd_lint.fixing.calls import receiver, with_keyword
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.lines import without_header
from autograd_lint.fixing.values import bracketed, instead

_METHODS: Final = frozenset({"item", "detach", "tolist"})


def uncut(code: Code, event: Cut | ConstantTerm) -> Fix | None:
    """The cut left out: a method, `.data`, `float(…)`, or the `with torch.no_grad():` around it."""
    node = code.expression(event.site)
    if node is None or _becomes_array(code, node):
        return None
    match node:
        case cst.Call() if event.how == "autograd.grad":
            return code.unsafe("keep the graph of the gradient", with_keyword(code, node, "create_graph", "True"))
        case cst.Call() if event.how == "no_grad":
            header = code.nearest(node, cst.With)
            return None if header is None else code.unsafe("drop the `no_grad` block", without_header(code, header))
        case cst.Call(func=cst.Attribute(value=kept, attr=cst.Name(value=name)), args=()) if name in _METHODS:
            text = receiver(code, kept)
        case cst.Attribute(value=kept, attr=cst.Name(value="data")):
            text = receiver(code, kept)
        case cst.Call(func=cst.Name(value="float"), args=[cst.Arg(value=kept)]):
            text = bracketed(code, kept)
        case _:
            return None
    return code.unsafe("drop the cut", instead(code, node, text))


def _becomes_array(code: Code, node: cst.CSTNode) -> bool:
    """`x.detach().cpu().numpy()`: what NumPy computes has no graph."""
    around = code.parent(node)
    while isinstance(around, cst.Call | cst.Attribute):
        if isinstance(around, cst.Attribute) and around.attr.value == "numpy":
            return True
        around = code.parent(around)
    return False

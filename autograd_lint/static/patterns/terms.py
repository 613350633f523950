"""Terms of a loss that are plain numbers: they were taken out of the graph, and move no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autograd_lint.events import ConstantTerm, TensorRef
from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.passes import Reached
from autograd_lint.static.model.traces import NUMBERS, Trace, first_cut

_SUMS: Final = frozenset({"+", "-", "+=", "-=", "add", "sub", "neg", "sum", "mean"})
_FACTORS: Final = frozenset({"*", "/", "*=", "/=", "mul", "div"})
_GRADIENTS: Final = "autograd.grad"
_MOST_TERMS: Final = 64


def constant_terms(reached: Reached) -> Iterator[ConstantTerm]:
    """The numbers that were added up with the root of a pass, and once belonged to a graph."""
    request = reached.request
    if not request.known or not request.accumulate:
        return
    roots = [root.node for root in request.roots if root.node is not None]
    for node in _summed(roots):
        for trace in map(_constant, node.traces):
            if trace is not None and trace.site is not None:
                yield ConstantTerm(
                    site=trace.site,
                    target=TensorRef(trace.name),
                    how=trace.how,
                    added=node.site,
                    needed=request.site,
                    known=node.certain and (bool(trace.edges) or first_cut(trace) is not None),
                )


def _constant(trace: Trace) -> Trace | None:
    """The place where the number itself was taken out, or where the gradients it was computed from were."""
    if trace.how in NUMBERS:
        return trace
    nearest = first_cut(trace)
    return nearest if nearest is not None and nearest.how == _GRADIENTS else None


def _summed(roots: list[GraphNode]) -> Iterator[GraphNode]:
    """The sums and differences whose every term is a term of the roots, up to a factor."""
    waiting = list(roots)
    for node in waiting:
        factor = node.op in _FACTORS and len(node.edges) == 1 and not node.traces
        if len(waiting) > _MOST_TERMS or not (factor or node.op in _SUMS):
            continue
        if not factor:
            yield node
        waiting.extend(edge for edge in node.edges if isinstance(edge, GraphNode))

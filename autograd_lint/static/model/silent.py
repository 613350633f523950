"""Whether a write that no version counter shows makes a gradient wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autograd_lint.static.model.machine import GraphNode
    from autograd_lint.static.model.saved import SavedRecord

_STEPWISE: Final = re.compile(
    r"abs|absolute|amin|amax|aminmax|angle|(adaptive)?(avg|max)pool[123]d|clamp|clamp(min|max)|clip|copysign"
    r"|cummax|cummin|fmax|fmin|fmod|gather|hard(shrink|sigmoid|tanh)|i?r?fft|index(add|copy|reduce)|interpolate"
    r"|leakyrelu|maskedselect|max|maximum|median|min|minimum|nanmean|nanmedian|nansum|nantonum|pad|prelu|put|relu6?"
    r"|remainder|(reflection|replication)pad[123]d|rrelu|scatterreduce|sgn|sign|softshrink|take|takealongdim|threshold"
)
"""Operations whose derivative asks of what they saved only its shape, its signs or its order."""

_VIEWING: Final = frozenset({"linear", "bilinear", "kron", "einsum", "tensordot", "matmul"})
"""Operations that may save a view of an operand: it keeps its memory when the operand is given other memory."""

UNWATCHED: Final = frozenset({"kron"})
"""Operations that save an operand's memory under a version counter of its own."""


def certainly_wrong(node: GraphNode) -> bool:
    """Other values in what `node` saved give another gradient, whatever the values."""
    return _STEPWISE.fullmatch(_plain(node.op)) is None


def follows_reseating(node: GraphNode, saved: SavedRecord) -> bool:
    """`x.data = v` changes what `node` saved of `x`: the tensor itself, as an operand."""
    return not saved.result and saved.elementwise and _plain(node.op) not in _VIEWING


def _plain(op: str) -> str:
    """One name for a function, its in-place form and its module."""
    return op.replace("_", "").lower()

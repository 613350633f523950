"""Operands that an operation brings in order before it saves them: of those laid out otherwise, it saves a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from autograd_lint.static.model.machine import GraphNode
from autograd_lint.static.model.saved import SavedRecord
from autograd_lint.static.model.values import Tensor, Tri
from autograd_lint.static.shapes import layout as layouts

_CONTIGUOUS: Final = frozenset(
    {
        *("cdist", "pdist", "embedding_bag", "EmbeddingBag", "group_norm", "GroupNorm", "LSTM"),
        *("instance_norm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
    }
)
"""They take contiguous memory (a test runs torch)."""
_MATRIX: Final = frozenset({"matmul", "__matmul__", "linear", "Linear", "inner"})
"""They make a matrix of a first operand with more dimensions, where no other has more than two (a test runs torch)."""
_FLATTENING: Final = _MATRIX | {
    *("__rmatmul__", "tensordot", "einsum", "bilinear", "Bilinear", "RNN", "GRU", "tensorsolve"),
    *("scaled_dot_product_attention", "multi_head_attention_forward", "MultiheadAttention"),
    *("cross_entropy", "CrossEntropyLoss", "linear_cross_entropy", "embedding", "Embedding"),
}
"""They join dimensions; what of an operand that is not contiguous is left of it, only some of them tell."""
_MATRIX_RANK: Final = 2


def leave_out_copies(made: GraphNode | None, name: str, operands: Mapping[str, list[Tensor]]) -> None:
    """Take from what `made` saved the operands of which it has a copy, and doubt those of which it may have one."""
    short = name.rpartition(".")[2]
    if made is None or not made.saved or short not in _CONTIGUOUS | _FLATTENING:
        return
    kept: list[SavedRecord] = []
    for saved in made.saved:
        verdict = _is_kept(short, saved.tensor, operands)
        if verdict is not True:
            saved.doubt()
        if verdict is not False:
            kept.append(saved)
    made.saved = kept


def _is_kept(short: str, tensor: Tensor, operands: Mapping[str, list[Tensor]]) -> Tri:
    layout = tensor.layout
    if layout is None:
        return True if tensor.base is None else None
    if layout.contiguous:
        return True
    if short in _CONTIGUOUS:
        return False
    if len(layout.shape) <= _MATRIX_RANK:
        return True if short in _MATRIX else None
    first = operands.get("input") or operands.get("self")
    others = [t for group in operands.values() for t in group if t is not tensor]
    if short not in _MATRIX or first != [tensor] or any(_has_more_dimensions(t) is not False for t in others):
        return None
    return layouts.view(layout, (-1, layout.shape[-1])) is not None


def _has_more_dimensions(tensor: Tensor) -> Tri:
    return None if tensor.layout is None else len(tensor.layout.shape) > _MATRIX_RANK

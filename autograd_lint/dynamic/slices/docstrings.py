"""Shapes that docstrings tell: `x: (N, C, H, W)`, `tokens: LongTensor of shape [batch, length]`."""

from __future__ import annotations

import ast
import re
from typing import Final

from autograd_lint.dynamic.slices.lessons import SIZE, Spec

_SHAPE: Final = re.compile(r"[(\[]\s*([\w.*+/ -]+(?:\s*[,x×]\s*[\w.*+/ -]+)*)\s*,?\s*[)\]]")
_WHOLE: Final = re.compile(r"\b(long|int|int64|longtensor|indices|index|ids|integers?)\b", re.IGNORECASE)
_BATCH: Final = ("n", "b", "bs", "batch", "batch_size", "bsz")
_FEW: Final = 2
_SIDE: Final = 16
_SIDES: Final = ("h", "w", "height", "width", "h_in", "w_in")


def told_specs(*nodes: ast.AST | None) -> dict[str, Spec]:
    """The tensors of which the docstrings of `nodes` (a function and its class) tell a shape, by parameter."""
    found: dict[str, Spec] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name, spec in _in_text(ast.get_docstring(node) or ""):
                found.setdefault(name, spec)
    return found


def _in_text(text: str) -> list[tuple[str, Spec]]:
    found = []
    for line in re.split(r"\n|;|(?<=[)\]]) and |(?<=[)\]]), (?=\w+\s*:)", text):
        named = re.match(r"\s*(?:[-*]\s*)?(?::param\s+)?`{0,2}(\w+)`{0,2}(?:\s+\([^)]*\))?\s*:", line)
        shape = _SHAPE.search(line, named.end()) if named is not None else None
        if named is not None and shape is not None:
            sizes = tuple(_size(part) for part in re.split(r"\s*,\s*|\s+[x×]\s+", shape[1].strip()))
            found.append((named[1], Spec(shape=sizes, whole=bool(_WHOLE.search(line[named.end() :])))))
    return found


def _size(text: str) -> int:
    """A number as it is; a batch is small, an image larger, and all else of the usual size."""
    text = text.strip().lower()
    if text.isdigit():
        return int(text)
    if text in _BATCH:
        return _FEW
    more = re.fullmatch(r"(\w+)\s*\+\s*(\d+)", text)
    if more is not None:
        return _size(more[1]) + int(more[2])
    return _SIDE if text in _SIDES else SIZE

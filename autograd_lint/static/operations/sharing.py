"""What memory torch lets a write share: with itself, and with what the operation reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autograd_lint.facts.model import Effect
from autograd_lint.static.model.values import Tensor
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.layout import Layout


def shares_storage(one: Tensor, other: Tensor) -> bool:
    """Torch looks for overlap in one storage only: a tensor made of an array has one of its own."""
    return one.memory is other.memory and (one.alias_how == "numpy") == (other.alias_how == "numpy")


def refuses_memory(
    effect: Effect, written: str, region: Layout | None, reads: Iterable[tuple[str, Layout | None]]
) -> bool:
    """Whether torch refuses an operation that writes `region` for the memory that it shares.

    `written` is the label of what is written, `reads` are labels and layouts of what is read from the same storage.
    """
    if region is not None and region.overlapping and not _among(written, effect.expandable):
        return True
    return any(
        (_among(label, effect.apart) and layouts.fully_overlap(region, source))
        or (not _among(label, effect.sharing) and layouts.partly_overlap(region, source))
        for label, source in reads
    )


def refuses_copy(
    effect: Effect, written: str, region: Layout | None, reads: Sequence[tuple[str, Layout | None]]
) -> bool:
    """The same for `copy_`, which does nothing where it reads the very elements that it writes."""
    unmoved = any(layouts.fully_overlap(region, source) for _, source in reads)
    return not unmoved and refuses_memory(effect, written, region, reads)


def _among(label: str, labels: Sequence[str]) -> bool:
    """Whether an operand is one of `labels`; one tensor of a sequence stands for all of them."""
    return bool(labels) and label.partition("[")[0] in [one.partition("[")[0] for one in labels]

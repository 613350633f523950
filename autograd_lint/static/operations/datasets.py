"""`torch.utils.data`: the rows of data sets, and the batches a `DataLoader` makes of them, in memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.indexing import read_index
from autograd_lint.static.interpret.rounds import ROUNDS
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.values import (
    Const,
    DataSet,
    Dict,
    Generator,
    Instance,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
    is_none,
)
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.syntax import ir

_MOST_BATCHES: Final = 4
"""So many batches are all gone through; of more, as of a number that is not known, the first ones."""
_OWN: Final = ("sampler", "batch_sampler", "collate_fn")
"""What a `DataLoader` may be given to choose or join the rows in a way of its own."""
_NAMES: Final = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn")


def tensor_data_set(run: Run, args: Args, node: ir.Node) -> Value:
    """`TensorDataset(x, y)`."""
    tensors = [known_tensor(value) for value in args.pos]
    found = tuple(t for t in tensors if t is not None and not t.numpy)
    return Unknown() if args.open or len(found) < len(tensors) or not found else DataSet(found)


def part(run: Run, args: Args, node: ir.Node) -> Value:
    """`Subset(dataset, indices)`."""
    source = args.get(0, "dataset")
    if isinstance(source, DataSet):
        return DataSet(source.tensors, source.origin or source, whole=False)
    return DataSet((), source, whole=False) if isinstance(source, Instance) else Unknown()


def split(run: Run, args: Args, node: ir.Node) -> Value:
    """`random_split(dataset, lengths)`."""
    lengths = args.get(1, "lengths")
    count = len(lengths.items) if isinstance(lengths, Seq) and not lengths.open else None
    return Unknown() if count is None else Seq("list", [part(run, args, node) for _ in range(count)])


# ----------------------------------------------------------------------- rows


def rows(run: Run, data: DataSet, node: ir.Node) -> Generator:
    """What a loop over the data set itself goes through."""

    def start(resume: Callable[[Value], None]) -> None:
        run.frame.inexact = True
        for number in range(ROUNDS):
            resume(read_index(run, data, Const(number), node))

    return Generator((), start)


# -------------------------------------------------------------------- batches


def load(run: Run, args: Args, node: ir.Node) -> Value:
    """`DataLoader(dataset, batch_size=…)`: of data that is known, what a loop over it goes through."""
    given = {**dict(zip(_NAMES, args.pos, strict=False)), **args.kw}
    data, size = given.get("dataset"), given.get("batch_size", Const(1))
    own = any(name in given and not is_none(given[name]) for name in _OWN)
    known = isinstance(data, DataSet | Instance) and not is_none(size)
    if args.open or own or not known or data is None or len(args.pos) > len(_NAMES):
        return call_unknown(run, TorchName("torch.utils.data.DataLoader"), args, node)
    sizes = _batch_sizes(data, size, drops=truth(given.get("drop_last", Const(False))))
    return Generator((), partial(_run_batches, run, data, sizes, node), open=sizes is None)


def _batch_sizes(data: Value, size: Value, *, drops: bool | None) -> list[int] | None:
    """How many rows each batch has; None where that is not known, or they are many."""
    layout = data.tensors[0].layout if isinstance(data, DataSet) and data.tensors and data.whole else None
    step = size.value if type(size) is Const and isinstance(size.value, int) else 0
    if layout is None or not layout.shape or step < 1 or drops is None:
        return None
    count = layout.shape[0]
    sizes = [min(step, count - start) for start in range(0, min(count, step * (_MOST_BATCHES + 1)), step)]
    if drops and sizes and sizes[-1] < step:
        sizes.pop()
    return sizes if len(sizes) <= _MOST_BATCHES else None


def _run_batches(
    run: Run, data: Value, sizes: list[int] | None, node: ir.Node, resume: Callable[[Value], None]
) -> None:
    run.frame.inexact = run.frame.inexact or sizes is None
    for size in sizes if sizes is not None else [None] * ROUNDS:
        if isinstance(data, DataSet) and data.tensors:
            batch: Value = Seq("list", [_stacked(run, t, node, rows=size, of_rows=False) for t in data.tensors])
        else:
            batch = _collated(run, read_index(run, data, Unknown(kind="number"), node), node)
        resume(batch)


def _collated(run: Run, item: Value, node: ir.Node) -> Value:
    """What torch's `default_collate` makes of rows that are like `item`."""
    if isinstance(item, Seq) and not item.open and not item.fields and item.kind in ("list", "tuple"):
        return Seq("list", [_collated(run, part, node) for part in item.items])
    if isinstance(item, Dict):
        return Dict({key: _collated(run, part, node) for key, part in item.items.items()}, open=item.open)
    tensor = known_tensor(item)
    if tensor is not None:
        return _stacked(run, tensor, node, rows=None, of_rows=True)
    number = item.value if type(item) is Const else None
    if isinstance(number, int | float):
        result = run.machine.tensor(run.site(node))
        result.rank = 1
        result.dtype = "float64" if isinstance(number, float) else "bool" if isinstance(number, bool) else "int64"
        return result
    return Unknown()


def _stacked(run: Run, tensor: Tensor, node: ir.Node, *, rows: int | None, of_rows: bool) -> Value:
    """Rows that are copied into one new tensor; `tensor` is one of them, or all there are."""
    if run.machine.requires(tensor) is not False:
        return Unknown((tensor,))
    result = run.machine.tensor(run.site(node))
    result.dtype, result.device = tensor.dtype, tensor.device
    if tensor.layout is not None:
        shape = tensor.layout.shape if of_rows else tensor.layout.shape[1:]
        result.rank = len(shape) + 1
        result.layout = None if rows is None else layouts.fresh((rows, *shape))
    return result

"""Measures one call: runs it under saved-tensor hooks for every combination of inputs that require grad.

Each packed tensor is named by the storage it shares: an operand, an output, or neither (a temporary that no user can
reach). What is written shows in the version counters, what is written behind their back in the values.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from autograd_lint.facts.case import Case, SeenOutput
from autograd_lint.facts.kinds import UNKNOWN, constant_kind, tensor_kind, tensors_kind
from autograd_lint.facts.measure_integers import integer_results
from autograd_lint.facts.measure_memory import refusals
from autograd_lint.facts.model import Alias, When
from autograd_lint.facts.unfit import NotMeasured

_NO_DERIVATIVE: Final = re.compile(r"derivative for '?[\w:. ]+'? is not implemented")
_ALL_COMBINATIONS: Final = 3
_PAIRS: Final = 7

Arguments = Mapping[str, Any]


@dataclass(slots=True)
class _Run:
    """One run of the call with one combination of inputs that require grad."""

    tensors: dict[str, torch.Tensor]
    versions: dict[str, int]
    before: dict[str, torch.Tensor]
    storages: dict[str, int]
    outputs: list[torch.Tensor]
    container: str
    packed: list[tuple[torch.Tensor, int]] = field(default_factory=list)


def measure(
    call: Callable[[Arguments], Any],
    arguments: Arguments,
    kinds: Mapping[str, str] | None = None,
    block: frozenset[str] = frozenset(),
) -> Case:
    """What `call(arguments)` does; the arguments may be tensors, sequences with tensors, and anything else.

    The operands in `block` require grad together or not at all; conditions call all of them `*`.
    Raises NotMeasured when the call does not run with them.
    """
    floats = [label for label, t in operands(arguments) if t.is_floating_point() or t.is_complex()]
    floats = [*(label for label in floats if label not in block), *(["*"] if block else [])]
    if any(t.numel() == 0 for _, t in operands(arguments)):
        raise NotMeasured("an empty tensor has no storage to be recognised by")
    runs = {
        mask: run
        for mask in _masks(floats)
        if (run := _tolerated(call, arguments, mask | (block if "*" in mask else frozenset())))
    }
    recorded = {mask: run for mask, run in runs.items() if any(out.requires_grad for out in run.outputs)}
    widest = runs[max(runs, key=len)]
    higher, spread = _higher(recorded, block)
    frees, derivative = _frees(recorded)
    saved, doubtful = _saved(recorded)
    written, silent = _written(widest)
    exchanged = frozenset(label for label in written if _storage(widest.tensors[label]) != widest.storages[label])
    plain = dict(operands(arguments))

    def again(tensors: Mapping[str, torch.Tensor]) -> Any:
        return call(_with_tensors(arguments, tensors))

    outputs = tuple(_outputs(widest))  # last: it writes to the outputs
    return Case(
        kinds={**{name: kind_of(value) for name, value in arguments.items()}, **(kinds or {})},
        operands=frozenset({*floats, *(label for label, _ in operands(arguments))}),
        outputs=outputs,
        container=widest.container,
        saved=saved,
        doubtful=doubtful,
        written=written,
        silent=silent,
        frees=frees if recorded else None,
        higher=higher if recorded else None,
        spread=spread,
        ignored=frozenset(label for label in floats if recorded and _is_ignored(label, runs, recorded)),
        derivative=derivative,
        exchanged=exchanged,
        integers=integer_results(lambda t: flatten(again(t)), plain, outputs) if _plain(arguments) else frozenset(),
        refusals=refusals(again, plain, written),
    )


def _plain(arguments: Arguments) -> bool:
    """No argument but the tensors says which dtype the result has."""
    return not any(isinstance(value, float | torch.dtype) for value in arguments.values())


def kind_of(value: Any) -> str:
    """The kind of an argument (see `kinds`)."""
    if isinstance(value, torch.Tensor):
        return tensor_kind(floating=value.is_floating_point() or value.is_complex(), rank=value.dim())
    if isinstance(value, list | tuple):
        tensors = sum(isinstance(item, torch.Tensor) for item in value)
        if tensors:
            return tensors_kind(tensors)
        if all(isinstance(item, int | float) for item in value):
            return "i1" if value and all(item == 1 for item in value) else "i"
        return UNKNOWN
    return constant_kind(value)


def operands(arguments: Arguments) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors among the arguments with their labels; those in a sequence are numbered."""
    for name, value in arguments.items():
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, list | tuple):
            tensors = [item for item in value if isinstance(item, torch.Tensor)]
            yield from ((f"{name}[{i}]", item) for i, item in enumerate(tensors))


def _masks(floats: Sequence[str]) -> list[frozenset[str]]:
    """Which inputs shall require grad: all combinations of a few, of many the singles, pairs and all of them."""
    sizes = range(1, len(floats) + 1)
    if len(floats) > _ALL_COMBINATIONS:
        sizes = range(1, 3 if len(floats) <= _PAIRS else 2)
    masks = [frozenset(chosen) for size in sizes for chosen in itertools.combinations(floats, size)]
    return [frozenset(), *dict.fromkeys([*masks, frozenset(floats)] if floats else [])]


# ------------------------------------------------------------------------ one run


def _tolerated(call: Callable[[Arguments], Any], arguments: Arguments, mask: frozenset[str]) -> _Run | None:
    """The run, or None when torch lets none of these inputs require grad (the running mean of `batch_norm`)."""
    try:
        return _run(call, arguments, mask)
    except RuntimeError as error:
        if "is not differentiable with respect to argument" in str(error):
            return None
        raise


def _run(call: Callable[[Arguments], Any], arguments: Arguments, mask: frozenset[str]) -> _Run:
    tensors = {label: _input(tensor, label in mask) for label, tensor in operands(arguments)}
    run = _Run(
        tensors,
        {label: t._version for label, t in tensors.items()},
        {label: t.detach().clone() for label, t in tensors.items()},
        {label: _storage(t) for label, t in tensors.items()},
        [],
        "",
    )

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        run.packed.append((tensor.detach(), tensor._version))  # keeps the storage alive: its address is its name
        return run.packed[-1][0]

    torch.default_generator.manual_seed(0)  # `torch.manual_seed` formats a stack for every kind of device
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call(_with_tensors(arguments, tensors))
    run.outputs, run.container = flatten(result)
    if result is None:  # an assignment: what it wrote is its result
        run.outputs = [tensor for label, tensor in tensors.items() if tensor._version != run.versions[label]]
    return run


def _input(tensor: torch.Tensor, wanted: bool) -> torch.Tensor:
    """A copy that may be written: a non-leaf if it requires grad. Strides are kept."""
    copy = tensor.detach().clone()
    return copy.requires_grad_().clone() if wanted else copy


def _with_tensors(arguments: Arguments, tensors: Mapping[str, torch.Tensor]) -> Arguments:
    def replaced(name: str, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return tensors[name]
        if isinstance(value, list | tuple):
            numbers = itertools.count()
            items = [tensors[f"{name}[{next(numbers)}]"] if isinstance(item, torch.Tensor) else item for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value

    return {name: replaced(name, value) for name, value in arguments.items()}


def flatten(result: Any) -> tuple[list[torch.Tensor], str]:
    """The tensors of a result, and how they are packed (see `model.Effect.container`)."""
    if isinstance(result, torch.Tensor):
        return [result], "."
    fields = getattr(type(result), "__match_args__", ())
    if isinstance(result, tuple) and fields:
        return list(result), ",".join(fields)
    if isinstance(result, tuple | list):
        parts = [flatten(item) for item in result]
        inside = "".join(container for _, container in parts)
        flat = [tensor for tensors, _ in parts for tensor in tensors]
        return flat, f"({inside})" if isinstance(result, tuple) else f"[{inside}]"
    return [], "_"


def _storage(tensor: torch.Tensor) -> int:
    if tensor.layout is not torch.strided:
        raise NotMeasured("a sparse tensor has no storage")
    return tensor.untyped_storage().data_ptr()


# -------------------------------------------------------------------------- saved


def _saved(recorded: Mapping[frozenset[str], _Run]) -> tuple[dict[str, When], frozenset[str]]:
    """When each label is saved, and the labels for which that is not the whole condition."""
    seen = {mask: _saved_labels(run) for mask, run in recorded.items()}
    saved: dict[str, When] = {}
    doubtful: set[str] = set()
    for label in sorted(set().union(*seen.values())) if seen else ():
        true = [mask for mask, labels in seen.items() if label in labels]
        saved[label] = _alternatives(true, len(seen))
        for mask, labels in seen.items():
            if _met(saved[label], mask) is not (label in labels):
                doubtful.add(label)
    return saved, frozenset(doubtful)


def _saved_labels(run: _Run) -> set[str]:
    inputs = {_storage(tensor): label for label, tensor in run.tensors.items()}
    outputs: dict[int, str] = {}
    for i, out in enumerate(run.outputs):
        outputs.setdefault(_storage(out), f"out{i}")
    labels = set()
    for packed, version in run.packed:
        storage = _storage(packed)
        label = inputs.get(storage)
        if label is None:
            label = outputs.get(storage)
        elif run.tensors[label]._version != run.versions[label] and version != run.versions[label]:
            label = outputs.get(storage, label)  # packed after the write: the result
        if label is not None:
            labels.add(label)
    return labels


def _alternatives(masks: Sequence[frozenset[str]], total: int) -> When:
    """The smallest of `masks`; none when all of them are there: it always holds."""
    if len(masks) == total:
        return ()
    smallest = [mask for mask in masks if not any(other < mask for other in masks)]
    return tuple(sorted(smallest, key=sorted))


def _met(when: When, mask: frozenset[str]) -> bool:
    return not when or any(alternative <= mask for alternative in when)


# -------------------------------------------------------------------------- frees


def _frees(recorded: Mapping[frozenset[str], _Run]) -> tuple[When | None, bool]:
    """When a second backward raises (None: never), and whether there is a derivative at all."""
    raising = []
    derivative = True
    for mask, run in recorded.items():
        verdict = _second_backward_raises(run)
        derivative = derivative and verdict is not None
        if verdict:
            raising.append(mask)
    if not raising:
        return None, derivative
    return _alternatives(raising, len(recorded)), derivative


def _second_backward_raises(run: _Run) -> bool | None:
    """Whether the graph is used up by one backward; None when even the first has no derivative."""
    roots = [out for out in run.outputs if out.requires_grad]
    try:
        torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
    except (RuntimeError, NotImplementedError) as error:
        if _NO_DERIVATIVE.search(str(error)):
            return None
        raise NotMeasured(f"backward: {error}") from error
    try:
        torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
    except RuntimeError as error:
        if "a second time" in str(error):
            return True
        raise NotMeasured(f"second backward: {error}") from error
    return False


def _is_ignored(label: str, runs: Mapping[frozenset[str], _Run], recorded: Mapping[frozenset[str], _Run]) -> bool:
    alone = frozenset({label})
    return alone in runs and alone not in recorded


def _higher(recorded: Mapping[frozenset[str], _Run], block: frozenset[str]) -> tuple[When | None, frozenset[str]]:
    """When gradients have a graph of their own, and the operands whose gradient is one value expanded."""
    having: list[frozenset[str]] = []
    spread: set[str] = set()
    for mask, run in recorded.items():
        gradients = _gradients(run, mask | block if "*" in mask else mask)
        if any(gradient.requires_grad for gradient in gradients.values()):
            having.append(mask)
        spread |= {label for label, gradient in gradients.items() if _is_expanded(gradient)}
    return (_alternatives(having, len(recorded)) if having else None), frozenset(spread)


def _gradients(run: _Run, mask: frozenset[str]) -> dict[str, torch.Tensor]:
    """The gradients of the inputs that require grad, computed with a graph; none where torch has no derivative."""
    roots = [out for out in run.outputs if out.requires_grad]
    labels = sorted(
        label for label in mask if label in run.tensors and all(run.tensors[label] is not root for root in roots)
    )
    if not labels:
        return {}
    seeds = [torch.ones_like(root, memory_format=torch.contiguous_format) for root in roots]
    wanted = [run.tensors[label] for label in labels]
    try:
        found = torch.autograd.grad(roots, wanted, seeds, create_graph=True, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return {}
    return {label: gradient for label, gradient in zip(labels, found, strict=True) if gradient is not None}


def _is_expanded(gradient: torch.Tensor) -> bool:
    if gradient.layout is not torch.strided:
        return False
    return any(stride == 0 and size > 1 for stride, size in zip(gradient.stride(), gradient.shape, strict=True))


# ------------------------------------------------------------- writes and outputs


def _written(run: _Run) -> tuple[frozenset[str], frozenset[str]]:
    bumped = {label for label, tensor in run.tensors.items() if tensor._version != run.versions[label]}
    changed = {label for label in run.tensors.keys() - bumped if not _same(run.tensors[label], run.before[label])}
    return frozenset(bumped), frozenset(changed)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one.detach(), other, rtol=0, atol=0, equal_nan=True))


def _outputs(run: _Run) -> Iterator[SeenOutput]:
    shapes = [tuple(tensor.shape) for tensor in run.tensors.values()]
    try:
        broadcast: tuple[int, ...] | None = tuple(torch.broadcast_shapes(*shapes)) if shapes else None
    except RuntimeError:
        broadcast = None
    described = [(_shapes(run, out, broadcast), _dtypes(run, out)) for out in run.outputs]
    for out, (fitting, dtypes) in zip(run.outputs, described, strict=True):
        alias, of = _alias(run, out)
        multi = alias is Alias.VIEW and out.requires_grad and _refuses_writes(out)
        yield SeenOutput(alias, of, out.requires_grad, multi, fitting, dtypes)


def _alias(run: _Run, out: torch.Tensor) -> tuple[Alias, str]:
    for label, tensor in run.tensors.items():
        if out is tensor:
            return Alias.SELF, label
    for label, tensor in run.tensors.items():
        if _storage(out) == _storage(tensor):
            version = tensor._version
            torch.autograd.graph.increment_version(out)
            if tensor._version == version:
                return Alias.MEMORY, label
            return (Alias.SHARED if tensor.requires_grad and not out.requires_grad else Alias.VIEW), label
    return Alias.FRESH, ""


def _refuses_writes(out: torch.Tensor) -> bool:
    try:
        out.mul_(1)
    except RuntimeError as error:
        return "multiple views" in str(error)
    return False


def _shapes(run: _Run, out: torch.Tensor, broadcast: tuple[int, ...] | None) -> frozenset[str]:
    shape = tuple(out.shape)
    first = next(iter(run.before), "")
    fitting = {f"same:{first}"} if first and run.before[first].shape == shape else set()
    if not shape:
        fitting.add("scalar")
    if broadcast == shape:
        fitting.add("broadcast")
    return frozenset(fitting)


def _dtypes(run: _Run, out: torch.Tensor) -> frozenset[str]:
    fitting = {str(out.dtype).removeprefix("torch.")}
    floats = {tensor.dtype for tensor in run.tensors.values() if tensor.is_floating_point() or tensor.is_complex()}
    given = floats or {tensor.dtype for tensor in run.tensors.values()}
    if given == {out.dtype}:
        fitting.add("same")
    return frozenset(fitting)

"""Measures module classes and optimizers: what a forward saves and writes, and whether a step moves versions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.testing._internal.common_modules import module_db

from autograd_lint.facts.case import Case
from autograd_lint.facts.measure_calls import Arguments, kind_of, measure
from autograd_lint.facts.measure_names import forward_signature, signature
from autograd_lint.facts.model import OptimizerFacts
from autograd_lint.facts.unfit import UNFIT, NotMeasured

_MOST_SINGLE: Final = 4
"""Modules with more parameters are measured with all of them requiring grad, or none."""


_STACKS: Final = (torch.nn.Transformer, torch.nn.TransformerEncoder, torch.nn.TransformerDecoder)
"""Left out: stacks of as many layers as one likes, which are measured themselves."""


@dataclass(frozen=True, slots=True)
class ModuleState:
    """The parameters and buffers of a module that was built with options of these kinds."""

    kinds: Mapping[str, str]
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleCases:
    """What is known of a module class, and the cases measured of it."""

    inputs: tuple[str, ...]
    cases: list[Case]
    states: list[ModuleState]


@dataclass(frozen=True, slots=True)
class _ModuleSample:
    options: tuple[tuple[Any, ...], Mapping[str, Any]]
    inputs: tuple[tuple[Any, ...], Mapping[str, Any]]


def measured_modules() -> Iterator[tuple[str, ModuleCases]]:
    """Every module class that torch has samples of, and the few it has none of."""
    found: dict[type[torch.nn.Module], list[_ModuleSample]] = {}
    for info in module_db:
        if info.module_cls.__module__.startswith("torch.nn.modules.") and info.module_cls not in _STACKS:
            found.setdefault(info.module_cls, []).extend(_database_samples(info))
    for cls, samples in _own_samples():
        found.setdefault(cls, []).extend(samples)
    for cls, samples in found.items():
        yield f"torch.nn.{cls.__name__}", _measure_class(cls, samples)


def _database_samples(info: Any) -> Iterator[_ModuleSample]:
    torch.manual_seed(0)
    inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=True)
    for sample in inputs:
        if sample.forward_input is not None:
            yield _ModuleSample(
                (sample.constructor_input.args, sample.constructor_input.kwargs),
                (sample.forward_input.args, sample.forward_input.kwargs),
            )


def _own_samples() -> Iterator[tuple[type[torch.nn.Module], list[_ModuleSample]]]:
    """Classes that torch's module database leaves out."""
    nn = torch.nn
    images, rows = torch.rand(2, 4, 5, 5) + 0.5, torch.rand(2, 4) + 0.5
    for dropout in (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout):
        shape = {nn.Dropout1d: (2, 4, 5), nn.Dropout3d: (2, 4, 3, 3, 3)}.get(dropout, (2, 4, 5, 5))
        data = torch.rand(shape)
        yield dropout, [_sample([], [data]), _sample([0.0], [data]), _sample([0.3], [data])]
    steps = torch.rand(2, 3, 4)
    for recurrent in (nn.RNN, nn.LSTM, nn.GRU):
        plain = [_sample([4, 4], [steps]), _sample([4, 4], [steps], bias=False)]
        yield recurrent, [*plain, _sample([4, 4], [steps], bidirectional=True), _sample([4, 4, 3], [steps])]
    yield nn.Embedding, [_sample([4, 3], [torch.tensor([1, 2])], max_norm=norm) for norm in (None, 0.1)]
    yield nn.Hardsigmoid, [_sample([], [rows])]
    yield nn.TripletMarginLoss, [_sample([], [rows, rows + 1, rows + 2])]
    yield nn.EmbeddingBag, [_sample([4, 3], [torch.tensor([[1, 2]])], mode=mode) for mode in ("mean", "sum", "max")]
    yield nn.NLLLoss2d, [_sample([], [torch.rand(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.long)])]
    yield nn.Identity, [_sample([], [rows])]
    yield nn.Flatten, [_sample([], [images]), _sample([0], [images])]
    yield nn.Unflatten, [_sample([1, (2, 2)], [rows])]
    yield nn.PixelShuffle, [_sample([2], [images])]
    yield nn.PixelUnshuffle, [_sample([5], [images])]
    yield nn.ChannelShuffle, [_sample([2], [images])]
    yield nn.Upsample, [_sample([], [images], scale_factor=2)]
    yield nn.UpsamplingNearest2d, [_sample([], [images], scale_factor=2)]
    yield nn.UpsamplingBilinear2d, [_sample([], [images], scale_factor=2)]
    yield nn.ZeroPad2d, [_sample([1], [images])]
    yield nn.Unfold, [_sample([2], [images])]
    yield nn.Fold, [_sample([(4, 5), (2, 2)], [torch.rand(1, 12, 12)])]
    yield nn.CosineSimilarity, [_sample([], [rows, rows + 1])]
    yield nn.PairwiseDistance, [_sample([], [rows, rows + 1])]
    yield nn.RReLU, [_sample([], [rows])]
    yield nn.AdaptiveLogSoftmaxWithLoss, [_sample([4, 8, [3]], [rows, torch.tensor([1, 6])])]
    yield nn.MaxUnpool2d, [_sample([2], [torch.rand(1, 1, 2, 2), torch.tensor([[[[0, 2], [8, 10]]]])])]


def _sample(options: list[Any], inputs: list[Any], **keywords: Any) -> _ModuleSample:
    return _ModuleSample((tuple(options), keywords), (tuple(inputs), {}))


# ------------------------------------------------------------------- measuring


def _measure_class(cls: type[torch.nn.Module], samples: list[_ModuleSample]) -> ModuleCases:
    found = ModuleCases(forward_signature(cls).names, [], [])
    for sample in [*samples, *_in_place(cls, samples)]:
        for training in (True, False):
            with contextlib.suppress(*UNFIT):
                module = _build(cls, sample)
                found.cases.append(_measure_one(cls, sample, training))
                parameters = tuple(name for name, _ in module.named_parameters())
                buffers = tuple(name for name, _ in module.named_buffers())
                found.states.append(ModuleState(_option_kinds(cls, sample), parameters, buffers))
    return found


def _in_place(cls: type[torch.nn.Module], samples: list[_ModuleSample]) -> Iterator[_ModuleSample]:
    known = signature(f"torch.nn.{cls.__name__}")
    if known is not None and "inplace" in known.names:
        for sample in samples[:3]:
            args, keywords = sample.options
            yield _ModuleSample((args, {**keywords, "inplace": True}), sample.inputs)


def _build(cls: type[torch.nn.Module], sample: _ModuleSample) -> torch.nn.Module:
    args, keywords = sample.options
    try:
        return cls(*args, **keywords)
    except (TypeError, RuntimeError, ValueError) as error:
        raise NotMeasured(str(error)) from error


def _measure_one(cls: type[torch.nn.Module], sample: _ModuleSample, training: bool) -> Case:
    """One forward in one mode; parameters and buffers are operands beside the inputs."""
    module = _build(cls, sample).train(training)
    names = forward_signature(cls).names
    args, keywords = sample.inputs
    inputs: dict[str, Any] = {**dict(zip(names, args, strict=False)), **keywords}
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    arguments: dict[str, Any] = {**{name: t.detach() for name, t in state.items()}, **inputs}
    if len(arguments) != len(state) + len(inputs):
        raise NotMeasured("an input is called like a parameter")

    def call(given: Arguments) -> Any:
        torch.nn.Module.train(module, training)
        return torch.func.functional_call(module, {name: given[name] for name in state}, args=(), kwargs=_only(given))

    def _only(given: Arguments) -> dict[str, Any]:
        return {name: given[name] for name in inputs}

    parameters = frozenset(name for name, _ in module.named_parameters())
    block = parameters if len(parameters) > _MOST_SINGLE else frozenset()
    kinds = {"training": str(training), **_option_kinds(cls, sample)}
    return measure(call, arguments, kinds, block)


def _option_kinds(cls: type[torch.nn.Module], sample: _ModuleSample) -> dict[str, str]:
    args, keywords = sample.options
    known = signature(f"torch.nn.{cls.__name__}")
    options = {**dict(zip(known.names if known else (), args, strict=False)), **keywords}
    return {name: kind_of(value) for name, value in options.items()}


# ------------------------------------------------------------------ optimizers


def measured_optimizers() -> Iterator[tuple[str, OptimizerFacts]]:
    """Every optimizer class of torch: whether its step moves the versions of what it writes."""
    for name, cls in vars(torch.optim).items():
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer:
            bumps = _step_bumps(cls)
            if bumps is not None:
                yield f"torch.optim.{name}", OptimizerFacts(bumps, _step_bumps(cls, fused=True))


def _step_bumps(cls: Any, **options: Any) -> bool | None:
    """Whether a step moves the version of a parameter; None when the optimizer cannot be built so."""
    parameter = torch.nn.Parameter(torch.rand(3, 3))
    try:
        optimizer = cls([parameter], lr=0.1, **options)
    except (TypeError, RuntimeError, ValueError):
        return None

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = parameter.pow(2).sum()
        total.backward()
        return total

    if cls is torch.optim.SparseAdam:
        parameter.grad = torch.eye(3).to_sparse()
    else:
        loss()
    version = parameter._version
    optimizer.step(loss) if cls is torch.optim.LBFGS else optimizer.step()
    return parameter._version != version

"""Measures module classes and optimizers: what a forward saves and writes, and whether a step moves versions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.testing._internal.common_modules import module_db

from autograd_lint.facts.case import Case
from autograd_lint.facts.measure_calls import UNFIT, Arguments, NotMeasured, kind_of, measure
from autograd_lint.facts.measure_names import forward_signature, signature
from autograd_lint.facts.model import ModuleFacts, OptimizerFacts

_MOST_SINGLE: Final = 4
"""Modules with more parameters are measured with all of them requiring grad, or none."""


@dataclass(frozen=True, slots=True)
class ModuleCases:
    """What is known of a module class, and the cases measured of it."""

    facts: ModuleFacts
    cases: list[Case]


@dataclass(frozen=True, slots=True)
class _ModuleSample:
    options: tuple[tuple[Any, ...], Mapping[str, Any]]
    inputs: tuple[tuple[Any, ...], Mapping[str, Any]]


def measured_modules() -> Iterator[tuple[str, ModuleCases]]:
    """Every module class that torch has samples of, and the few it has none of."""
    done: set[str] = set()
    for info in module_db:
        name = f"torch.nn.{info.module_cls.__name__}"
        if info.module_cls.__module__.startswith("torch.nn.modules.") and name not in done:
            done.add(name)
            yield name, _measure_class(info.module_cls, list(_database_samples(info)))
    for cls, samples in _own_samples():
        name = f"torch.nn.{cls.__name__}"
        if name not in done:
            yield name, _measure_class(cls, samples)


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
    for cls in (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout):
        shape = {nn.Dropout1d: (2, 4, 5), nn.Dropout3d: (2, 4, 3, 3, 3)}.get(cls, (2, 4, 5, 5))
        data = torch.rand(shape)
        yield cls, [_sample([], [data]), _sample([0.0], [data]), _sample([0.3], [data])]
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
    cases: list[Case] = []
    parameters: dict[str, None] = {}
    buffers: dict[str, None] = {}
    for sample in [*samples, *_in_place(cls, samples)]:
        for training in (True, False):
            with contextlib.suppress(*UNFIT):
                module = _build(cls, sample)
                parameters.update(dict.fromkeys(name for name, _ in module.named_parameters()))
                buffers.update(dict.fromkeys(name for name, _ in module.named_buffers()))
                cases.append(_measure_one(cls, sample, training))
    inputs = tuple(name for name in forward_signature(cls).names)
    return ModuleCases(ModuleFacts(tuple(parameters), tuple(buffers), inputs), cases)


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
    return measure(call, arguments, _option_kinds(cls, sample, training), block)


def _option_kinds(cls: type[torch.nn.Module], sample: _ModuleSample, training: bool) -> dict[str, str]:
    args, keywords = sample.options
    known = signature(f"torch.nn.{cls.__name__}")
    options = {**dict(zip(known.names if known else (), args, strict=False)), **keywords}
    return {"training": str(training), **{name: kind_of(value) for name, value in options.items()}}


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

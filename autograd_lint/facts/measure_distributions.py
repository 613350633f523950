"""Measures `torch.distributions`: what their methods do with the parameters they were built from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import distributions

from autograd_lint.facts.case import Case
from autograd_lint.facts.measure_calls import Arguments, measure
from autograd_lint.facts.measure_names import Signature
from autograd_lint.facts.unfit import UNFIT

_METHODS: Final = ("log_prob", "entropy", "rsample")


@dataclass(frozen=True, slots=True)
class _Family:
    """A class of distributions: parameters by name, and a value it could have drawn."""

    cls: type[distributions.Distribution]
    parameters: dict[str, torch.Tensor]
    value: torch.Tensor


def measured_distributions() -> Iterator[tuple[str, Signature, list[Case]]]:
    """`torch.distributions.Normal.log_prob` and its kin, with the parameters of the constructor before the value."""
    for families in _families():
        for method in _METHODS:
            cases = [case for family in families for case in _cases(family, method)]
            names = tuple(dict.fromkeys(name for family in families for name in family.parameters))
            taken = ("value",) if method == "log_prob" else ()
            if cases:
                yield f"torch.distributions.{families[0].cls.__name__}.{method}", Signature((*names, *taken), {}), cases


def _cases(family: _Family, method: str) -> Iterator[Case]:
    arguments: dict[str, Any] = dict(family.parameters)
    if method == "log_prob":
        arguments["value"] = family.value

    def call(given: Arguments) -> Any:
        built = family.cls(**{name: given[name] for name in family.parameters}, validate_args=False)
        return getattr(built, method)(*([given["value"]] if method == "log_prob" else []))

    with contextlib.suppress(*UNFIT):
        yield measure(call, arguments)


def _families() -> Iterator[list[_Family]]:
    real, positive, whole = torch.randn(3), torch.rand(3) + 0.5, torch.tensor([1, 0, 1])
    chances = torch.softmax(torch.randn(3, 4), dim=-1)
    for cls in (distributions.Normal, distributions.Laplace, distributions.Cauchy, distributions.Gumbel):
        yield [_Family(cls, {"loc": real, "scale": positive}, torch.randn(3))]
    yield [_Family(distributions.LogNormal, {"loc": real, "scale": positive}, positive + 1)]
    yield [_Family(distributions.Uniform, {"low": real, "high": real + 2}, real + 1)]
    yield [_Family(distributions.Exponential, {"rate": positive}, positive)]
    yield [_Family(distributions.Poisson, {"rate": positive}, whole.float())]
    yield [_Family(distributions.Gamma, {"concentration": positive, "rate": positive + 1}, positive)]
    yield [_Family(distributions.Beta, {"concentration1": positive, "concentration0": positive + 1}, chances[0, :3])]
    yield [_Family(distributions.Dirichlet, {"concentration": positive}, torch.softmax(real, dim=0))]
    choices: tuple[tuple[type[distributions.Distribution], torch.Tensor], ...] = (
        (distributions.Categorical, whole),
        (distributions.OneHotCategorical, torch.eye(4)[:3]),
    )
    for choice, value in choices:
        yield [_Family(choice, {"probs": chances}, value), _Family(choice, {"logits": torch.randn(3, 4)}, value)]
    yield [
        _Family(distributions.Bernoulli, {"probs": chances[:, 0]}, whole.float()),
        _Family(distributions.Bernoulli, {"logits": real}, whole.float()),
    ]
    square = torch.eye(3) * 2
    yield [
        _Family(distributions.MultivariateNormal, {"loc": real, "covariance_matrix": square}, torch.randn(3)),
        _Family(distributions.MultivariateNormal, {"loc": real, "scale_tril": square}, torch.randn(3)),
    ]

"""`torch.distributions`: objects that keep their parameters, and methods that compute with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autograd_lint.facts import table
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Distribution, Unknown, Value
from autograd_lint.static.operations.tensors import apply_named, known_tensor
from autograd_lint.static.syntax import ir

_PACKAGE: Final = "torch.distributions."


def is_distribution_name(name: str) -> bool:
    """`name` is a class of distributions whose methods were measured."""
    return name.startswith(_PACKAGE) and table.parameters(f"{_canonical(name)}.log_prob") is not None


def construct_distribution(run: Run, name: str, args: Args, node: ir.Node) -> Value:
    """`Normal(mean, std)`: nothing is computed yet that anybody could write to."""
    name = _canonical(name)
    names = table.parameters(f"{name}.log_prob") or ()
    if args.open:
        return call_unknown(run, Unknown(), args, node)
    given = {**dict(zip(names, args.pos, strict=False)), **args.kw}
    given.pop("validate_args", None)
    return Distribution(name, given)


def call_distribution_method(run: Run, owner: Distribution, name: str, args: Args, node: ir.Node) -> Value:
    """`dist.log_prob(value)`, `dist.sample()`."""
    handler = _METHODS.get(name)
    return call_unknown(run, Unknown(), args, node) if handler is None else handler(run, owner, args, node)


def _canonical(name: str) -> str:
    """`torch.distributions.normal.Normal` is `torch.distributions.Normal`."""
    return _PACKAGE + name.rpartition(".")[2]


def _log_prob(run: Run, owner: Distribution, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "value")
    given = {**owner.params, **({} if value is None else {"value": value})}
    return apply_named(run, f"{owner.name}.log_prob", given, node) or Unknown(tuple(owner.params.values()))


def _computed(method: str) -> Callable[[Run, Distribution, Args, ir.Node], Value]:
    def call(run: Run, owner: Distribution, args: Args, node: ir.Node) -> Value:
        result = apply_named(run, f"{owner.name}.{method}", owner.params, node)
        tensor = known_tensor(result) if result is not None else None
        if tensor is not None and (args.pos or args.kw):
            tensor.layout = None  # a sample shape comes before the distribution's own
        return result or Unknown(tuple(owner.params.values()))

    return call


def _sample(run: Run, owner: Distribution, args: Args, node: ir.Node) -> Value:
    """Drawn under `no_grad`: a tensor without a graph."""
    return run.machine.tensor(run.site(node))


_METHODS: Final[dict[str, Callable[[Run, Distribution, Args, ir.Node], Value]]] = {
    "log_prob": _log_prob,
    "entropy": _computed("entropy"),
    "rsample": _computed("rsample"),
    "sample": _sample,
    "sample_n": _sample,
}

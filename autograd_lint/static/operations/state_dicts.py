"""`module.state_dict()`: tensors that share the memory and the version counters of what the module has registered."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.facts.model import Alias, Output
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Instance, NNModule, Tensor, Value
from autograd_lint.static.operations.registered import is_open_module, named_tensors, submodules
from autograd_lint.static.patterns.keeping import state_dict
from autograd_lint.static.syntax import ir

_SHARED = Output(Alias.SHARED, differentiable=False)


def live_state(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    """The state dict of a module that is known; with arguments, its keys or tensors are other ones."""
    result = state_dict(run, owner, node)
    if not (args.pos or args.kw or args.open):
        result.items.update((name, _detached(run, tensor, node)) for name, tensor in named_tensors(owner))
        result.open = is_open_module(owner) or any(_others(owner))
    return result


def _detached(run: Run, tensor: Tensor, node: ir.Node) -> Tensor:
    result = run.machine.output(_SHARED, tensor, None, site=run.site(node))
    result.layout, result.dtype, result.device = tensor.layout, tensor.dtype, tensor.device
    result.alias_how = "state_dict"
    return result


def _others(owner: NNModule | Instance) -> Iterator[Tensor]:
    """Tensors that modules of the program hold: buffers, perhaps."""
    for module in submodules(owner):
        if isinstance(module, Instance):
            yield from (t for t in module.attrs.values() if isinstance(t, Tensor) and not t.parameter)

"""`torch.utils.checkpoint`: the function runs, its inputs are saved, and it runs again in backward."""

from __future__ import annotations

from autograd_lint.static import ir
from autograd_lint.static.escape import call_unknown
from autograd_lint.static.state import Args, Run
from autograd_lint.static.tensors import known_tensor
from autograd_lint.static.values import Const, Tensor, TorchName, Value

_OWN_ARGUMENTS = frozenset(
    {"use_reentrant", "context_fn", "determinism_check", "debug", "preserve_rng_state", "early_stop"}
)


def call_checkpoint(run: Run, args: Args, node: ir.Node) -> Value:
    """`checkpoint(function, *inputs)`: a node that saved the inputs stands for the function's graph."""
    if not args.pos or args.open:
        return call_unknown(run, TorchName("torch.utils.checkpoint.checkpoint"), args, node)
    given = {key: value for key, value in args.kw.items() if key not in _OWN_ARGUMENTS}
    result = run.call(args.pos[0], Args(args.pos[1:], given), node)
    machine = run.machine
    inputs = [t for t in (known_tensor(value) for value in args.pos[1:]) if t is not None]
    wanted = machine.wants_grad(inputs)
    reentrant = args.kw.get("use_reentrant")
    if not isinstance(result, Tensor) or result.node is None or wanted is False:
        return result
    made = machine.node("checkpoint", run.site(node), machine.edges(inputs), frees=True)
    made.certain = wanted is True and isinstance(reentrant, Const)
    made.edges.extend(result.node.edges)
    for tensor in inputs:
        machine.save(made, tensor, tensor.name, result=False, certain=made.certain)
    result.node = made
    return result

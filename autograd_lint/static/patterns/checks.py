"""Torch's own checks: `gradcheck` and anomaly detection."""

from __future__ import annotations

from typing import Final

from autograd_lint.events import AnomalyMode, GradientChecked
from autograd_lint.static.interpret.escape import call_unknown
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.values import GradModeValue, Seq, TorchName, Unknown, Value
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.syntax import ir

_TOO_COARSE: Final = frozenset({"float32", "float16", "bfloat16", "complex64"})


def call_gradcheck(run: Run, args: Args, node: ir.Node) -> Value:
    """`gradcheck(function, inputs)`: finite differences need double precision, or tolerances chosen by hand."""
    return _check(run, "gradcheck", args, node)


def call_gradgradcheck(run: Run, args: Args, node: ir.Node) -> Value:
    """`gradgradcheck(function, inputs)`."""
    return _check(run, "gradgradcheck", args, node)


def _check(run: Run, check: str, args: Args, node: ir.Node) -> Value:
    inputs = args.get(1, "inputs")
    by_hand = "atol" in args.kw and "eps" in args.kw
    for value in inputs.items if isinstance(inputs, Seq) else [inputs] if inputs is not None else []:
        tensor = known_tensor(value)
        if tensor is None or by_hand or not run.machine.requires(tensor) or tensor.dtype not in _TOO_COARSE:
            continue
        target = run.machine.ref(tensor)
        run.machine.emit(GradientChecked(site=run.site(node), target=target, check=check, dtype=str(tensor.dtype)))
        break
    call_unknown(run, TorchName(f"torch.autograd.{check}"), args, node)
    return Unknown()


def set_anomaly(run: Run, args: Args, node: ir.Node) -> Value:
    """`set_detect_anomaly(mode)`: stays on unless it is a block's context, or is switched off again."""
    mode = args.get(0, "mode")
    on = True if mode is None else truth(mode)
    run.anomaly = AnomalyMode(site=run.site(node)) if on else None
    return GradModeValue(None, anomaly=True)

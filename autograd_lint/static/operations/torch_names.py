"""Canonical names: the many import paths of one torch function or class lead to one dotted name."""

from __future__ import annotations

from typing import Final

_PREFIXES: Final = (
    ("torch.nn.modules.", "torch.nn."),
    ("torch.optim.", "torch.optim."),
)
_WHOLE: Final = {
    "torch.autograd.Variable": "torch.Variable",
    "torch.autograd.variable.Variable": "torch.Variable",
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch.nn.Module.Module": "torch.nn.Module",
    "torch.autograd.no_grad": "torch.no_grad",
    "torch.autograd.enable_grad": "torch.enable_grad",
    "torch.autograd.inference_mode": "torch.inference_mode",
    "torch.autograd.set_grad_enabled": "torch.set_grad_enabled",
    "torch.autograd.grad_mode.no_grad": "torch.no_grad",
    "torch.autograd.function.Function": "torch.autograd.Function",
    "torch.tensor.Tensor": "torch.Tensor",
    "torch.nn.utils.clip_grad.clip_grad_norm_": "torch.nn.utils.clip_grad_norm_",
    "torch.nn.utils.clip_grad.clip_grad_value_": "torch.nn.utils.clip_grad_value_",
}
_PACKAGES: Final = frozenset(
    {"torch.nn.functional", "torch.nn.init", "torch.nn.utils", "torch.nn.parallel", "torch.optim.lr_scheduler"}
)


def canonical(name: str) -> str:
    """The one name this linter uses for `name`, as far as the path alone tells."""
    known = _WHOLE.get(name)
    if known is not None:
        return known
    for long, short in _PREFIXES:
        if name.startswith(long) and name.rpartition(".")[0] not in _PACKAGES:
            last = name.rpartition(".")[2]
            if last[:1].isupper():
                return short + last
    return name

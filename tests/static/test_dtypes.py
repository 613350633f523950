"""What an operation makes of integers: where the model knows a dtype, it is torch's."""

from __future__ import annotations

import warnings
from typing import Any, Final

import pytest

from autograd_lint.static.model.values import Tensor
from tests.agreement.compare import static_findings
from tests.static.test_shapes import abstract

_IMPORTS: Final = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
_OPERANDS: Final = ("torch.arange(4)", "torch.arange(4) > 1", "torch.arange(4, dtype=torch.uint8)", "torch.rand(4)")
_RESULTS: Final = """
x * 2 | x * 2.5 | x + 0.5 | 1 + x | 2 ** x | 2.0 ** x | x / 2 | x / x | x // 2 | x // 2.0 | 1.5 - x | 1 / x | x % 2 | x * x.float()
x.sqrt() | x.exp() | torch.sigmoid(x) | x.abs() | x.neg() | x.sum() | x.sum(dtype=torch.float32) | x.cumsum(0) | x.prod() | x.max()
x.cumsum(0, dtype=torch.float64) | torch.softmax(x, 0, dtype=torch.float32) | torch.true_divide(x, x) | x.div(2) | x.div(3, rounding_mode="floor")
torch.where(x > 1, x, 0.5) | torch.where(x > 1, x, 1) | torch.where(x > 1, 1.0, 0.0) | x.clamp(0.5, 2.5) | x.clamp(0, 2) | torch.pow(2.0, x)
torch.cat([x, x]) | torch.stack([x, x]) | torch.cat([x, torch.ones(2)]) | torch.rsub(x, 1.5) | torch.maximum(x, torch.tensor(0.5)) | x[0]
x.view(2, 2) | x.t() | x.masked_fill(x > 1, 0) | nn.Sigmoid()(x) | nn.Identity()(x) | F.relu(x) | x.float() | x.to(torch.float64) | x.long()
"""
EXPRESSIONS: Final = [part.strip() for line in _RESULTS.strip().splitlines() for part in line.split(" | ")]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_known_dtype_is_torchs(expression: str) -> None:
    known = 0
    for operand in _OPERANDS:
        text = f"{_IMPORTS}x = {operand}\nr = {expression}\n"
        names: dict[str, Any] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(text, names)
        except (RuntimeError, NotImplementedError):
            continue  # torch does not do this to such an operand
        env, _ = abstract(text)
        found = env.names["r"]
        assert type(found) is Tensor
        if found.dtype is not None:
            known += 1
            assert f"torch.{found.dtype}" == str(names["r"].dtype), operand
    assert known or expression == "torch.where(x > 1, 1.0, 0.0)"


@pytest.mark.parametrize("expression", ["x / 2", "x * 0.5", "x.sqrt()", "x.sum(dtype=torch.float32)", "2.0 ** x"])
def test_floats_made_of_integers_may_require_grad(expression: str) -> None:
    text = f"{_IMPORTS}x = torch.arange(4)\nr = ({expression}).requires_grad_()\n"
    exec(text, {})
    assert static_findings(text) == []


@pytest.mark.parametrize("expression", ["x * 2", "x.sum()", "x.abs()", "x // 2"])
def test_integers_made_of_integers_may_not(expression: str) -> None:
    text = f"{_IMPORTS}x = torch.arange(4)\nr = ({expression}).requires_grad_()\n"
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        exec(text, {})
    assert [finding.code for finding in static_findings(text)] == ["AGL507"]

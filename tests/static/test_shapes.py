"""Shapes, strides and aliases of results are torch's, for operands of every layout."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, Final

import pytest
import torch

from autograd_lint.static.interpret import explore
from autograd_lint.static.interpret.state import Frame, Path, Run
from autograd_lint.static.model.values import Const, Env, Seq, Tensor, Value
from autograd_lint.static.syntax.lower import lower_module
from autograd_lint.static.syntax.parse import parse

_IMPORTS: Final = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
_OPERANDS: Final = {
    "scalar": "torch.randn((), requires_grad=True)",
    "vector": "torch.randn(3, requires_grad=True)",
    "column": "torch.randn(3, 3, requires_grad=True)[:, 1]",
    "matrix": "torch.randn(2, 3, requires_grad=True)",
    "square": "torch.randn(3, 3, requires_grad=True)",
    "transposed": "torch.randn(3, 2, requires_grad=True).t()",
    "expanded rows": "torch.randn(3, requires_grad=True).expand(2, 3)",
    "expanded columns": "torch.randn(2, 1, requires_grad=True).expand(2, 3)",
    "cube": "torch.randn(2, 3, 4, requires_grad=True)",
    "permuted": "torch.randn(2, 3, 4, requires_grad=True).permute(2, 0, 1)",
    "images": "torch.randn(2, 4, 6, 6, requires_grad=True)",
}
_RESULTS: Final = """
x.mT | x.mH | x.T | x.ravel() | x.reshape(-1) | x.flatten() | x.flatten(1) | x.squeeze(0) | x.contiguous() | x.clone()
x.repeat_interleave(2) | x.repeat_interleave(2, dim=0) | x.tile(2) | x.tile((2, 1)) | x.repeat(2, 1)
x.movedim(0, -1) | x.movedim(0, 1) | x.diagonal() | x.unflatten(0, (1, -1)) | torch.atleast_1d(x) | torch.atleast_2d(x)
x[0] | x[:, 0] | x[..., 0] | x[None] | x[[0, 1]] | x[[0, 1], [0, 1]] | x[:, [0, 1]] | x[torch.tensor(0)] | x[0, [0, 1]]
x + 1 | x * x.sum() | x + torch.ones(3) | x * x.t() | x.exp() | 2 ** x | torch.zeros_like(x) | torch.where(x > 0, x, 0.0)
x.softmax(-1) | F.log_softmax(x, 0) | x.cumsum(0) | x.tril() | x.roll(1) | x.diff() | F.layer_norm(x, x.shape) | x.cummax(0)
x.sum(0) | x.mean(dim=1, keepdim=True) | x.max(1) | x.mode(0) | x.kthvalue(1) | torch.det(x) | torch.logdet(x)
x.sort() | x.rot90() | torch.inverse(x) | torch.linalg.qr(x) | torch.linalg.svd(x) | torch.pinverse(x) | (x > 0).sum()
F.cosine_similarity(x, x) | F.cosine_similarity(x, x, dim=0) | F.pairwise_distance(x, x) | torch.einsum("ij->j", x)
torch.einsum("ij->ji", x) | torch.broadcast_tensors(x, torch.ones(2, 3)) | torch.broadcast_tensors(x, torch.ones(1))
x.index_add(0, torch.tensor([0]), torch.ones(1, 3)) | x.chunk(2) | x.unbind() | x.split(1, dim=1) | x.index_select(0, torch.tensor([0, 0]))
F.conv2d(x, torch.ones(2, 4, 3, 3)) | F.conv2d(x, torch.ones(2, 4, 3, 3), stride=2, padding=1) | F.max_pool2d(x, 2)
F.avg_pool2d(x, 2) | F.adaptive_avg_pool2d(x, (1, 1)) | nn.Conv2d(4, 2, 3, padding=1)(x) | nn.MaxPool2d(2)(x)
nn.AdaptiveAvgPool2d(1)(x) | nn.BatchNorm2d(4)(x) | nn.BatchNorm1d(3)(x) | nn.LayerNorm(3)(x) | nn.Flatten()(x)
nn.LSTM(3, 4)(x) | nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)(x) | nn.GRU(4, 5, batch_first=True)(x)
torch.kron(x, x) | torch.linalg.solve(x, x) | torch.linalg.solve(x, torch.ones(3)) | torch.linalg.solve_ex(x, x)
torch.linalg.solve_triangular(x, x, upper=True) | torch.addr(torch.ones(3, 3), x, x) | torch.linalg.multi_dot([x, x, x])
torch.block_diag(x, x) | torch.dstack((x, x)) | torch.column_stack((x, x)) | F.scaled_dot_product_attention(x, x, x)
torch.tensordot(x, x, dims=1) | torch.svd(x) | torch.linalg.eigh(x) | torch.linalg.lu(x)
torch.linalg.svdvals(x) | torch.linalg.eigvals(x) | torch.linalg.eigvalsh(x) | torch.linalg.pinv(x)
torch.cov(x) | torch.corrcoef(x) | torch.diag_embed(x) | torch.linalg.vander(x) | F.pdist(x) | torch.trapezoid(x)
torch.cumulative_trapezoid(x) | torch.fft.fft(x) | torch.fft.ifft(x) | torch.fft.rfft(x) | torch.fft.rfft(x).real | F.glu(x)
torch.fft.irfft(torch.fft.rfft(x)) | torch.view_as_real(torch.fft.fft(x)) | torch.fft.fft(x).abs() | torch.std_mean(x, 0)
nn.LSTMCell(3, 4)(x) | nn.GRUCell(3, 4)(x) | nn.RNNCell(3, 4)(x) | nn.Linear(3, 2)(x) | nn.Softmax(dim=-1)(x)
"""
EXPRESSIONS: Final = [part.strip() for line in _RESULTS.strip().splitlines() for part in line.split(" | ")]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def abstract(text: str) -> tuple[Env, Run]:
    env = Env()
    run = Run("program.py", Path((), set()), steps=6_000, language=explore._LANGUAGE)
    run.frames.append(Frame(env))
    run.execute(lower_module(parse(text), "program.py").body)
    return env, run


def pairs(value: Value | None, real: Any) -> list[tuple[Tensor, torch.Tensor]]:
    """The tensors of a result, as the machine sees them and as they are."""
    if isinstance(real, torch.Tensor):
        return [(value, real)] if type(value) is Tensor else []
    if not isinstance(value, Seq) or value.open:
        return []
    assert len(value.items) == len(real)
    return [pair for one, other in zip(value.items, real, strict=True) for pair in pairs(one, other)]


def steps(sizes: Any, strides: Any) -> list[int]:
    """The strides that matter."""
    return [stride for size, stride in zip(sizes, strides, strict=True) if size > 1]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_result_is_laid_out_as_by_torch(expression: str) -> None:
    known = 0
    for operand in _OPERANDS.values():
        text = f"{_IMPORTS}x = {operand}\nr = {expression}\n"
        names: dict[str, Any] = {}
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(None):
                warnings.simplefilter("ignore")
                exec(text, names)
        except (RuntimeError, IndexError, ValueError, TypeError, AssertionError):
            continue  # torch does not do this to such an operand
        env, run = abstract(text)
        assert not run.machine.failed
        source = env.names["x"]
        assert type(source) is Tensor
        for mine, real in pairs(env.names["r"], names["r"]):
            assert mine.maybe_of is None or mine.layout is None
            if mine.layout is not None:
                known += 1
                assert mine.layout.shape == tuple(real.shape), operand
                assert steps(real.shape, mine.layout.strides) == steps(real.shape, real.stride()), operand
            if mine.dtype is not None:
                assert f"torch.{mine.dtype}" == str(real.dtype)
            shares = real.untyped_storage().data_ptr() == names["x"].untyped_storage().data_ptr()
            assert mine.maybe_of is not None or (mine.memory is source.memory) == shares, operand
            assert (mine is source) == (real is names["x"]), operand
    assert known or expression in {"x.rot90()"}


def test_a_known_number_of_a_shape_is_torchs() -> None:
    env, _ = abstract(f"{_IMPORTS}x = nn.Conv2d(4, 8, 3)(torch.zeros(2, 4, 6, 6)).flatten(1)\nr = x.shape[1]\n")
    found = env.names["r"]
    assert type(found) is Const
    assert found.value == 8 * 4 * 4


@pytest.mark.parametrize("expression", ["x.repeat(-1)", "F.pad(x, (0, -5))", "x.topk(-1)[0]", "torch.tile(x, (-1,))"])
def test_sizes_below_zero_are_no_shape(expression: str) -> None:
    """Torch refuses them; what is done with them afterwards is not known, and no fault of the tool."""
    env, _ = abstract(f"{_IMPORTS}x = torch.arange(3)\ny = {expression}\nr = y[:-1]\n")
    assert getattr(env.names["y"], "layout", None) is None

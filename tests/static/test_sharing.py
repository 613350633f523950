"""Memory that a write shares with itself or with what is read: reported where torch refuses it, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
import torch

from autograd_lint.facts import table
from tests.agreement.compare import static_findings
from tests.agreement.oracle import run_program
from tests.agreement.outcome import Kind

_IMPORTS: Final = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
_EXPANDED: Final = "x = torch.rand(4).expand(4, 4)\n"
_SQUARE: Final = "x = torch.rand(4, 4)\n"
_ON_EXPANDED: Final = """
F.threshold(x, 0.5, 0.0, inplace=True) | nn.Threshold(0.5, 0.0, inplace=True)(x) | torch.threshold_(x, 0.5, 0.0)
nn.ReLU(inplace=True)(x) | F.relu(x, inplace=True) | F.leaky_relu_(x) | F.dropout(x, inplace=True) | x += 1 | x *= x
x.uniform_() | x.normal_() | x.random_() | x.bernoulli_(0.5) | x.zero_() | x.fill_(2.0) | x.tril_() | x.fill_diagonal_(0.0)
x.masked_fill_(x > 0.5, 0.0) | x.index_fill_(0, torch.tensor([0]), 1.0) | x.copy_(torch.rand(4, 4)) | x.t_() | x.unsqueeze_(0)
x.copy_(x) | x.apply_(lambda value: value) | x.map_(torch.ones(4, 4), lambda one, other: one) | x.clamp_(0.0) | x.set_(torch.ones(3))
x[:] = 0.0 | x[0] = 0.0 | x[:, 0] = 0.0 | x[0, 0] = 0.0 | x[[0, 1]] = 0.0 | x[x > 0.5] = 0.0 | x[1:, 1:] = 0.0
torch.add(torch.rand(4, 4), 1.0, out=x) | torch._foreach_zero_([x]) | torch._foreach_add_([x], 1.0)
x.index_put_((torch.tensor([0]),), torch.ones(4)) | x.scatter_(0, torch.zeros(4, 4, dtype=torch.long), torch.rand(4, 4))
"""
_READING_ITSELF: Final = """
x[1:].copy_(x[:-1]) | x[1:] = x[:-1] | x[0] = x[0] | x[0].copy_(x[0]) | x.add_(x[0]) | x += x.t() | x.mul_(x) | x.t_().add_(x)
x.fill_(x[0, 0]) | x.masked_fill_(x > 0.5, x[0, 0]) | x[1:].add_(x[:-1]) | x[2:] += x[:2] | x.addcmul_(x, x)
x.addmm_(x, x) | x[0].addmv_(x, x[0]) | x.masked_scatter_(x > 0.5, x[:2]) | x.lerp_(x.t(), 0.5) | x.ldexp_(x[0])
x.scatter_(0, torch.zeros(4, 4, dtype=torch.long), x) | x.index_copy_(0, torch.arange(4), x) | x.set_(x[1:])
torch.add(x[1:], 1.0, out=x[:-1]) | torch.exp(x, out=x) | torch._foreach_add_([x[:2], x[1:3]], 1.0) | x.clamp_(min=x[0])
"""


def programs(start: str, statements: str) -> Iterator[str]:
    for line in statements.strip().splitlines():
        yield from (f"{_IMPORTS}{start}{statement.strip()}\n" for statement in line.split(" | "))


def initializers() -> Iterator[str]:
    """A call of every function of `nn.init` that was measured."""
    arguments = {"constant_": ", 1.0", "sparse_": ", 0.5"}
    for name in table.names():
        place, _, last = name.rpartition(".")
        if place == "torch.nn.init":
            start = _EXPANDED if last != "dirac_" else "x = torch.rand(4, 1).expand(3, 4, 4)\n"
            yield f"{_IMPORTS}{start}nn.init.{last}(x{arguments.get(last, '')})\n"


PROGRAMS: Final = [*programs(_EXPANDED, _ON_EXPANDED), *initializers(), *programs(_SQUARE, _READING_ITSELF)]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.splitlines()[-1])
def test_refused_by_torch_and_only_then(program: str) -> None:
    outcome = run_program(program)
    found = [finding.range.start.row for finding in static_findings(program) if finding.code == "AGL106"]
    assert outcome.kind in (Kind.OK, Kind.REFUSED), outcome
    assert found == ([outcome.line] if outcome.kind is Kind.REFUSED else [])

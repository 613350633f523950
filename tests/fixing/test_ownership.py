"""The out-of-place form is safe only where nothing but the name holds the tensor."""

from __future__ import annotations

import pytest

from autograd_lint.finding import Applicability
from autograd_lint.source import SourceFile
from tests.fixing.test_every_fix import check

HEAD = "import torch\nfrom torch import nn\nx = torch.ones(3, requires_grad=True)\n"
RELU = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.relu = nn.ReLU(inplace=True)\n\n    def forward(self, x):\n        y = x * 2\n"
    "        h = self.relu(y)\n        h += 1\n        return h + y\n\n\nNet()(x).sum().backward()\n"
)
STORED = (
    "class Store:\n    def __init__(self, value):\n        self.value = value * 2\n\n    def exp(self):\n"
    "        return self.value\n\n\ns = Store(x)\nh = s.exp()\nh += 1\n(h + s.value).sum().backward()\n"
)


def applicability(program: str, row: str) -> Applicability | None:
    rows = (HEAD + program).splitlines()
    (found,) = (
        finding
        for finding in check(SourceFile("/program.py", HEAD + program))
        if finding.code in ("AGL101", "AGL103") and row in rows[finding.range.start.row - 1]
    )
    return found.fix.applicability if found.fix else None


@pytest.mark.parametrize(
    "program",
    [
        "h = x * 2\nh += 1\nh.sum().backward()\n",
        "h = x * 2\nprint(h.shape, h.sum())\nh += 1\nother = h\nother.sum().backward()\n",
        "for _ in range(2):\n    h = x.exp()\n    if x.sum() > 0:\n        h += 1\n    h.sum().backward()\n",
        "def f(x):\n    h = x * 2\n    h += 1\n    return h\n\n\nf(x).sum().backward()\n",
    ],
)
def test_alone(program: str) -> None:
    assert applicability(program, "h += 1") is Applicability.SAFE


@pytest.mark.parametrize(
    "program",
    [
        "h = x * 2\nother = h\nh += 1\nother.sum().backward()\n",
        "h = x * 2\nview = h[:2]\nh += 1\nview.sum().backward()\n",
        "h = x * 2\nitems = [h]\nh += 1\nitems[0].sum().backward()\n",
        "h = x * 2\nh.retain_grad()\nh += 1\nh.sum().backward()\n",
        "base = x * 2\nh = base.view(3)\nh += 1\nbase.sum().backward()\n",
        "h = x * 2\nkept = []\nfor _ in range(2):\n    h += 1\n    kept.append(h)\nkept[0].sum().backward()\n",
        "def f(h):\n    h += 1\n    return h\n\n\ny = x * 2\n(f(y) + y).sum().backward()\n",
        STORED,
        RELU,
    ],
)
def test_shared(program: str) -> None:
    assert applicability(program, "h += 1") is not Applicability.SAFE


def test_result_may_have_another_dtype() -> None:
    assert applicability("h = x * 2\nh += x.double()\nh.sum().backward()\n", "h +=") is Applicability.UNSAFE

"""Files that do not run by themselves: parts of real projects, with imports, data and devices that are not here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.finding import Verdict
from tests.confirm.conftest import Confirmed, confirm_paths

PROJECTS = Path(__file__).parents[2] / "fixtures" / "projects"


@pytest.fixture(scope="module")
def projects() -> Confirmed:
    return confirm_paths(PROJECTS)


def test_most_findings_in_projects_get_a_verdict(projects: Confirmed) -> None:
    ran = [f for f in projects.findings if f.confirmation and f.confirmation.how in ("program", "slice")]
    confirmed = [f for f in ran if f.confirmation and f.confirmation.verdict is Verdict.CONFIRMED]
    assert len(projects.findings) > 40
    assert len(confirmed) >= 0.8 * len(projects.findings), projects.not_confirmed()
    assert projects.counts[Verdict.REFUTED] == 0


def test_reason_says_what_was_in_the_way(projects: Confirmed) -> None:
    assert all("row" in evidence or "it ran" in evidence for *_, evidence in projects.not_confirmed())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "import missing\nimport torch\n\ndef curve(n, offset):\n"
            "    e = torch.ones(n, requires_grad=True).exp()\n    e += offset\n    e.sum().backward()\n",
            "AGL101",
        ),
        (
            "import missing\nfrom torch import nn\n\nclass Net(nn.Module):\n"
            "    def __init__(self, channels):\n        super().__init__()\n"
            "        self.conv = nn.Conv2d(channels, 16, 3)\n        self.fc = nn.Linear(16 * 26 * 26, 10)\n\n"
            "    def forward(self, x):\n        x = self.conv(x).sigmoid()\n        x += 1\n"
            "        return self.fc(x.flatten(1))\n",
            "AGL101",
        ),
        (
            "import missing\nfrom torch import nn\n\ndef train(loader, optimizer, criterion, device):\n"
            "    model = nn.Linear(8, 1).to(device)\n    total = 0\n    for inputs, labels in loader:\n"
            "        loss = nn.functional.mse_loss(model(inputs.to('cuda')), labels)\n        loss.backward(retain_graph=True)\n"
            "        optimizer.step()\n",
            "AGL201",
        ),
    ],
    ids=["function", "images", "training"],
)
def test_definition_that_nobody_calls(confirm_text: Callable[..., Confirmed], text: str, code: str) -> None:
    seen = confirm_text(text, only="slice")
    assert [each.verdict for each in seen.of(code)] == [Verdict.CONFIRMED], seen.findings


def test_nothing_is_refuted_by_what_was_made_up(confirm_text: Callable[..., Confirmed]) -> None:
    seen = confirm_text(
        "import missing\nimport torch\n\ndef f(x):\n    y = missing.transform(x)\n    y.exp()\n    z = torch.exp(x)\n"
        "    z.add_(1)\n    return missing.loss(z)\n",
        only="slice",
    )
    assert seen.counts[Verdict.REFUTED] == 0


TWO_FAULTS = """\
import missing
import torch
from torch import nn

def train(loader, optimizer):
    model = nn.Linear(8, 8)
    losses = []
    for x, y in loader:
        h = model(x).exp()
        h += 1
        loss = (h - y).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses
"""


def test_what_follows_a_refused_backward_is_seen_too(confirm_text: Callable[..., Confirmed]) -> None:
    seen = confirm_text(TWO_FAULTS, only="slice")
    assert [each.verdict for each in seen.of("AGL101")] == [Verdict.CONFIRMED], seen.findings
    (kept,) = seen.of("AGL204")
    assert kept.verdict is Verdict.CONFIRMED, kept
    assert "row 12 raises, and is stepped over" in str(kept.details["invented"])


def test_program_that_expects_the_exception_keeps_its_way(confirm_text: Callable[..., Confirmed]) -> None:
    text = TWO_FAULTS.replace(
        "        loss.backward()\n",
        "        try:\n            loss.backward()\n        except RuntimeError:\n            break\n",
    )
    seen = confirm_text(text, only="slice")
    assert [each.verdict for each in seen.of("AGL204")] in ([], [Verdict.INCONCLUSIVE]), seen.findings


@pytest.mark.parametrize(
    ("text", "name", "shape", "whole"),
    [
        ("x: (N, C, H, W)", "x", (2, 8, 16, 16), False),
        ("tokens: LongTensor of shape [batch, length]", "tokens", (2, 8), True),
        (":param t: the [N] time steps, of dtype long.", "t", (2,), True),
        ("- values (Tensor): (T + 1,)", "values", (9,), False),
        ("x: (nodes, dim), edge_index: LongTensor (2, edges)", "edge_index", (2, 8), True),
    ],
)
def test_shapes_that_docstrings_tell(text: str, name: str, shape: tuple[int, ...], whole: bool) -> None:
    from autograd_lint.dynamic.slices.docstrings import told_specs

    spec = told_specs(ast.parse(f"def f(x):\n    {text!r}\n").body[0])[name]
    assert (spec.shape, spec.whole) == (shape, whole)


def test_reason_tells_where_the_run_turned_off(confirm_text: Callable[..., Confirmed]) -> None:
    text = (
        "import missing\nimport torch\n\ndef f(memory):\n    if memory.kept < 1000:\n        return None\n"
        "    y = torch.ones(3, requires_grad=True).exp()\n    y += 1\n    y.sum().backward()\n"
    )
    (told,) = confirm_text(text, only="slice").of("AGL101")
    assert told.verdict is Verdict.INCONCLUSIVE
    assert "the run turned off after row 6, `return None`" in told.evidence

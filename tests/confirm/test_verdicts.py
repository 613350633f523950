"""Findings that a plain run leaves open, and what brings them to a verdict: a caller, zeros, a hook, larger sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograd_lint.finding import Verdict
from tests.confirm.conftest import Confirmed, confirm_paths

pytest.importorskip("torch")

BAD = Path(__file__).parents[2] / "fixtures" / "bad"
CASES = {
    "caller_of_a_closure": (
        "AGL110",
        "changes the argument `grad`",
        (BAD / "hook-mutates-gradient" / "closure_in_a_loop.py").read_text(encoding="utf-8"),
    ),
    "caller_of_a_function": (
        "AGL110",
        "was",
        """\
import torch


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, limit):
        values.clamp_(-limit, limit)
        return values * 1

    @staticmethod
    def backward(ctx, grad):
        return grad, None
""",
    ),
    "zeros_in_a_function": (
        "AGL509",
        "`SqrtBackward0` made it so",
        """\
import torch


def distance(a, b):
    return torch.sqrt(((a - b) ** 2).sum(-1))


print(distance(torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3)))
""",
    ),
    "zeros_in_a_module": (
        "AGL509",
        "made it so",
        """\
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        var = self.proj(x).clamp(min=0)
        return torch.sqrt(var)
""",
    ),
    "hook_of_a_part": (
        "AGL607",
        "a forward hook hung on `self.first` for this row did not run",
        """\
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)

    def forward(self, x):
        return self.first.forward(x)


print(Pair()(torch.ones(1, 2)))
""",
    ),
    "method_as_a_hook": (
        "AGL604",
        "clamp_",
        """\
import torch


class Clipped:
    def __init__(self, weight):
        self.limit = 0.5
        weight.register_hook(self.clip)

    def clip(self, grad):
        grad.clamp_(-self.limit, self.limit)


weight = torch.ones(2, requires_grad=True)
Clipped(weight)
weight.sum().backward()
""",
    ),
    "clipped_before": (
        "AGL303",
        "the first gradient of `model` that is clipped is None",
        """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch in torch.ones(3, 4, 2):
    optimizer.zero_grad()
    loss = model(batch).square().mean()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    loss.backward()
    optimizer.step()
""",
    ),
    "clipped_after": (
        "AGL303",
        "is the one that the step has used",
        """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch in torch.ones(3, 4, 2):
    optimizer.zero_grad()
    loss = model(batch).square().mean()
    loss.backward()
    optimizer.step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
""",
    ),
    "gradients_clipped": (
        "AGL305",
        "is a gradient and no parameter",
        """\
import torch

model = torch.nn.Linear(2, 1)
model(torch.ones(4, 2)).square().mean().backward()
torch.nn.utils.clip_grad_norm_([p.grad for p in model.parameters()], 0.5)
""",
    ),
    "state_on_an_object": (
        "AGL109",
        "the values in `self.saved` have changed",
        """\
import torch


class Trainer:
    def __init__(self):
        self.model = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def remember(self):
        self.saved = self.model.state_dict()

    def update(self, batch):
        self.optimizer.zero_grad()
        self.model(batch).square().mean().backward()
        self.optimizer.step()

    def restore(self):
        self.model.load_state_dict(self.saved)


trainer = Trainer()
trainer.remember()
trainer.update(torch.ones(4, 2))
trainer.restore()
""",
    ),
    "losses_in_tuples": (
        "AGL204",
        "the graph nodes behind `history` after the first rounds",
        """\
import torch

model, history = torch.nn.Linear(2, 1), []
for batch in torch.ones(3, 4, 2):
    loss = model(batch).square().mean()
    loss.backward()
    history.append((loss / 2, batch.shape))
""",
    ),
    "sizes_that_are_divided": (
        "AGL103",
        "its version went from 0 to 1",
        """\
import missing
import torch.nn.functional as F
from torch import nn


class Squeeze(nn.Module):
    def __init__(self, in_planes, planes):
        super().__init__()
        self.bn = nn.BatchNorm2d(in_planes)
        self.conv = nn.Conv2d(in_planes, planes, 3, padding=1)
        self.squeeze = nn.Conv2d(planes, planes // 16, 1)
        self.excite = nn.Conv2d(planes // 16, planes, 1)

    def forward(self, x):
        out = self.conv(F.relu(self.bn(x)))
        weights = self.excite(F.relu(self.squeeze(F.avg_pool2d(out, out.size(2)))))
        out = out * weights.sigmoid()
        out += x
        return out
""",
    ),
    "command_line_of_a_module": (
        "AGL101",
        "modified by an inplace operation",
        """\
import argparse

import missing
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float, default=2.0)
opt = parser.parse_args()


def step(n):
    y = torch.ones(n, requires_grad=True).exp()
    y += opt.scale
    y.sum().backward()


if __name__ == "__main__":
    missing.start(step)
""",
    ),
    "base_that_is_not_here": (
        "AGL104",
        "CopySlices",
        """\
import missing
import torch


class Lower(missing.transforms.Linear):
    def __init__(self, features, identity=True):
        super().__init__(features)
        self.entries = torch.nn.Parameter(torch.ones(features))
        self.register_buffer("order", torch.zeros(features))

    def _matrix(self, size):
        lower = self.entries.new_zeros(self.features, self.features)
        lower[0] = self.entries
        return lower
""",
    ),
    "first_argument_of_forward": (
        "AGL101",
        "modified by an inplace operation",
        """\
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.fc = nn.Linear(size, size)

    def forward(self, h, *, mask=None):
        h = torch.sigmoid(self.fc(h))
        h += 1
        return h
""",
    ),
    "a_judge_that_is_not_known": (
        "AGL201",
        "still holds",
        """\
import argparse
import os

import torch
from torch.nn import functional as F

from missing import load


def train(args, judge: "missing.Judge", loader):
    maker = torch.nn.Linear(8, 8).to(args.device)
    optimizer = torch.optim.SGD(maker.parameters(), lr=args.lr)
    names = os.listdir(args.data_root)
    for step, (images, labels, weights) in enumerate(loader):
        real = torch.ones(images.size(0), 1, device="cuda:0")
        loss = F.mse_loss(judge(maker(images), labels), real) * len(names)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
""",
    ),
    "memory_that_is_not_full": (
        "AGL101",
        "modified by an inplace operation",
        """\
import missing
import torch


def learn(memory):
    if len(memory.kept) < 1000:
        return None
    y = torch.ones(3, requires_grad=True).exp()
    y += 1
    y.sum().backward()
""",
    ),
    "refused_where_it_is_used": (
        "AGL106",
        "has been modified",
        """\
import torch

w = torch.rand(3, requires_grad=True)
t = w.softmax(-1)
for b in t.unbind(-1):
    pass
t[0] = 0.5
z = torch.where(b > 0, b, b * 2)
z.sum().backward()
""",
    ),
    "option_that_is_none": (
        "AGL101",
        "modified by an inplace operation",
        """\
import missing
import torch


class Agent:
    def __init__(self, model, lr=None):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def update(self, n):
        y = torch.ones(n, requires_grad=True).exp()
        y += self.model(y).mean()
        y.sum().backward()
""",
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Confirmed:
    folder = tmp_path_factory.mktemp("verdicts")
    for name, (_, _, text) in CASES.items():
        (folder / f"{name}.py").write_text(text)
    return confirm_paths(folder, extend=("AGL110",))


@pytest.mark.parametrize("case", CASES)
def test_is_confirmed(told: Confirmed, case: str) -> None:
    code, words, _ = CASES[case]
    found = [f for f in told.findings if Path(f.filename).stem == case and f.code == code]
    assert found
    for finding in found:
        assert finding.confirmation is not None
        assert finding.confirmation.verdict is Verdict.CONFIRMED, finding.confirmation
        assert words in finding.confirmation.evidence


def test_zeros_do_not_blame_a_root_that_is_safe(tmp_path: Path) -> None:
    """The division makes the gradient NaN; a root with a number inside does not."""
    from autograd_lint.finding import Finding, Position, Range
    from autograd_lint.rule import all_rules
    from autograd_lint.runner import RunResult
    from tests.confirm.conftest import confirm_result, settings_for

    path = tmp_path / "safe.py"
    path.write_text("import torch\n\n\ndef f(x):\n    y = x / x\n    return torch.sqrt((y**2).sum(-1) + 1.0)\n")
    rule = next(rule for rule in all_rules() if rule.code == "AGL509")
    message = "the gradient of `sqrt` of a sum of squares is NaN where the sum is zero"
    false = Finding(rule.code, rule.name, rule.severity, message, str(path), Range(Position(6, 12), Position(6, 44)))
    (seen,) = confirm_result(RunResult((false,), (str(path),)), settings_for(path)).findings
    assert seen.confirmation is not None
    assert seen.confirmation.verdict is Verdict.INCONCLUSIVE
    assert "another operation" in seen.confirmation.evidence

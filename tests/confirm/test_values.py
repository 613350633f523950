"""Findings that are confirmed or refuted by values alone: gradients that are missing, flags that did not change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.finding import Finding, Position, Range, Related, Verdict
from autograd_lint.rule import all_rules
from autograd_lint.runner import RunResult
from tests.confirm.conftest import Confirmed, confirm_result, settings_for

torch = pytest.importorskip("torch")


def judge(path: Path, code: str, message: str, row: int, related: tuple[tuple[int, str], ...] = ()) -> tuple[str, str]:
    """The verdict on a made-up finding at a row of the program, and its evidence."""
    lines = path.read_text().splitlines()

    def place(number: int) -> Range:
        text = lines[number - 1]
        return Range(Position(number, len(text) - len(text.lstrip()) + 1), Position(number, len(text) + 1))

    rule = next(rule for rule in all_rules() if rule.code == code)
    places = tuple(Related(text, str(path), place(number)) for number, text in related)
    finding = Finding(code, rule.name, rule.severity, message, str(path), place(row), related=places)
    (seen,) = confirm_result(RunResult((finding,), (str(path),)), settings_for(path), only="program").findings
    assert seen.confirmation is not None
    return seen.confirmation.verdict.value, seen.confirmation.evidence


CASES = {
    "gradient that is there": (
        "AGL504",
        """\
import torch
w = torch.tensor(2.0, requires_grad=True)
loss = w * w.detach()
loss.backward()
print(w.grad)
""",
        ("`detach` cuts a value from the graph, and `w` gets no gradient", 3),
        ((4, "backward runs here"), (5, "the gradient of `w` read here is None")),
        (Verdict.REFUTED, "`w.grad` is 2 after the backward"),
    ),
    "parameter that a step passes over": (
        "AGL504",
        """\
import torch
model = torch.nn.Linear(2, 1)
other = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([*model.parameters(), other], 0.1)
loss = other * model(torch.ones(2)).detach()
loss.sum().backward()
optimizer.step()
""",
        ("`detach` cuts a value from the graph, and `weight` gets no gradient", 5),
        ((6, "backward runs here"), (7, "`weight` has no gradient in this step")),
        (Verdict.CONFIRMED, "when `optimizer` steps, the gradient of its parameters of shape [1, 2], [1] is None"),
    ),
    "input that does not reach the edge": (
        "AGL509",
        """\
import torch
x = torch.tensor([4.0, 1.0], requires_grad=True)
root = torch.where(x > 0, x.sqrt(), torch.zeros(2))
root.sum().backward()
""",
        ("the branch with `sqrt` gives `x` a gradient of NaN where it is not taken", 3),
        ((3, "its derivative is infinite at the edge"),),
        (Verdict.INCONCLUSIVE, "the gradients were finite, as [0.25, 0.5]"),
    ),
    "value with a graph": (
        "AGL511",
        """\
import torch
w = torch.tensor(2.0, requires_grad=True)
loss = w * 2
loss.requires_grad_()
loss.backward()
""",
        ("`requires_grad_()` gives `loss` no graph", 4),
        ((5, "backward runs here, and reaches nothing else"),),
        (Verdict.REFUTED, "`loss` has the grad_fn MulBackward0 when backward runs"),
    ),
    "flag that changes": (
        "AGL608",
        """\
import torch
weight = torch.nn.Parameter(torch.ones(2))
weight.requires_grad = False
""",
        ("`require_grad` sets a new attribute of `weight`, and what requires grad stays as it was", 3),
        (),
        (Verdict.REFUTED, "`weight.requires_grad` is False after it"),
    ),
    "module with hooks": (
        "AGL607",
        """\
import torch
layer = torch.nn.Linear(1, 1)
layer.register_forward_hook(print)
value = layer(torch.ones(1)); layer.forward(value)
""",
        ("`layer.forward(…)` is called by name: the hooks registered on it do not run", 4),
        (),
        (Verdict.INCONCLUSIVE, ""),
    ),
    "module that is called in the same row": (
        "AGL607",
        """\
import torch
layer = torch.nn.Linear(1, 1)
layer.forward(layer(torch.ones(1)))
""",
        ("`layer.forward(…)` is called by name: hooks that `layer(…)` runs are left out", 3),
        (),
        (Verdict.INCONCLUSIVE, "a forward hook hung on `layer` for this row ran"),
    ),
    "module without hooks": (
        "AGL607",
        """\
import torch
layer = torch.nn.Linear(1, 1)
layer.forward(torch.ones(1))
""",
        ("`layer.forward(…)` is called by name: hooks that `layer(…)` runs are left out", 3),
        (),
        (Verdict.CONFIRMED, "a forward hook hung on `layer` for this row did not run"),
    ),
    "conversion that may return the tensor itself": (
        "AGL510",
        """\
import torch
x = torch.ones(2)
x.clamp(0, 1)
""",
        ("the result of `detach` is thrown away: `x` stays as it was", 3),
        (),
        (Verdict.INCONCLUSIVE, ""),
    ),
    "right number of gradients": (
        "AGL603",
        """\
import torch
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, grad):
        return grad * 2
Scale.apply(torch.ones(2, requires_grad=True)).sum().backward()
""",
        ("`Scale.backward` returns 1 gradient for 2 inputs", 8),
        ((4, "the inputs are those of this `forward`"),),
        (Verdict.REFUTED, "torch raised nothing"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_verdict(case: str, tmp_path: Path) -> None:
    code, text, (message, row), related, (verdict, words) = CASES[case]
    path = tmp_path / "program.py"
    path.write_text(text)
    found = judge(path, code, message, row, related)
    assert found[0] == verdict.value, found
    assert words in found[1], found


def test_constant_term_of_a_loss(confirm_text: Callable[..., Confirmed]) -> None:
    seen = confirm_text(
        """\
import torch
w = torch.ones(2, requires_grad=True)
penalty = (w**2).sum()
loss = (w * 3).sum() + penalty.item()
loss.backward()
print(w.grad)
"""
    )
    (found,) = seen.of("AGL504")
    assert found.verdict is Verdict.CONFIRMED
    assert "`item` took a number out of a graph that ends at 1 leaf" in found.evidence

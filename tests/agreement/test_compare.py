"""When the linter agrees with torch: real programs, run by torch, and made-up findings on them."""

from __future__ import annotations

import textwrap

import pytest

from autograd_lint.finding import Finding, Position, Range, Severity
from tests.agreement.compare import Comparison, Disagreement, Fault, compare
from tests.agreement.oracle import run_program
from tests.agreement.outcome import Kind


def program(body: str) -> str:
    """A program whose body begins in line 3."""
    return "import torch\nfrom torch import nn\n" + textwrap.dedent(body).lstrip("\n")


def said(code: str, row: int, *, last: int | None = None, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, "made-up", severity, "", "program.py", Range(Position(row, 1), Position(last or row, 80)))


def judge(text: str, *findings: Finding) -> Comparison:
    return compare(text, run_program(text), findings)


def faults(text: str, *findings: Finding) -> list[tuple[Fault, str]]:
    return [(each.fault, each.rule) for each in judge(text, *findings).disagreements]


STALE = program(
    """
    x = torch.ones(3, requires_grad=True)
    e = x.exp()
    e.mul_(2)
    e.sum().backward()
    """
)
FINE = program(
    """
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.add_(1)
    y.sum().backward()
    """
)
WRITES = "AGL101/AGL107/AGL108"


# ------------------------------------------------------------------- errors of torch


def test_the_write_is_the_right_line() -> None:
    assert faults(STALE, said("AGL101", 5)) == []
    assert faults(STALE, said("AGL101", 4, last=6)) == []


def test_another_rule_of_the_family_will_do() -> None:
    assert faults(STALE, said("AGL107", 5)) == []


def test_nothing_said() -> None:
    assert faults(STALE) == [(Fault.MISSED, WRITES)]


def test_only_a_warning() -> None:
    (only,) = judge(STALE, said("AGL101", 5, severity=Severity.WARNING)).disagreements
    assert (only.fault, only.warned, only.line) == (Fault.MISSED, True, 5)


def test_the_backward_is_the_wrong_line() -> None:
    assert faults(STALE, said("AGL101", 6)) == [(Fault.WRONG_LINE, "AGL101")]


def test_another_family_is_missed_and_false() -> None:
    assert faults(STALE, said("AGL202", 6)) == [(Fault.MISSED, WRITES), (Fault.FALSE_ERROR, "AGL202")]


def test_a_second_error_that_torch_contradicts() -> None:
    assert faults(STALE, said("AGL101", 5), said("AGL102", 4)) == [(Fault.FALSE_ERROR, "AGL102")]


def test_either_of_two_writes_that_the_backward_stumbles_over() -> None:
    text = program(
        """
        x = torch.ones(3, requires_grad=True)
        a, b = x.exp(), x.sigmoid()
        a.mul_(2)
        b.mul_(2)
        (a + b).sum().backward()
        """
    )
    assert faults(text, said("AGL101", 5)) == []
    assert faults(text, said("AGL101", 6)) == []
    assert faults(text, said("AGL101", 5), said("AGL101", 6)) == []
    assert faults(text, said("AGL101", 4)) == [(Fault.WRONG_LINE, "AGL101")]


@pytest.mark.parametrize(
    ("body", "code", "row"),
    [
        ("x = torch.ones(3, requires_grad=True)\nx.add_(1)", "AGL102", 4),
        ("x = torch.ones(3, requires_grad=True)\nx[0] = 1.0", "AGL102", 4),
        ("x = torch.ones(2, requires_grad=True)\na, b = x * 2\na.add_(1)", "AGL106", 5),
        ("x = torch.ones(3)\nx.expand(2, 3).add_(1)", "AGL106", 4),
        ("x = torch.ones(3, requires_grad=True)\ntorch.exp(x, out=torch.empty(3))", "AGL111", 4),
        ("x = torch.ones(3, requires_grad=True)\n(x * 2).backward()", "AGL501", 4),
        ("x = torch.ones(3)\nx.sum().backward()", "AGL505", 4),
        ("x = torch.ones(3, requires_grad=True)\ny = x // 2\ny.sum().backward()", "AGL506", 5),
        ("x = torch.tensor([1], requires_grad=True)", "AGL507", 3),
        ("x = torch.ones(3, requires_grad=True)\nx.numpy()", "AGL508", 4),
        ("x = torch.ones(3, requires_grad=True)\ny = x.exp().sum()\ny.backward()\ny.backward()", "AGL202", 6),
        ("x = torch.ones(3, requires_grad=True)\ny = x.exp().sum()\nfor _ in range(2):\n    y.backward()", "AGL203", 6),
        ("x = torch.ones(3, requires_grad=True)\ntorch.optim.SGD([x * 2], lr=0.1)", "AGL406", 4),
    ],
)
def test_family_of_each_error(body: str, code: str, row: int) -> None:
    assert faults(program(body), said(code, row)) == []
    assert (Fault.MISSED, code.replace("203", "202")[:6]) in [(f, rule[:6]) for f, rule in faults(program(body))]


def test_detaching_in_place_is_to_blame_where_backward_refuses() -> None:
    text = program("x = torch.ones(3, requires_grad=True)\nh = x * 2\nz = h * h\nh.detach_()\nz.sum().backward()")
    assert faults(text, said("AGL101", 6)) == []
    assert faults(text, said("AGL101", 5)) == [(Fault.WRONG_LINE, "AGL101")]


def test_what_no_rule_tells_of_is_not_expected() -> None:
    comparison = judge(program("x = torch.ones(3, requires_grad=True)\n(x * 2).requires_grad = False"))
    assert (comparison.disagreements, comparison.has_rule) == ((), False)


def test_a_program_that_fails_for_another_reason_is_not_judged() -> None:
    assert judge(program("torch.ones(3) + torch.ones(2)"), said("AGL101", 3)) == Comparison(Kind.OTHER)


def test_crash() -> None:
    assert faults(STALE, said("AGL003", 1)) == [(Fault.CRASH, "AGL003")]


# ------------------------------------------------------------------- no error of torch


def test_nothing_said_of_what_is_fine() -> None:
    assert judge(FINE) == Comparison(Kind.OK)
    assert faults(FINE, said("AGL103", 5, severity=Severity.WARNING)) == []


@pytest.mark.parametrize(
    "code", ["AGL101", "AGL102", "AGL107", "AGL108", "AGL202", "AGL302", "AGL401", "AGL402", "AGL501"]
)
def test_error_on_what_is_fine(code: str) -> None:
    assert judge(FINE, said(code, 5)).disagreements == (Disagreement(Fault.FALSE_ERROR, code, "ok", 5),)


def test_a_line_that_did_not_run_is_not_judged() -> None:
    text = program("x = torch.ones(3, requires_grad=True)\nif x.numel() > 5:\n    x.add_(1)")
    assert faults(text, said("AGL102", 5)) == []
    assert judge(text, said("AGL102", 5)).unjudged == ("AGL102",)


def test_a_line_after_the_fault_is_not_judged() -> None:
    text = STALE + "x.add_(1)\n"
    assert faults(text, said("AGL101", 5), said("AGL102", 7)) == []


def test_a_loop_that_the_fault_cut_short_is_not_judged() -> None:
    text = program(
        """
        x = torch.ones(3, requires_grad=True)
        for i in range(2):
            y = x.exp()
            y.sum().backward()
            y.backward()
        """
    )
    assert faults(text, said("AGL501", 7), said("AGL202", 6)) == []
    assert judge(text, said("AGL501", 7), said("AGL202", 6)).unjudged == ("AGL202",)


def test_an_error_that_the_program_catches() -> None:
    text = program(
        """
        x = torch.ones(3, requires_grad=True)
        try:
            x.add_(1)
        except RuntimeError:
            pass
        """
    )
    assert faults(text) == []
    assert faults(text, said("AGL102", 5)) == []
    assert faults(text, said("AGL102", 3)) == [(Fault.FALSE_ERROR, "AGL102")]


def test_a_rule_that_torch_cannot_judge() -> None:
    assert judge(FINE, said("AGL999", 5)).unjudged == ("AGL999",)


# ------------------------------------------------------------------- wrong without an error


SILENT = program(
    """
    x = torch.ones(3, requires_grad=True)
    y = x * x
    x.data.mul_(3)
    y.sum().backward()
    """
)


def test_wrong_gradient() -> None:
    assert judge(SILENT, said("AGL107", 5)).silent_found is True
    assert judge(SILENT).silent_found is False
    assert faults(SILENT) == []
    assert faults(SILENT, said("AGL107", 4)) == [(Fault.FALSE_ERROR, "AGL107")]


@pytest.mark.parametrize("write", ["x.data.mul_(1)", "x.data = x.detach().clone()"])
def test_a_write_unseen_that_happens_to_change_nothing(write: str) -> None:
    text = SILENT.replace("x.data.mul_(3)", write)
    assert run_program(text).kind is Kind.OK
    assert faults(text, said("AGL107", 5)) == []


def test_an_alias_that_changes() -> None:
    text = program(
        """
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        before = y.detach()
        y.mul_(2)
        print(before)
        """
    )
    assert faults(text, said("AGL107", 6)) == []
    assert faults(text.replace("mul_(2)", "mul_(1)"), said("AGL107", 6)) == []
    assert faults(text, said("AGL107", 5)) == [(Fault.FALSE_ERROR, "AGL107")]
    assert faults(text.replace("detach()", "detach().clone()"), said("AGL107", 6)) == [(Fault.FALSE_ERROR, "AGL107")]


LOOP = program(
    """
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.ones(1, 2)).sum()
        loss.backward()
        optimizer.step()
    """
)


def test_gradients_that_are_summed() -> None:
    assert faults(LOOP) == [(Fault.MISSED, "AGL302")]
    assert faults(LOOP, said("AGL302", 7)) == []
    assert faults(LOOP, said("AGL302", 8)) == [(Fault.FALSE_ERROR, "AGL302"), (Fault.MISSED, "AGL302")]


@pytest.mark.parametrize(
    "clear",
    [
        "optimizer.zero_grad()",
        "optimizer.zero_grad(set_to_none=False)",
        "model.zero_grad()",
        "model.weight.grad = model.bias.grad = None",
    ],
)
def test_gradients_that_are_cleared(clear: str) -> None:
    assert faults(LOOP + f"    {clear}\n") == []
    assert faults(LOOP + f"    {clear}\n", said("AGL302", 7)) == [(Fault.FALSE_ERROR, "AGL302")]


BY_HAND = program(
    """
    w = torch.ones(2, requires_grad=True)
    v = torch.zeros(2)
    for _ in range(3):
        (w * w).sum().backward()
        v = 0.5 * v + w.grad
        with torch.no_grad():
            w -= 0.1 * v
    """
)


@pytest.mark.parametrize(
    "step", ["w -= 0.1 * v", "w.add_(v)", "w.data.copy_(w - v)", "w.data = w - v", "w[:1] -= w.grad[:1]"]
)
def test_steps_written_out(step: str) -> None:
    assert faults(BY_HAND.replace("w -= 0.1 * v", step), said("AGL302", 6)) == []


@pytest.mark.parametrize("clear", ["w.grad = None", "w.grad.zero_()", "w.grad.mul_(0.5)"])
def test_steps_written_out_and_seen_to(clear: str) -> None:
    text = BY_HAND.replace("v = 0.5 * v + w.grad", "v = w.grad.clone()") + f"        {clear}\n"
    assert faults(text, said("AGL302", 6)) == [(Fault.FALSE_ERROR, "AGL302")]


@pytest.mark.parametrize("use", ["v += w.grad", "w.clamp_(max=1)", "w.mul_(w.grad > 0)"])
def test_uses_of_a_gradient_that_are_no_step(use: str) -> None:
    assert faults(BY_HAND.replace("w -= 0.1 * v", use), said("AGL302", 6)) == [(Fault.FALSE_ERROR, "AGL302")]


def test_gradients_that_are_accumulated_on_purpose() -> None:
    text = LOOP.replace("        optimizer.step()", "    optimizer.step()").replace(
        "    optimizer.step()", "optimizer.step()", 1
    )
    assert faults(text) == []


def test_a_sum_that_no_step_uses_may_be_told_of_or_not() -> None:
    text = (
        LOOP.replace("range(3)", "range(2)")
        .replace("    optimizer.step()", "")
        .replace("    loss =", "    optimizer.step()\n    loss =")
    )
    assert run_program(text).summed
    assert faults(text) == []
    assert faults(text, said("AGL302", 8)) == []


def test_a_sum_over_two_lines_may_be_told_of_or_not() -> None:
    text = LOOP.replace("    loss =", "    optimizer.zero_grad()\n    loss =")
    text += "    model(torch.ones(1, 2)).sum().backward()\n    optimizer.step()\n"
    assert faults(text) == []
    assert faults(text, said("AGL302", 10)) == []
    assert faults(text, said("AGL302", 8)) == [(Fault.FALSE_ERROR, "AGL302")]


def test_one_finding_is_enough_for_one_missing_clearing() -> None:
    text = LOOP.replace("loss.backward()", "loss.backward(retain_graph=True)\n    loss.backward()")
    assert faults(text, said("AGL302", 7)) == []
    assert faults(text, said("AGL302", 8)) == []


MODULE = program(
    """
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.ones(3)) ** 2

        def forward(self, x):
            return x * self.weights

    Scale()(torch.ones(3)).sum().backward()
    """
)


def test_a_parameter_that_no_module_knows() -> None:
    assert faults(MODULE) == [(Fault.MISSED, "AGL401")]
    assert faults(MODULE, said("AGL401", 6)) == []
    known = MODULE.replace(
        "self.weights = nn.Parameter(torch.ones(3)) ** 2", "self.weights = nn.Parameter(torch.ones(3))"
    )
    assert faults(known, said("AGL401", 6)) == [(Fault.FALSE_ERROR, "AGL401")]


def test_a_leaf_that_is_lost() -> None:
    text = program("w = torch.ones(3, requires_grad=True) * 2\nw.sum().backward()")
    assert faults(text, said("AGL402", 3)) == []
    kept = program("leaf = torch.ones(3, requires_grad=True)\nw = leaf * 2\nw.sum().backward()")
    assert faults(kept, said("AGL402", 4)) == [(Fault.FALSE_ERROR, "AGL402")]

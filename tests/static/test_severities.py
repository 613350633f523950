"""What hangs on something not known is a warning; what torch does on every run is an error."""

from __future__ import annotations

import pytest

from autograd_lint.engine import check_source
from autograd_lint.finding import Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile

OPTIMIZER = "import torch\nw = torch.ones(3, requires_grad=True){move}\ntorch.optim.SGD([w], lr=0.1)\n"


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        (OPTIMIZER.format(move=".to(device)"), "AGL406", Severity.WARNING),
        (OPTIMIZER.format(move=".to(device).to(dtype)"), "AGL406", Severity.WARNING),
        (OPTIMIZER.format(move=".cuda()"), "AGL406", Severity.ERROR),
        (OPTIMIZER.format(move=".double()"), "AGL406", Severity.ERROR),
        (OPTIMIZER.format(move=".mul(2).to(device)"), "AGL406", Severity.ERROR),
        ("import torch\nfor m in modules:\n    m.weight[0] = 1\n", "AGL102", Severity.WARNING),
        ("import torch\nw = torch.nn.Linear(2, 2).weight\nw[0] = 1\n", "AGL102", Severity.ERROR),
    ],
)
def test_severity_follows_what_is_known(text: str, code: str, severity: Severity) -> None:
    found = check_source(SourceFile("program.py", text), [rule for rule in all_rules() if rule.code == code])
    assert [finding.severity for finding in found] == [severity]


FUNCTION = """
import torch
model = torch.nn.Linear(2, 2)
def predict(x):
    {first}
    return model(x).numpy()
"""


@pytest.mark.parametrize(
    ("first", "severity"), [("pass", Severity.WARNING), ("model(x).sum().backward()", Severity.ERROR)]
)
def test_who_calls_a_function_may_have_switched_gradients_off(first: str, severity: Severity) -> None:
    text = FUNCTION.format(first=first)
    found = check_source(SourceFile("program.py", text), [rule for rule in all_rules() if rule.code == "AGL508"])
    assert [finding.severity for finding in found] == [severity]


def test_argument_given_twice_belongs_to_another_function() -> None:
    text = """
import torch
class Cached(torch.nn.Module):
    def forward(self, x, cache=None):
        cache["mean"] = 1
        return x
first, second = torch.split(torch.ones(2, 3, requires_grad=True) * 2, 1)
Cached()(first, second, cache={})
"""
    rules = [rule for rule in all_rules() if rule.code == "AGL106"]
    assert check_source(SourceFile("program.py", text), rules) == []
    assert check_source(SourceFile("program.py", text.replace(", cache={}", "")), rules) != []


FUNCTIONS = """
import torch
class AsItCame(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, grad):
        return grad
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.sub_(1.0)
        return x.exp()
    @staticmethod
    def backward(ctx, grad):
        return grad
w = torch.nn.Parameter(torch.rand(3))
y = AsItCame.apply(w)
Exp.apply(y).mean().backward()
"""


def test_function_asks_for_the_history_of_its_inputs_before_it_writes_to_them() -> None:
    codes = {finding.code for finding in check_source(SourceFile("program.py", FUNCTIONS), all_rules())}
    assert "AGL602" in codes
    assert "AGL106" not in codes


def test_what_one_path_finds_to_be_a_tuple_is_reached_there_too() -> None:
    text = """
import torch
model = torch.nn.Linear(3, 3)
def forward(x, target=None):
    output = model(x)
    chosen = output.argmax(-1)
    if target is not None:
        return (output - target).sum(), chosen
    return chosen
def train(batches, target=None):
    for x in batches:
        loss, _ = forward(x, target)
        loss.backward()
"""
    rules = [rule for rule in all_rules() if rule.code == "AGL505"]
    assert [finding.severity for finding in check_source(SourceFile("program.py", text), rules)] == [Severity.WARNING]


TEST = """
import torch
{model}
def {name}():
    {made}
    model.eval()
    for batch in torch.ones(3, 1, 2):
        model.forward(batch)
        model(batch)
"""
MADE = "model = torch.nn.Linear(2, 1)"


@pytest.mark.parametrize(
    ("filename", "name", "made", "severities"),
    [
        ("test_net.py", "test_rows", MADE, []),
        ("test_net.py", "test_rows", "pass", [Severity.INFO]),
        ("net.py", "test_rows", MADE, [Severity.WARNING, Severity.INFO]),
        ("test_net.py", "evaluate", "pass", [Severity.WARNING, Severity.WARNING]),
    ],
)
def test_what_a_test_wastes_or_leaves_out_matters_little(
    filename: str, name: str, made: str, severities: list[Severity]
) -> None:
    text = TEST.format(name=name, made=made, model=MADE if made == "pass" else "")
    found = check_source(
        SourceFile(filename, text), [rule for rule in all_rules() if rule.code in ("AGL207", "AGL607")]
    )
    assert [finding.severity for finding in sorted(found, key=lambda finding: finding.code)] == severities


KEPT_IN_A_TEST = """
import torch
from package import attribute
layer = torch.nn.Linear(2, 2)
def {name}():
    start = 100 * torch.ones(1, 2, requires_grad=True)
    attribute(layer, start)
    kept = []
    for _ in range(3):
        out = layer(torch.ones(1, 2))
        kept.append(out)
        out.sum().backward()
"""


@pytest.mark.parametrize(("name", "codes"), [("test_rows", []), ("rows", ["AGL204", "AGL402"])])
def test_memory_and_unread_gradients_are_no_matter_in_a_test(name: str, codes: list[str]) -> None:
    rules = [rule for rule in all_rules() if rule.code in ("AGL204", "AGL402")]
    found = check_source(SourceFile("tests/test_net.py", KEPT_IN_A_TEST.format(name=name)), rules)
    assert sorted(finding.code for finding in found) == codes

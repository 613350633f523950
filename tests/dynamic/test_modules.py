"""What the observer sees of the user's Modules: unregistered parts, parts made in forward, evaluation with a graph."""

from __future__ import annotations

import pytest

from autograd_lint.finding import Severity
from autograd_lint.rule import all_rules
from tests.dynamic.watched import DEFAULT, MODES, watch

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

each_mode = pytest.mark.parametrize("mode", MODES)
CONSTRUCTED = """\
import torch
from torch import nn

shared = nn.Linear(2, 2)


class Net(nn.Module):
    def __init__(self, given=None):
        super().__init__()
        self.first = nn.Linear(2, 2)
        {binding}
        {then}


net = Net([nn.Linear(2, 2)])
{use}
"""


def codes(binding: str, *, then: str = "pass", use: str = "", mode: str = "instructions") -> dict[str, int]:
    """The codes found, each with its row."""
    seen = watch(CONSTRUCTED.format(binding=binding, then=then, use=use), mode=mode)
    assert seen.error is None
    return {finding.code: finding.range.start.row for finding in seen.findings}


@each_mode
@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ("self.layers = [nn.Linear(2, 2) for _ in range(2)]", "AGL403"),
        ("self.layers = {'a': (nn.Linear(2, 2),)}", "AGL403"),
        ("self.scales = [nn.Parameter(torch.ones(2))]", "AGL403"),
        ("self.scale = torch.ones(2, requires_grad=True)", "AGL404"),
        ("self.scales = [torch.ones(2, requires_grad=True)]", "AGL404"),
    ],
)
def test_what_a_constructor_leaves_unregistered(binding: str, code: str, mode: str) -> None:
    assert codes(binding, mode=mode) == {code: 11}


@pytest.mark.parametrize(
    ("binding", "then", "use"),
    [
        ("self.layers = [nn.Linear(2, 2)]", "self.all = nn.Sequential(*self.layers)", ""),
        ("self.layers = [nn.Linear(2, 2)]", "self.add_module('one', self.layers[0])", ""),
        ("self.layers = [self.first]", "pass", ""),
        ("self.layers = [nn.Linear(2, 2)]", "self.layers = nn.ModuleList(self.layers)", ""),
        ("self.layers = [nn.ReLU(), nn.Dropout()]", "pass", ""),
        ("self.layers = [nn.Linear(2, 2).requires_grad_(False)]", "pass", ""),
        ("self.layers = given", "pass", ""),
        ("self.layers = [given[0], shared]", "pass", ""),
        ("self.scale = torch.ones(2)", "pass", ""),
        ("self.scale = torch.ones(2, requires_grad=True)", "self.kept = nn.Parameter(self.scale)", ""),
        ("self.layers = [nn.Linear(2, 2)]", "pass", "torch.optim.SGD(net.layers[0].parameters(), 0.1)"),
        ("self.layers = [nn.Linear(2, 2)]", "pass", "net.all = nn.ModuleList(net.layers)"),
    ],
)
def test_what_somebody_looks_after(binding: str, then: str, use: str) -> None:
    assert codes(binding, then=then, use=use) == {}


def test_constructor_that_fails_has_left_nothing() -> None:
    text = CONSTRUCTED.format(binding="self.layers = [nn.Linear(2, 2)]", then="raise ValueError", use="")
    assert watch(text).codes == []


def test_base_class_ends_before_the_class_itself() -> None:
    text = CONSTRUCTED.format(binding="self.layers = [nn.Linear(2, 2)]", then="pass", use="")
    text = text.replace("net = Net(", "class Whole(Net):\n    def __init__(self, given):\n        super().__init__()\n"
                        "        self.all = nn.ModuleList(self.layers)\n\n\nnet = Whole(")  # fmt: skip
    assert watch(text).codes == []


FORWARD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = None

    def forward(self, x):
        {made}
        return {result}


net = Net()
for _ in range({calls}):
    net(torch.ones(1, 2)).sum().backward()
"""


@each_mode
@pytest.mark.parametrize(
    ("made", "result"),
    [
        ("layer = nn.Linear(2, 2)", "layer(x)"),
        ("scale = nn.Parameter(torch.ones(2))", "x * scale"),
        ("self.layer = nn.Linear(2, 2)", "self.layer(x)"),
        ("layer = nn.Sequential(nn.Linear(2, 2), nn.ReLU())", "layer(x)"),
    ],
)
def test_what_forward_makes_on_each_call(made: str, result: str, mode: str) -> None:
    seen = watch(FORWARD.format(made=made, result=result, calls=2), mode=mode)
    (found,) = (finding for finding in seen.findings if finding.code == "AGL405")
    assert (found.range.start.row, found.severity) == (11, Severity.ERROR)


def test_what_one_call_has_made_and_dropped_may_be_made_again() -> None:
    text = FORWARD.format(made="layer = nn.Linear(2, 2)", result="layer(x)", calls=1)
    (found,) = watch(text).findings
    assert (found.code, found.severity) == ("AGL405", Severity.WARNING)


@pytest.mark.parametrize(
    ("made", "calls"),
    [
        ("self.layer = self.layer or nn.Linear(2, 2)", 3),
        ("self.layer = self.layer or nn.Linear(2, 2)", 1),
        ("self.layer = nn.Linear(2, 2).requires_grad_(False)", 0),
    ],
)
def test_what_forward_makes_once_and_keeps(made: str, calls: int) -> None:
    assert "AGL405" not in watch(FORWARD.format(made=made, result="self.layer(x)", calls=calls)).codes


EVALUATED = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(2):
    model.train()
    optimizer.zero_grad()
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    {mode}
    {context}
        for batch in torch.ones(3, 1, 2):
            output = model(batch)
            {use}
"""


@each_mode
def test_evaluation_that_builds_graphs(mode: str) -> None:
    seen = watch(EVALUATED.format(mode="model.eval()", context="if True:", use="output.sum().item()"), mode=mode)
    (found,) = seen.findings
    assert (found.code, found.range.start.row) == ("AGL207", 13)
    assert [related.range.start.row for related in found.related] == [10]


@pytest.mark.parametrize(
    ("mode", "context", "use"),
    [
        ("model.eval()", "with torch.no_grad():", "pass"),
        ("model.eval()", "with torch.inference_mode():", "pass"),
        ("pass", "if True:", "pass"),
        ("model.eval()", "if True:", "torch.autograd.grad(output.sum(), [model.weight])"),
        ("model.eval().requires_grad_(False)", "if True:", "model.requires_grad_(True) if batch is None else None"),
    ],
)
def test_evaluation_without_a_graph_or_with_a_use_for_it(mode: str, context: str, use: str) -> None:
    text = EVALUATED.format(mode=mode, context=context, use=use)
    text = text.replace("    model.train()\n", "    model.train().requires_grad_(True)\n")
    assert "AGL207" not in watch(text).codes


ARGUMENT = """\
import torch


def {name}(x):
    y = {inner}
    y.mul_(2)
    return y


value = torch.ones(2)
{call}
"""


@each_mode
@pytest.mark.parametrize(
    ("name", "inner", "call", "expected"),
    [
        ("double", "x", "double(value)", True),
        ("double", "x[0]", "double(value)", True),
        ("double", "x.clone()", "double(value)", False),
        ("double_", "x", "double_(value)", False),
        ("double", "x", "double(torch.ones(2))", False),
    ],
)
def test_argument_that_the_caller_still_holds(name: str, inner: str, call: str, expected: bool, mode: str) -> None:
    rule = next(rule for rule in all_rules() if rule.code == "AGL110")
    seen = watch(ARGUMENT.format(name=name, inner=inner, call=call), mode=mode, rules=[*DEFAULT, rule])
    assert (seen.at(6) == {"AGL110"}) is expected

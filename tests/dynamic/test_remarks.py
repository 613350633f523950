"""What a run says beside its findings: graphs that stay alive, parameters that training leaves alone, bytes retained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dynamic.watched import MODES, PROGRAM, make_observer

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

START = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 1)
        self.spare = nn.Linear(2, 2)

    def forward(self, x):
        return self.second(self.first(x).relu()CUT)


net = Net()
optimizer = torch.optim.SGD([p for n, p in net.named_parameters() if not n.startswith("LEFT")], lr=0.1)
kept = []
for _ in range(8):
    optimizer.zero_grad()
    loss = net(torch.ones(2, 4)).sum()
    loss.backward(ARGUMENT)
    optimizer.step()
    KEEP
"""
each_mode = pytest.mark.parametrize("mode", MODES)


def remarks(mode: str, *, cut: str = "", left: str = "none", keep: str = "", argument: str = "") -> list[str]:
    from autograd_lint.dynamic.remarks import remarks_of
    from autograd_lint.dynamic.syntax import add_text

    text = START.replace("CUT", cut).replace("LEFT", left).replace("KEEP", keep).replace("ARGUMENT", argument)
    add_text(PROGRAM, text)
    observer = make_observer(mode)
    with observer:
        exec(compile(text, PROGRAM, "exec"), {"__name__": "__main__"})
    assert observer.records.crashes == {}
    return [remark.line() for remark in remarks_of(observer.records)]


@each_mode
def test_parameters_no_backward_reaches(mode: str) -> None:
    (told,) = remarks(mode)
    assert "Net.spare.weight, Net.spare.bias: stepped without a gradient: no backward reached it" in told


@each_mode
def test_parameters_that_are_cut_off(mode: str) -> None:
    told = remarks(mode, cut=".detach()", left="spare")
    (line,) = [line for line in told if "Net.first.weight, Net.first.bias: stepped without a gradient" in line]
    assert "leaves the graph at <program>:14 by `detach`" in line
    assert len(told) == 1


@each_mode
def test_parameters_in_no_optimizer(mode: str) -> None:
    told = remarks(mode, left="first")
    assert any("Net.first.weight, Net.first.bias: got a gradient, and no optimizer has it" in line for line in told)


@each_mode
def test_graphs_that_stay_alive(mode: str) -> None:
    (told,) = remarks(mode, left="spare", keep="kept.append(loss)")
    assert told.startswith("note: <program>:23: 7 graphs of earlier rounds with 42 nodes were still alive")
    assert remarks(mode, left="spare", keep="kept.append(loss.item())") == []
    assert remarks(mode, left="spare", keep="kept = loss") == []


@each_mode
def test_bytes_that_are_retained(mode: str) -> None:
    (told,) = remarks(mode, left="spare", argument="retain_graph=True")
    assert "bytes of saved tensors, and was not used again [bytes-retained]" in told
    size = int(told.split("kept ")[1].split(" bytes")[0].replace(",", ""))
    assert size == 4 * 2 * 4 + 4 * 2 * 4  # the input, and the result of relu, which the second layer saves too


def test_run_reports_them_as_findings_that_do_not_count(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    text = START.replace("CUT", "").replace("LEFT", "none").replace("ARGUMENT", "").replace("KEEP", "kept.append(loss)")
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "autograd_lint", "run", "--isolated", "--ignore=AGL204", "--output-format=json"]
    ran = subprocess.run([*command, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    idle, kept = json.loads(ran.stdout)
    assert {found["code"] for found in (idle, kept)} == {"AGL004"}
    assert {found["severity"] for found in (idle, kept)} == {"info"}
    assert idle["message"].startswith("Net.spare.weight, Net.spare.bias: stepped without a gradient")
    assert (kept["location"]["row"], kept["message"].split(" with")[0]) == (23, "7 graphs of earlier rounds")

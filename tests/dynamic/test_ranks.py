"""`run` under `torchrun`: the ranks of a machine make one report, also where one of them fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
    pytest.skip("this torch has no gloo", allow_module_level=True)

START = """\
import os
import torch
import torch.distributed as dist

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 1))
loss = model(torch.ones(2, 3)).sum()
loss.backward()
total = model.module.weight.grad.clone()
dist.all_reduce(total)
h = torch.ones(3, requires_grad=True).exp()
h += 1
if rank == 1:
    g = h * 2
    g.mul_(3)
"""


def torchrun(project: Path, text: str) -> subprocess.CompletedProcess[str]:
    (project / "train.py").write_text(text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    command += ["-m", "autograd_lint", "run", "--output-format=json", "--select=AGL1", "train.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(project)}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_one_report_of_two_ranks(project: Path) -> None:
    ran = torchrun(project, START + "dist.destroy_process_group()\n")
    found = [(finding["code"], finding["location"]["row"]) for finding in json.loads(ran.stdout)]
    assert found == [("AGL103", 14), ("AGL103", 17)]
    assert "train.py:17: AGL103 on rank 1 only [some-ranks]" in ran.stderr
    assert "train.py:14: AGL103 on rank" not in ran.stderr
    assert list(project.glob("autograd-lint-*")) == []


def test_report_of_a_rank_that_fails_alone(project: Path) -> None:
    """The other one waits in a collective operation, and is ended by `torchrun`."""
    ran = torchrun(project, START + "if rank == 1:\n    h.sum().backward()\ndist.barrier()\n")
    found = {(finding["code"], finding["location"]["row"]) for finding in json.loads(ran.stdout)}
    assert ("AGL101", 14) in found
    assert "no report came from rank 0 [rank-missing]" in ran.stderr
    assert ran.returncode == 1

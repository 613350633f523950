"""A finding that `--confirm` refuted is left as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autograd_lint.finding import Confirmation, Verdict
from autograd_lint.fixing.run import fix_run
from autograd_lint.runner import run
from autograd_lint.selectors import Layer
from autograd_lint.settings import Options, resolve_settings

PROGRAM = "import torch\n\nx = torch.ones(3, requires_grad=True)\nh = x * 2\nk = x * 3\nh += 1\nk += 1\n"


def test_refuted_finding_is_not_fixed(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(PROGRAM)
    settings = resolve_settings((str(path),), Options(rules=Layer(), isolated=True))
    result = run((str(path),), settings)
    first, second = result.findings
    told = replace(first, confirmation=Confirmation(Verdict.REFUTED, "program", "no grad_fn"))
    fixed = fix_run(replace(result, findings=(told, second)), settings, unsafe=False, write=True)
    assert fixed.count == 1
    assert path.read_text() == PROGRAM.replace("k += 1", "k = k + 1")


def test_nothing_but_refuted_findings_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(PROGRAM)
    settings = resolve_settings((str(path),), Options(rules=Layer(), isolated=True))
    result = run((str(path),), settings)
    told = tuple(
        replace(found, confirmation=Confirmation(Verdict.REFUTED, "program", "no grad_fn")) for found in result.findings
    )
    assert fix_run(replace(result, findings=told), settings, unsafe=False, write=True).count == 0
    assert path.read_text() == PROGRAM

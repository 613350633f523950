"""Programs on which the linter and torch once disagreed: one for each cause."""

from __future__ import annotations

from textwrap import dedent
from typing import Final

import pytest
import torch

from tests.agreement.compare import compare, static_findings
from tests.agreement.oracle import run_program

CAUSES: Final = {
    "item of a detached inference tensor: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach()[0] = 9.0
    """,
    "view of a detached inference tensor: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach()[:2].add_(1)
    """,
    "column of an inference tensor's data by a list: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3, 3)
        a.data[[0, 1], 0] = 9.0
    """,
    "detached in inference mode: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
            b = a.detach()
        b.add_(1)
    """,
    "frozen parameter of an inference tensor: ok": """
        with torch.inference_mode():
            a = torch.zeros(3)
        nn.Parameter(a, requires_grad=False).add_(1)
    """,
    "detached inference tensor as a whole: ok": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach().add_(1)
        a.data.zero_()
        d = a.detach()
        d[:] = 1.0
        d[0:3] = 1.0
        d[[0, 1]] = 2.0
        d[d > 0] = 3.0
    """,
    "detached inference tensor saved: refused inference-saved": """
        with torch.inference_mode():
            a = torch.zeros(3)
        w = torch.ones(3, requires_grad=True)
        (a.detach() * w).sum().backward()
    """,
}
"""What the program does, its outcome under torch, and its text without imports."""

_IMPORTS: Final = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("cause", CAUSES)
def test_linter_now_agrees_with_torch(cause: str) -> None:
    text = _IMPORTS + dedent(CAUSES[cause])
    outcome = run_program(text)
    assert f"{outcome.kind.value} {outcome.reason}".strip() == cause.partition(": ")[2], outcome
    assert compare(text, outcome, static_findings(text)).disagreements == ()

"""A short program of which is told what torch makes of it: torch does so, and the linter agrees."""

from __future__ import annotations

from textwrap import dedent
from typing import Final

from tests.agreement.compare import compare, static_findings
from tests.agreement.oracle import run_program

_IMPORTS: Final = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


def check_cause(told: str, body: str) -> None:
    """`told` is what the program does, a colon, and its outcome under torch; `body` its text without imports."""
    text = _IMPORTS + dedent(body)
    outcome = run_program(text)
    assert f"{outcome.kind.value} {outcome.reason}".strip() == told.partition(": ")[2], outcome
    assert compare(text, outcome, static_findings(text)).disagreements == ()

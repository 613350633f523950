"""AGL001's fix: the comment goes, with what belongs to it, and nothing else."""

from __future__ import annotations

import pytest

from autograd_lint import engine
from autograd_lint.finding import Finding
from autograd_lint.fixing.apply import fix_source
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile
from autograd_lint.suppress import apply_suppressions

CODES = frozenset(rule.code for rule in all_rules())


def check(source: SourceFile) -> list[Finding]:
    return apply_suppressions(source, engine.check_source(source, all_rules()), ran=CODES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # autograd-lint: ignore[AGL101]\n", "x = 1\n"),
        ("x = 1  # autograd-lint: ignore[AGL101] -- it was slow\n", "x = 1\n"),
        ("x = 1  # autograd-lint: ignore[AGL101]  # kept\n", "x = 1  # kept\n"),
        ("# autograd-lint: file-ignore\nx = 1  # kept\n", "x = 1  # kept\n"),
        ("if x:\n    # autograd-lint: ignore[AGL2]\n    x = 1\n", "if x:\n    x = 1\n"),
        ("x = 1  # noqa: F401, AGL101\n", "x = 1  # noqa: F401\n"),
        ("x = 1  # noqa: AGL101\n", "x = 1\n"),
        ("import torch\nx = torch.ones(3, requires_grad=True)\nx += 1  # autograd-lint: ignore[AGL102, AGL201]\n",) * 1
        + ("import torch\nx = torch.ones(3, requires_grad=True)\nx += 1  # autograd-lint: ignore[AGL102]\n",),
        ("import torch\nx = torch.ones(3, requires_grad=True)\nx += 1  # autograd-lint: ignore[AGL201, AGL102]\n",) * 1
        + ("import torch\nx = torch.ones(3, requires_grad=True)\nx += 1  # autograd-lint: ignore[AGL102]\n",),
    ],
)
def test_unused_comment_goes(before: str, after: str) -> None:
    fixed = fix_source(SourceFile("/program.py", before), check, unsafe=False)
    assert fixed.source.text == after
    assert fixed.count == 1

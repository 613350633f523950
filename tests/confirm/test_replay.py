"""Replays: the programs written for findings, run with plain torch, raise what the findings foretell."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autograd_lint import engine
from autograd_lint.confirm.replay import NoReplay, Ran, Replay, replay_of
from autograd_lint.finding import Finding, Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile, read_source
from autograd_lint.static.interpret.explore import explore
from autograd_lint.static.syntax.lower import lower_module
from autograd_lint.static.syntax.parse import parse
from tests.agreement.generate import generate

RULES = [rule for rule in all_rules() if rule.on]
RAISING = (
    *("AGL101", "AGL102", "AGL106", "AGL108", "AGL111", "AGL113", "AGL202", "AGL203", "AGL406"),
    *("AGL501", "AGL505", "AGL506", "AGL507", "AGL508"),
)
"""Rules whose example ends with an exception of torch's."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run_here(text: str) -> Ran:
    """Run a program in this process."""
    try:
        exec(compile(text, "<replay>", "exec"), {})
    except Exception as error:
        rows = [row.lineno for row in traceback.extract_tb(error.__traceback__) if row.filename == "<replay>"]
        return Ran(rows[-1] if rows else None, str(error), type(error).__name__)
    return Ran()


def errors_in(path: Path, text: str) -> tuple[SourceFile, list[Finding]]:
    """The errors that the static engine finds in a program."""
    path.write_text(text)
    source = read_source(str(path))
    found = engine.check_source(source, RULES)
    return source, sorted((f for f in found if f.severity is Severity.ERROR), key=lambda f: f.range)


def replay_in(path: Path, text: str, code: str) -> Replay | NoReplay:
    """The verified replay of the first error of the rule `code`."""
    source, found = errors_in(path, textwrap.dedent(text))
    return replay_of(source, next(finding for finding in found if finding.code == code), run_here)


def body_of(replay: Replay | NoReplay) -> list[str]:
    """The statements of a replay, without comments and imports."""
    assert isinstance(replay, Replay), replay
    rows = [line.partition("  #")[0] for line in replay.text.splitlines()]
    return [row for row in rows if row and not row.startswith(("#", "import", "from"))]


@pytest.mark.parametrize("code", RAISING)
def test_example_of_rule_is_replayed(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in RULES if rule.code == code)
    example = rule.example()
    assert example is not None
    source, found = errors_in(tmp_path / "program.py", example.bad)
    finding = next(finding for finding in found if finding.code == code)
    replay = replay_of(source, finding, run_here)
    assert isinstance(replay, Replay), replay
    assert f"program.py:{finding.range.start.row}: {code}" in " ".join(replay.text.split())
    assert f"# line {finding.range.start.row} of program.py" in replay.text
    assert len(replay.text.splitlines()) <= 25


@pytest.mark.parametrize(
    ("code", "assertion"),
    [
        ("AGL107", "assert not torch.equal("),
        ("AGL112", "assert torch.equal("),
        ("AGL401", ".is_leaf"),
        ("AGL402", ".is_leaf"),
        ("AGL503", ".grad_fn is None"),
        ("AGL504", ".grad is None"),
        ("AGL510", "assert torch.equal("),
    ],
)
def test_what_raises_nothing_is_asserted(code: str, assertion: str, tmp_path: Path) -> None:
    example = next(rule for rule in RULES if rule.code == code).example()
    assert example is not None
    replay = replay_in(tmp_path / "program.py", example.bad, code)
    assert assertion in body_of(replay)[-1]
    assert isinstance(replay, Replay)
    assert replay.raises_at == 0
    assert replay.quote in replay.text
    clean = errors_in(tmp_path / "program.py", example.good)[1]
    assert code not in [finding.code for finding in clean]


def test_names_and_rows_are_the_users(tmp_path: Path) -> None:
    program = """\
        import torch

        print("a line that torch has no part in")
        weight = torch.ones(3, requires_grad=True)
        unrelated = torch.rand(5) * 2
        scaled = (weight * 2).exp()
        scaled.mul_(0.5)
        loss = scaled.sum()
        loss.backward()
    """
    replay = replay_in(tmp_path / "program.py", program, "AGL101")
    assert body_of(replay) == [
        "weight = torch.ones(3, requires_grad=True)",
        "scaled = (weight * 2).exp()",
        "scaled.mul_(0.5)",
        "loss = scaled.sum()",
        "loss.backward()",
    ]
    assert isinstance(replay, Replay)
    path = str(tmp_path / "program.py")
    assert sorted(replay.rows.values()) == [(path, row) for row in (4, 6, 7, 8, 9)]
    assert replay.rows[replay.raises_at] == (path, 9)
    assert replay.quote.startswith(
        "RuntimeError: one of the variables needed for gradient computation has been modified"
    )


def test_shapes_that_are_not_known_are_searched(tmp_path: Path) -> None:
    program = """\
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 8, 3)
                self.head = nn.Linear(10, 2)

            def forward(self, image, rest):
                features = self.conv(image).sigmoid()
                features += 1
                return features.mean() + self.head(rest).sum()
    """
    body = body_of(replay_in(tmp_path / "net.py", program, "AGL101"))
    assert any(line.startswith("image = torch.randn(2, 3,") for line in body)
    assert "rest = torch.randn(2, 10)" in body
    assert body[-1].endswith(".backward()")


def test_modes_and_modules_are_written_out(tmp_path: Path) -> None:
    program = """\
        import torch
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True))
        with torch.no_grad():
            frozen = net(torch.ones(2, 4))
        net(torch.ones(2, 4)).sum().backward()
    """
    body = body_of(replay_in(tmp_path / "net.py", program, "AGL101"))
    assert body[0] == "net = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True))"
    assert body[-1] == "net(torch.ones(2, 4)).sum().backward()"


def test_user_code_that_torch_calls_gives_no_replay(tmp_path: Path) -> None:
    program = """\
        import torch

        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, grad):
                return grad * 2

        x = torch.ones(3, requires_grad=True)
        y = Double.apply(x)
        y.backward()
    """
    replay = replay_in(
        tmp_path / "program.py", program.replace("y.backward()", "y.exp().add_(1).sum().backward()"), "AGL101"
    )
    assert isinstance(replay, NoReplay)
    assert replay.reason == "`apply` runs code of the program's own"


def test_a_replay_that_does_not_raise_is_none(tmp_path: Path) -> None:
    source, found = errors_in(tmp_path / "program.py", RULES[0].example().bad)  # type: ignore[union-attr]
    outcome = replay_of(source, found[0], lambda text: Ran())
    assert isinstance(outcome, NoReplay)
    assert "ran to its end" in outcome.reason


def test_same_replay_in_another_process(tmp_path: Path) -> None:
    program = generate("modules", seed=5, number=2)
    source, found = errors_in(tmp_path / "program.py", program)
    texts = [replay_of(source, finding) for finding in found]
    script = (
        "import sys; from autograd_lint import engine; from autograd_lint.rule import all_rules\n"
        "from autograd_lint.confirm.replay import replay_of; from autograd_lint.source import read_source\n"
        "from autograd_lint.finding import Severity\n"
        "source = read_source(sys.argv[1])\n"
        "found = engine.check_source(source, [rule for rule in all_rules() if rule.on])\n"
        "found = sorted((f for f in found if f.severity is Severity.ERROR), key=lambda f: f.range)\n"
        "print(repr([replay_of(source, finding) for finding in found]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script, source.path],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == repr(texts)


@pytest.mark.parametrize(
    ("kind", "programs", "share"), [("straight", 60, 0.9), ("modules", 50, 0.9), ("training", 60, 0.85)]
)
def test_most_errors_in_generated_programs_are_replayed(kind: str, programs: int, share: float, tmp_path: Path) -> None:
    outcomes: list[Replay | NoReplay] = []
    for number in range(programs):
        source, found = errors_in(tmp_path / "program.py", generate(kind, seed=7, number=number))
        outcomes += [replay_of(source, finding, run_here) for finding in found if finding.code in RAISING]
    good = [outcome for outcome in outcomes if isinstance(outcome, Replay)]
    assert len(outcomes) >= 10
    assert len(good) >= share * len(outcomes), [outcome for outcome in outcomes if isinstance(outcome, NoReplay)]


def test_steps_are_kept_only_when_asked_for() -> None:
    module = lower_module(parse("import torch\nx = torch.ones(3)\nx.add_(1)\n"), "program.py")
    assert all(path.tape is None for paths in explore(module) for path in paths)
    (path,) = next(explore(module, taped=True))
    assert path.tape is not None
    assert [step.op for step in path.tape.steps] == ["torch.ones", "add_"]

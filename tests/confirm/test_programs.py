"""Programs that run by themselves: the talk, the rules' examples, generated ones; what is right and what is made wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autograd_lint.finding import Finding, Position, Range, Verdict
from autograd_lint.rule import all_rules
from autograd_lint.runner import RunResult, run
from tests.confirm.conftest import Confirmed, confirm_paths, confirm_result, settings_for
from tests.confirm.wrong import PROVABLE, WAYS, witnessed

torch = pytest.importorskip("torch")

TALK = Path(__file__).parents[2] / "fixtures" / "talk"
EVERY = ("AGL105", "AGL110")


@pytest.fixture(scope="module")
def talk() -> Confirmed:
    return confirm_paths(TALK)


def test_every_finding_of_the_talk_is_confirmed_by_its_program(talk: Confirmed) -> None:
    assert talk.not_confirmed() == []
    assert {finding.confirmation.how for finding in talk.findings if finding.confirmation} == {"program"}
    assert len(talk.findings) >= 29


@pytest.mark.parametrize(
    ("stem", "code", "words"),
    [
        ("t02", "AGL202", "backward through the graph a second time"),
        ("t03", "AGL302", "before this backward and is"),
        ("t04", "AGL301", "went from 7 to 0"),
        ("t05", "AGL501", "grad can be implicitly created only for scalar outputs"),
        ("t05", "AGL401", "named_parameters()"),
        ("t07", "AGL304", "[5, 10, 15, 20]"),
        ("t07", "AGL201", "bytes of saved tensors"),
        ("t15", "AGL107", "was 4 before the write and is 8 after it"),
        ("t17", "AGL103", "its version went from 0 to 1"),
        ("t18", "AGL101", "modified by an inplace operation"),
        ("t24", "AGL502", "not a leaf Tensor"),
        ("t25_hooks_in", "AGL206", "1, 2"),
    ],
)
def test_evidence_is_what_the_talk_shows(talk: Confirmed, stem: str, code: str, words: str) -> None:
    found = [f for f in talk.findings if Path(f.filename).name.startswith(stem) and f.code == code]
    assert found
    assert any(f.confirmation and words in f.confirmation.evidence for f in found), [f.confirmation for f in found]


def test_examples_of_rules(tmp_path: Path) -> None:
    for rule in PROVABLE:
        example = rule.example()
        assert example is not None
        (tmp_path / f"{rule.code}_bad.py").write_text(example.bad)
        (tmp_path / f"{rule.code}_good.py").write_text(example.good)
    seen = confirm_paths(tmp_path, extend=EVERY)
    own = [f for f in seen.findings if Path(f.filename).name == f"{f.code}_bad.py"]
    assert {f.code for f in own} == {rule.code for rule in PROVABLE}
    assert Confirmed(tuple(own)).not_confirmed() == []
    assert [f for f in seen.findings if f.filename.endswith("_good.py")] == []


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    from tests.agreement.generate import generate

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("generated")
    for kind in ("straight", "modules", "training"):
        for number in range(16):
            (folder / f"{kind}_{number}.py").write_text(generate(kind, seed=41, number=number))
    return run([str(folder)], settings_for(folder))


def test_generated_programs_are_confirmed(generated: RunResult) -> None:
    kept = replace(generated, findings=witnessed(generated))
    seen = confirm_result(kept, settings_for(Path(generated.files[0]).parent))
    assert len(seen.findings) > 30
    assert seen.counts[Verdict.CONFIRMED] >= 0.98 * len(seen.findings), seen.not_confirmed()
    assert seen.counts[Verdict.REFUTED] == 0, seen.not_confirmed()


def test_findings_moved_to_another_line_are_never_confirmed(generated: RunResult) -> None:
    moved = list(WAYS["moved"](generated))
    assert len(moved) > 20
    wrong = replace(generated, findings=tuple(moved))
    seen = confirm_result(wrong, settings_for(Path(generated.files[0]).parent), only="program")
    told = [(f.code, f.range.start.row, f.confirmation) for f in seen.findings if _is_confirmed(f)]
    assert told == [], [Path(f.filename).read_text() for f in seen.findings if _is_confirmed(f)]


def _is_confirmed(finding: Finding) -> bool:
    return finding.confirmation is not None and finding.confirmation.verdict is Verdict.CONFIRMED


REFUTED = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x * 2
y.sum().backward()
"""


def test_error_that_does_not_happen_is_refuted(confirm_text: Callable[..., Confirmed], tmp_path: Path) -> None:
    path = tmp_path / "silent.py"
    path.write_text(REFUTED)
    rule = next(rule for rule in all_rules() if rule.code == "AGL501")
    place = Range(Position(5, 1), Position(5, 19))
    false = Finding(rule.code, rule.name, rule.severity, "backward of no scalar", str(path), place)
    result = RunResult((false,), (str(path),))
    (seen,) = confirm_result(result, settings_for(path)).findings
    assert seen.refuted
    assert seen.confirmation is not None
    assert "raised nothing" in seen.confirmation.evidence
    assert RunResult((seen,), (str(path),)).exit_status(rule.severity) == 0


def test_what_did_not_run_is_neither_confirmed_nor_refuted(confirm_text: Callable[..., Confirmed]) -> None:
    text = REFUTED.replace("y.sum().backward()", "if y.sum() > 100:\n    y.backward()\n")
    seen = confirm_text(text, only="program")
    assert [each.verdict for each in seen.of("AGL501")] == [Verdict.INCONCLUSIVE]
    assert "did not run" in seen.of("AGL501")[0].evidence


def test_program_that_never_ends_has_shown_what_it_did(confirm_text: Callable[..., Confirmed]) -> None:
    seen = confirm_text(REFUTED.replace("y.sum()", "y.mul_(2)\nwhile True:\n    pass\ny.sum()"), only="program")
    assert [each.verdict for each in seen.of("AGL103")] == [Verdict.CONFIRMED]
    assert seen.of("AGL103")[0].details["ended"]


def test_evidence_is_what_torch_saw_and_not_what_it_advises(confirm_text: Callable[..., Confirmed]) -> None:
    text = "import torch\n\nx = torch.ones(3, requires_grad=True)\ny = x.exp()\ny += 1\ny.sum().backward()\n"
    (told,) = confirm_text(text).of("AGL101")
    assert told.evidence.endswith("is at version 1; expected version 0 instead.")

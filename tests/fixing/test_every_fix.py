"""Every fix of every rule, on the rules' examples and the bad fixtures: what it does to the findings and under torch."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from autograd_lint import engine
from autograd_lint.finding import Finding
from autograd_lint.fingerprint import add_fingerprints
from autograd_lint.fixing.apply import Fixed, fix_source
from autograd_lint.layout import read_layout
from autograd_lint.rule import all_rules
from autograd_lint.source import SourceFile
from tests.fixing.torch_runs import compute, differences

FIXTURES = Path(__file__).parents[2] / "fixtures"


@cache
def programs() -> dict[str, str]:
    found = {rule.code: example.bad for rule in all_rules() if rule.on and (example := rule.example()) is not None}
    for path in sorted([*FIXTURES.glob("bad/*/*.py"), *FIXTURES.glob("talk/*.py")]):
        found[f"{path.parent.name}/{path.stem}"] = path.read_text()
    return found


def check(source: SourceFile) -> list[Finding]:
    return add_fingerprints(source, sorted(engine.check_source(source, all_rules()), key=lambda f: f.range), root="/")


def fixed(program: str, *, unsafe: bool) -> Fixed:
    return fix_source(SourceFile("/program.py", program), check, unsafe=unsafe)


def codes(program: str) -> Counter[str]:
    return Counter(finding.code for finding in check(SourceFile("/program.py", program)))


def comments(program: str) -> Counter[str]:
    return Counter(comment.text for comment in read_layout(program).comments)


each_program = pytest.mark.parametrize("name", programs())


def is_about_unused(told: str, program: str) -> bool:
    """The variable of a loop that became one call is gone; only the loop used it."""
    found = re.fullmatch(r"(?:value|gradient) of (\w+) is gone", told)
    return found is not None and len(re.findall(rf"\bfor {found[1]} in\b", program)) == 1


@each_program
def test_safe_fixes_remove_findings_and_bring_none(name: str) -> None:
    after = fixed(programs()[name], unsafe=False)
    left = codes(after.source.text)
    assert left <= codes(programs()[name])
    assert (after.count > 0) == (after.source.text != programs()[name])


@each_program
def test_safe_fixes_keep_values_and_gradients(name: str) -> None:
    program = programs()[name]
    text = fixed(program, unsafe=False).source.text
    if text == program:
        return
    before, after = compute(program), compute(text)
    assert not after.raised or after.raised == before.raised
    if not before.raised:
        told = differences(before, after)
        assert [text for text in told if not is_about_unused(text, program)] == []


@each_program
@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_fixed_program_parses_and_keeps_its_comments(name: str, *, unsafe: bool) -> None:
    program = programs()[name]
    after = fixed(program, unsafe=unsafe)
    ast.parse(after.source.text)
    assert comments(program) == comments(after.source.text)
    again = fixed(after.source.text, unsafe=unsafe)
    assert again.source.text == after.source.text


@each_program
def test_unsafe_fixes_leave_a_program_that_runs(name: str) -> None:
    """What ran still runs; what torch refused may be refused at a later place, but no name is missing."""
    program = programs()[name]
    text = fixed(program, unsafe=True).source.text
    if text == program:
        return
    before, after = compute(program), compute(text)
    if before.raised:
        assert not after.raised or after.raised.startswith(("RuntimeError", "ValueError"))
    else:
        # What a program asserts of its fault no longer holds, nor has it a zero to read where there is no gradient.
        meant = ("AssertionError", "AttributeError: 'NoneType'") + ("RuntimeError",) * ("AGL608" in codes(program))
        assert after.raised == "" or after.raised.startswith(meant)


def test_fixed_error_gives_the_gradients_of_the_values() -> None:
    """Where backward raised, the safe fix gives what finite differences of the same values give."""
    program = (
        "import torch\n"
        "x = torch.tensor([0.1, 1.0, 2.0], dtype=torch.double, requires_grad=True)\n"
        "e = x.exp()\n"
        "e /= 3.0\n"
        "s = x.sigmoid() * 2\n"
        "t = s.tanh()\n"
        "t.mul_(3)\n"
        "u = e.sqrt()\n"
        "u += 1\n"
        "loss = (e + t * u).sum()\n"
    )
    text = fixed(program + "loss.backward()\n", unsafe=False).source.text
    assert "RuntimeError" in compute(program + "loss.backward()\n").raised
    after = compute(text)
    assert after.raised == ""
    assert torch.equal(after.values["loss"], compute(program).values["loss"])
    for i in range(3):
        step = 1e-6
        moved = [
            compute(program.replace("requires_grad=True)\n", f"requires_grad=True)\nx.data[{i}] += {by}\n")).values[
                "loss"
            ]
            for by in (step, -step)
        ]
        numeric = (moved[0] - moved[1]) / (2 * step)
        gradient = after.gradients["x"]
        assert gradient is not None
        assert torch.allclose(gradient[i], numeric, rtol=1e-5)

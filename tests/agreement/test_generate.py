"""The random programs: the same from the same seed, programs that run, of every kind, varied."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.agreement.generate import KINDS, generate
from tests.agreement.oracle import OracleError, run_program
from tests.agreement.outcome import Kind, Outcome

COUNT = {"straight": 200, "modules": 200, "training": 200}
FEW = 70
ROOT = Path(__file__).parents[2]


each_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def programs(kind: str) -> tuple[str, ...]:
    return tuple(generate(kind, seed=11, number=number) for number in range(COUNT.get(kind, FEW)))


@cache
def outcomes(kind: str) -> tuple[Outcome, ...]:
    return tuple(outcome for text in programs(kind) if (outcome := run(text)) is not None)


def run(text: str) -> Outcome | None:
    try:
        return run_program(text)
    except OracleError:
        return None


@each_kind
def test_same_seed_same_program(kind: str) -> None:
    assert [generate(kind, seed=11, number=number) for number in range(20)] == list(programs(kind)[:20])
    assert generate(kind, seed=12, number=0) != generate(kind, seed=11, number=0)


@each_kind
def test_same_program_whatever_the_hash_seed(kind: str) -> None:
    script = f"from tests.agreement.generate import generate\nfor n in range(8): print(generate({kind!r}, seed=11, number=n))"
    environment = os.environ | {"PYTHONHASHSEED": "1234", "OMP_NUM_THREADS": "1"}
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert printed.stdout.decode() == "".join(f"{text}\n" for text in programs(kind)[:8])


@each_kind
def test_generating_leaves_torch_as_it_was(kind: str) -> None:
    for number in range(20):
        generate(kind, seed=13, number=number)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_anomaly_enabled()


@each_kind
def test_programs_are_of_a_size_to_read(kind: str) -> None:
    lengths = sorted(text.count("\n") for text in programs(kind))
    assert lengths[0] >= 6
    assert lengths[len(lengths) // 2] <= 45
    assert lengths[-1] <= 120
    assert all(ast.parse(text).body for text in programs(kind))


@each_kind
def test_programs_differ(kind: str) -> None:
    made = programs(kind)
    assert len(set(made)) == len(made)
    assert len({re.sub(r"\d", "", text) for text in made}) == len(made)


@each_kind
def test_programs_run_as_far_as_autograd_goes(kind: str) -> None:
    others = [outcome for outcome in outcomes(kind) if outcome.kind is Kind.OTHER]
    assert len(others) <= len(programs(kind)) * 0.05, others
    assert len(outcomes(kind)) >= len(programs(kind)) * 0.98


@each_kind
def test_about_half_of_the_programs_have_a_fault(kind: str) -> None:
    faulty = sum(outcome.kind.is_fault or any(each.sure for each in outcome.summed) for outcome in outcomes(kind))
    assert 0.35 <= faulty / len(outcomes(kind)) <= 0.65


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("straight", set(Kind) - {Kind.OTHER, Kind.SILENT}),
        ("modules", set(Kind) - {Kind.OTHER, Kind.SILENT}),
        ("training", {Kind.OK, Kind.STALE, Kind.TWICE, Kind.NO_GRAPH}),
        ("networks", {Kind.OK, Kind.STALE, Kind.TWICE, Kind.NO_GRAPH}),
        ("cells", {Kind.OK, Kind.STALE, Kind.TWICE}),
        ("losses", {Kind.OK, Kind.STALE, Kind.TWICE, Kind.NO_GRAPH}),
        ("aliases", {Kind.OK, Kind.STALE, Kind.TWICE, Kind.REFUSED}),
        ("helpers", {Kind.OK, Kind.STALE, Kind.TWICE, Kind.REFUSED, Kind.NO_GRAPH}),
    ],
)
def test_every_kind_of_fault_occurs(kind: str, wanted: set[Kind]) -> None:
    assert wanted <= {outcome.kind for outcome in outcomes(kind)}


def test_wrong_gradients_occur() -> None:
    assert any(outcome.kind is Kind.SILENT for kind in KINDS for outcome in outcomes(kind))


def test_training_sums_gradients_now_and_then() -> None:
    assert any(outcome.kind is Kind.OK and outcome.summed for outcome in outcomes("training"))


@pytest.mark.parametrize(
    ("kind", "nodes"),
    [
        ("straight", [ast.Assign, ast.AugAssign, ast.With, ast.Subscript]),
        (
            "modules",
            [
                ast.FunctionDef,
                ast.ClassDef,
                ast.Lambda,
                ast.If,
                ast.IfExp,
                ast.For,
                ast.While,
                ast.ListComp,
                ast.Dict,
                ast.Try,
                ast.With,
                ast.Return,
                ast.NamedExpr,
                ast.Starred,
            ],
        ),
        ("training", [ast.FunctionDef, ast.ClassDef, ast.For, ast.With, ast.If]),
    ],
)
def test_the_language_is_used(kind: str, nodes: list[type[ast.AST]]) -> None:
    used = Counter(type(node) for text in programs(kind) for node in ast.walk(ast.parse(text)))
    assert [node.__name__ for node in nodes if not used[node]] == []


@pytest.mark.parametrize(
    ("kind", "patterns"),
    [
        ("networks", [r"chain\(", r"filter\(", r"optimizers\[", r"deepcopy", r"load_state_dict", r"requires_grad", r"fake\.detach\(\)", r"SimpleNamespace"]),
        ("cells", [r"GRUCell", r"LSTMCell", r"class Cell", r"self\.h\b", r"states\[-1\]", r"tuple\(s\.detach", r"repackage", r"% 2 == 0", r"hidden\[0\]"]),
        ("losses", [r"sum\(losses", r"torch\.stack", r"losses\.append", r"losses = \{", r"total \+=", r"\.item\(\)", r"Meter"]),
        ("aliases", [r"\.data\b", r"numpy\(\)", r"\.chunk\(", r"\.unbind\(", r"zip\(", r"Holder", r"lambda", r"\.detach\(\)", r"def \w+\(t=", r"yield"]),
        ("helpers", [r"@contextmanager", r"yield", r"global ", r"def forward", r"wrapper\(", r"partial\(", r"lambda", r"staticmethod", r"\*args", r"nn\.Module\)"]),
    ],
)  # fmt: skip
def test_families_have_what_they_are_about(kind: str, patterns: list[str]) -> None:
    text = "\n".join(programs(kind))
    assert [pattern for pattern in patterns if not re.search(pattern, text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"fused=True",
        r"detach\(\)",
        r"zero_grad\(\)",
        r"clip_grad_norm_",
        r"retain_graph=True",
        r"\.load_state_dict",
        r"def closure",
        r"no_grad\(\)",
        r"\.eval\(\)",
        r"optim\.SGD",
        r"optim\.Adam\(",
        r"optim\.AdamW",
        r"optim\.RMSprop",
        r"discriminator",
        r"critic",
        r"cell\(",
        r"% 2 == 0",
        r"class Trainer",
        r"inplace=True",
    ],
)
def test_training_has_what_training_has(pattern: str) -> None:
    assert any(re.search(pattern, text) for text in programs("training"))

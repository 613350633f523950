"""The observed program computes the same as the plain one: values, gradients, random state, exceptions, warnings."""

from __future__ import annotations

import sys
import threading
import traceback
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from autograd_lint.dynamic.frames import Frames
from autograd_lint.dynamic.syntax import add_text
from tests.dynamic.loops import FAILURES, LOOPS, program
from tests.dynamic.watched import MODES, PROGRAM, make_observer, watch

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

each_mode = pytest.mark.parametrize("mode", MODES)


@dataclass(frozen=True)
class Ran:
    """All that a program left behind."""

    results: list[Any]
    random: Any
    error: tuple[str, str, int] | None
    warned: list[tuple[str, str, int]]


def run(text: str, mode: str | None) -> Ran:
    add_text(PROGRAM, text)
    code = compile(text, PROGRAM, "exec")
    torch.manual_seed(7)
    names: dict[str, Any] = {"__name__": "__main__"}
    observer = make_observer(mode) if mode is not None else None
    error = None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with observer or nullcontext():
            try:
                exec(code, names)
            except Exception as raised:
                error = describe(raised)
    if observer is not None:
        assert list(observer.records.crashes) == []
    told = [(str(w.message), w.filename, w.lineno) for w in warned if w.filename == PROGRAM]
    results = [item.detach().clone() for item in names["results"]]
    return Ran(results, torch.get_rng_state(), error, told)


def describe(error: Exception) -> tuple[str, str, int]:
    """Type, first line of the text, and the row of the program that raised."""
    rows = [entry.lineno or 0 for entry in traceback.extract_tb(error.__traceback__) if entry.filename == PROGRAM]
    return type(error).__name__, str(error).split("\n", 1)[0], rows[-1]


def assert_same(one: Ran, other: Ran) -> None:
    assert one.error == other.error
    assert one.warned == other.warned
    assert torch.equal(one.random, other.random)
    assert len(one.results) == len(other.results)
    for a, b in zip(one.results, other.results, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert torch.equal(a, b)


@each_mode
@pytest.mark.parametrize("name", LOOPS)
def test_loop(name: str, mode: str) -> None:
    text = program(LOOPS[name])
    plain = run(text, None)
    assert plain.error is None
    assert plain.results
    observed = run(text, mode)
    if (name, mode) == REFUSED_BESIDE_HOOKS:
        assert observed.error is not None
        assert "only one pair of hooks is allowed" in observed.error[1]
    else:
        assert_same(plain, observed)


REFUSED_BESIDE_HOOKS = ("hooks of one saved tensor", "hooks")
FOUND = {
    "mlp": {"AGL103"},
    "threads": {"AGL103"},
    "fused optimizer": {"AGL108", "AGL201", "AGL304"},
    "mutation of what was saved": {"AGL103", "AGL104"},
    "autocast, modes and buffers": {"AGL301"},
    "numpy, data and storages": {"AGL107"},
}
"""What the loops do that rules speak of, on purpose; the others are clean."""


@each_mode
@pytest.mark.parametrize("name", LOOPS)
def test_findings_in_loop(name: str, mode: str) -> None:
    if (name, mode) == REFUSED_BESIDE_HOOKS:
        pytest.skip("it does not run under hooks")
    assert set(watch(program(LOOPS[name]), mode=mode).codes) == FOUND.get(name, set())


@each_mode
@pytest.mark.parametrize("name", FAILURES)
def test_failure(name: str, mode: str) -> None:
    text = program(FAILURES[name])
    plain = run(text, None)
    assert plain.error is not None
    assert_same(plain, run(text, mode))


def test_warnings_name_the_line_of_the_program() -> None:
    text = program("x = torch.ones(3, requires_grad=True)\ny = x * 2\nresults.append(x)\ny.grad\n")
    plain = run(text, None)
    assert len(plain.warned) == 1
    assert_same(plain, run(text, "lines"))


@each_mode
def test_torch_is_as_it_was(mode: str) -> None:
    def state() -> dict[tuple[str, str], Any]:
        modules = (
            torch,
            torch.autograd,
            torch.nn.functional,
            torch.linalg,
            torch._VF,
            torch._C._nn,
            torch._C._autograd,
        )
        owners = (*modules, torch.Tensor, torch.nn.Module, torch.optim.Optimizer, threading.Thread)
        return {(str(owner), name): value for owner in owners for name, value in vars(owner).items()}

    observer = make_observer(mode)
    torch.jit._builtins._get_builtin_table()
    before, table = state(), dict(torch.jit._builtins._builtin_table)
    with observer:
        assert state() != before
    assert state() == before
    assert torch.jit._builtins._builtin_table == table
    assert sys.gettrace() is None


@each_mode
def test_a_failure_of_the_observer_is_noted_and_changes_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError("as asked for")

    text = program(LOOPS["mlp"])
    plain = run(text, None)
    for name in ("place", "spot"):
        monkeypatch.setattr(Frames, name, fail)
    observer = make_observer(mode)
    torch.manual_seed(7)
    names: dict[str, Any] = {}
    with observer:
        exec(compile(text, PROGRAM, "exec"), names)
    assert all(torch.equal(a, b) for a, b in zip(plain.results, names["results"], strict=True))
    assert observer.records.crashes
    assert all("ZeroDivisionError at test_same.py" in crash for crash in observer.records.crashes)


def test_compiled_code_runs_eagerly_and_it_is_said() -> None:
    text = program(
        "model = nn.Linear(3, 1)\n"
        "compiled = torch.compile(model)\n"
        "h = compiled(torch.ones(2, 3))\n"
        "h += 1\n"
        "h.sum().backward()\n"
        "results += [h, model.weight.grad, torch.tensor([len(k) for k in compiled.state_dict()])]\n"
    )
    add_text(PROGRAM, text)
    observer = make_observer("lines")
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    with observer:
        exec(compile(text, PROGRAM, "exec"), names)
    assert observer.records.ran_eagerly
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    expected = model(torch.ones(2, 3)) + 1
    assert torch.equal(names["results"][0], expected)
    assert names["results"][2].tolist() == [len("_orig_mod.weight"), len("_orig_mod.bias")]


@each_mode
def test_numbers_stay_numbers(mode: str) -> None:
    """A `__getitem__` that is replaced on `torch.Tensor` makes sequences of all tensors, and stays when it is put back."""
    number = torch.tensor(2.0)
    with make_observer(mode, index_reads=True):
        assert torch.tensor([number]).tolist() == [2.0]
    assert torch.tensor([number]).tolist() == [2.0]

"""The shipped table of facts: it is what the installed torch does, small, and quick to load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import autograd_lint.rules
import pytest

from autograd_lint.facts import measure, table
from autograd_lint.facts.model import Alias, Saved

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The table as this torch gives it now; a minute's work."""
    found: dict[str, Any] = json.loads(measure.render(measure.measured_table()))
    return found


def test_shipped_table_is_what_torch_does(measured: dict[str, Any]) -> None:
    shipped = json.loads(measure.TABLE.read_text(encoding="utf-8"))
    for section in ("ops", "modules"):
        assert measured[section].keys() == shipped[section].keys()
        for name in measured[section]:
            assert plain(measured, section, name) == plain(shipped, section, name), name
    for section in ("optimizers", "integers"):
        assert measured[section] == shipped[section]


def plain(found: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    """An entry with the effects and lists it refers to by number."""
    entry = found[section][name]
    entry = dict(found[section][entry] if isinstance(entry, str) else entry)
    entry["p"] = found["parameters"][entry["p"]]
    entry["r"] = [[*row[:-1], found["effects"][row[-1]]] for row in entry["r"]]
    if "w" in entry:
        entry["w"] = [[*row[:-2], *(found["parameters"][number] for number in row[-2:])] for row in entry["w"]]
    return entry


def test_size() -> None:
    assert measure.TABLE.stat().st_size <= 150_000


def test_version_is_that_of_the_tests() -> None:
    assert torch.__version__.partition("+")[0] == table.torch_version()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_damaged_table_ends_the_run_and_says_so(jobs: str, tmp_path: Path) -> None:
    for package in (autograd_lint, autograd_lint.rules):
        target = tmp_path / package.__name__.replace(".", "/")
        shutil.copytree(Path(package.__path__[0]), target, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "autograd_lint/facts/ops.json").write_text("{")
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("import torch\nx = torch.ones(3, requires_grad=True)\n(x * 2).backward()\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from autograd_lint.cli import main; main()"
    command = [sys.executable, "-P", "-S", "-c", code, "--jobs", jobs, "a.py", "b.py"]
    paths = os.pathsep.join(path for path in sys.path if "site-packages" in path)
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the measured facts cannot be read" in done.stderr


def test_is_read_at_the_first_question_only() -> None:
    code = (
        "from autograd_lint.facts import table; print(table._table.cache_info().currsize);"
        "table.effect('torch.mul', {}); print(table._table.cache_info().currsize)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["0", "1"]


def saved(name: str, **kinds: str) -> dict[str, Saved]:
    effect = table.effect(name, kinds)
    assert effect is not None
    return {s.label: s for s in effect.saved}


def test_operands_are_saved_when_the_other_requires_grad() -> None:
    found = saved("Tensor.__mul__", self="T2", other="T2")
    assert found == {
        "self": Saved("self", (frozenset({"other"}),)),
        "other": Saved("other", (frozenset({"self"}),)),
    }


def test_numbers_save_nothing_reachable_but_free_the_graph() -> None:
    effect = table.effect("Tensor.__mul__", {"self": "T2", "other": "n"})
    assert effect is not None
    assert effect.saved == ()
    assert effect.frees is True


def test_what_is_not_known_is_not_certain() -> None:
    found = saved("Tensor.__mul__", self="T2", other="?")
    assert found
    assert not any(s.certain for s in found.values())


def test_result_or_input() -> None:
    assert list(saved("Tensor.exp", self="T1")) == ["out0"]
    assert list(saved("Tensor.log", self="T1")) == ["self"]
    assert sorted(saved("Tensor.std", self="T1")) == ["out0", "self"]


def test_in_place_variants_save_their_result_or_a_copy() -> None:
    assert list(saved("Tensor.exp_", self="T1")) == ["out0"]
    assert list(saved("Tensor.sin_", self="T1")) == []


@pytest.mark.parametrize(
    ("name", "kinds", "alias"),
    [
        ("Tensor.view", {"self": "T2", "size": "i"}, Alias.VIEW),
        ("Tensor.detach", {"self": "T2"}, Alias.SHARED),
        ("Tensor.data", {"self": "T2"}, Alias.MEMORY),
        ("Tensor.reshape", {"self": "T2", "shape": "i"}, Alias.MAYBE),
        ("Tensor.clone", {"self": "T2"}, Alias.FRESH),
        ("torch.nn.functional.dropout", {"input": "T2", "training": "False"}, Alias.SELF),
        ("Tensor.__getitem__", {"self": "T2", "index": "basic"}, Alias.VIEW),
        ("Tensor.__getitem__", {"self": "T2", "index": "advanced"}, Alias.FRESH),
    ],
)
def test_alias(name: str, kinds: dict[str, str], alias: Alias) -> None:
    effect = table.effect(name, kinds)
    assert effect is not None
    assert effect.outputs[0].alias is alias


def test_outputs_of_functions_that_return_several_views() -> None:
    for name, multi in (("Tensor.unbind", True), ("Tensor.chunk", True), ("Tensor.tensor_split", False)):
        effect = table.effect(name, {"self": "T2"})
        assert effect is not None
        assert effect.outputs[0].multi_view is multi


def test_operations_without_a_derivative() -> None:
    effect = table.effect("Tensor.__floordiv__", {"self": "T1", "other": "n"})
    assert effect is not None
    assert effect.derivative is False


def test_batch_norm_writes_its_statistics_unseen() -> None:
    kinds = {"input": "T2", "weight": "T1", "bias": "T1", "running_mean": "T1", "running_var": "T1"}
    training = table.module_effect("torch.nn.BatchNorm1d", {**kinds, "training": "True"})
    assert training is not None
    assert training.silent == ("running_mean", "running_var")
    assert training.written == ("num_batches_tracked",)


def test_parameters_hang_on_the_options() -> None:
    for kinds, parameters in (({}, ("weight", "bias")), ({"bias": "False"}, ("weight",))):
        facts = table.module("torch.nn.Linear", kinds)
        assert facts is not None
        assert facts.parameters == parameters
    lstm = table.module("torch.nn.LSTM", {})
    assert lstm is not None
    assert lstm.parameters == ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def test_fused_steps_move_no_version() -> None:
    facts = table.optimizer("torch.optim.Adam")
    assert facts is not None
    assert facts.bumps
    assert facts.bumps_fused is False


def test_names_that_do_the_same_are_told_once() -> None:
    entries = [table._table()["ops"][name] for name in ("torch.exp", "Tensor.exp")]
    assert sorted(map(type, entries), key=str) == [dict, str]
    assert table.effect("torch.exp", {"self": "T1"}) == table.effect("Tensor.exp", {"self": "T1"})
    assert table.parameters("torch.exp") == table.parameters("Tensor.exp")


def test_memory_a_write_may_share() -> None:
    found = {
        name: table.effect(name, {})
        for name in ("Tensor.add_", "Tensor.zero_", "Tensor.scatter_", "Tensor.addmm_", "Tensor.set_")
    }
    facts = {
        name.removeprefix("Tensor."): (seen.expandable, seen.sharing, seen.apart, seen.exchanged)
        for name, seen in found.items()
        if seen is not None
    }
    assert facts == {
        "add_": ((), (), (), ()),
        "zero_": (("self",), (), (), ()),
        "scatter_": ((), (), ("index", "src"), ()),
        "addmm_": ((), ("mat1", "mat2"), (), ()),
        "set_": (("self",), ("source",), (), ("self",)),
    }


def test_what_comes_of_integers() -> None:
    names = ("Tensor.exp", "Tensor.__truediv__", "Tensor.sum", "Tensor.div", "Tensor.mul")
    assert [table.integer_dtype(name, "int64") for name in names] == ["float32", "float32", "int64", None, "int64"]


def test_unknown_names() -> None:
    assert table.effect("torch.no_such_thing", {}) is None
    assert table.parameters("torch.no_such_thing") is None
    assert table.module("torch.nn.NoSuchThing", {}) is None
    assert table.optimizer("torch.optim.NoSuchThing") is None

"""What Python itself thinks a tensor is, which a replaced special method may change for good: each in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dynamic.watched import MODES

pytest.importorskip("torch")

PROBE = """
import copy, ctypes, json, operator, pickle, sys
import numpy, torch

torch.set_num_threads(1)
CHECKS = ("PySequence_Check", "PyNumber_Check", "PyMapping_Check", "PyIndex_Check", "PyIter_Check")
WAYS = {
    "tensor of a list": lambda x: torch.tensor([x, x]),
    "tensor of a nested list": lambda x: torch.tensor([[x], [x]]),
    "tensor of it": lambda x: torch.tensor(x),
    "as_tensor of a list": lambda x: torch.as_tensor([x]),
    "asarray": lambda x: numpy.asarray(x),
    "asarray of a list": lambda x: numpy.asarray([x, x]),
    "NumPy and it": lambda x: numpy.ones(2, dtype=numpy.float32) * x,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "deepcopy": lambda x: copy.deepcopy(x),
    "float": float,
    "int": int,
    "bool": bool,
    "complex": complex,
    "index": operator.index,
    "range": lambda x: list(range(x)),
    "item of a list": lambda x: [0, 1, 2][x],
    "len": len,
    "list": list,
    "reversed": lambda x: list(reversed(x)),
    "in": lambda x: 1 in x,
    "format": lambda x: format(x, ".2f"),
    "repr": repr,
    "hash": lambda x: hash(x) == id(x),
    "delete an item": lambda x: operator.delitem(x, 0),
    "set an item": lambda x: operator.setitem(x, 0, 3) or x,
    "add in place": lambda x: operator.iadd(x, 1),
    "list and it": lambda x: [1] + x,
    "repeat a list": lambda x: [1] * x,
    "repeat by it": lambda x: operator.imul([1], x),
    "concatenate": lambda x: operator.concat(x, x),
    "power in place": lambda x: operator.ipow(x, 2),
    "or in place": lambda x: operator.ior(x, 1),
    "reduce": lambda x: torch.stack([x, x]).sum(),
    "size": lambda x: torch.ones(x),
    "math": lambda x: __import__("math").sqrt(x),
    "round": round,
    "divmod": lambda x: divmod(x, 2),
    "compare": lambda x: x == [2],
}
VALUES = {
    "number": lambda: torch.tensor(2.0),
    "integer": lambda: torch.tensor(2),
    "vector": lambda: torch.tensor([1.0, 2.0]),
    "matrix": lambda: torch.ones(2, 2),
    "leaf": lambda: torch.tensor([2.0], requires_grad=True),
    "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
}


def outcome(way, value):
    try:
        return repr(way(value))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def state():
    found = {}
    for kind, make in VALUES.items():
        for name in CHECKS:
            found[f"{name}({kind})"] = getattr(ctypes.pythonapi, name)(ctypes.py_object(make()))
        for name, way in WAYS.items():
            found[f"{name}: {kind}"] = outcome(way, make())
    return found


from tests.dynamic.watched import make_observer
import warnings

warnings.simplefilter("ignore")
before = state()
with make_observer(sys.argv[1], index_reads=True):
    inside = state()
after = state()
print(json.dumps([before, inside, after]))
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_tensor_is_what_it_was(mode: str) -> None:
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, mode], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    before, inside, after = json.loads(ran.stdout)
    assert before["PySequence_Check(number)"] == 0
    assert inside == before
    assert after == before

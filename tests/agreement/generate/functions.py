"""Functions of a program: ready ones, and helpers whose bodies are grown by running them on copies of the arguments."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import torch
from torch import nn

from tests.agreement.generate.blocks import add_body, add_branch, add_call, add_loop
from tests.agreement.generate.library import FUNCTIONS, HELPERS, LAMBDAS, Ready
from tests.agreement.generate.sketch import Call, Sketch, copied
from tests.agreement.generate.straight import add_operation, fill

_NAMES: Final = (
    "transform",
    "mix_in",
    "project",
    "encode",
    "update",
    "blend_in",
    "prepare",
    "shift",
    "score",
    "reduce",
    "activate",
)
_PARAMETERS: Final = ("t", "inputs", "state", "hidden", "left", "right", "weight", "value")
_DECORATORS: Final = (
    ("@torch.no_grad()", torch.no_grad),
    ("@torch.enable_grad()", torch.enable_grad),
    ("@torch.inference_mode()", torch.inference_mode),
)  # fmt: skip


def add_ready(sketch: Sketch) -> bool:
    """Define one of the ready helpers or custom Functions, and call it."""
    group: Sequence[Ready] = sketch.pick_weighted(((HELPERS, 6), (FUNCTIONS, 2), (LAMBDAS, 1)))
    ready = sketch.pick(group)
    name = ready.calls[0].split("(")[0]
    if name in sketch.names:
        return False
    made = sketch.add(ready.text) if group is LAMBDAS else sketch.define(ready.text)
    if not made:
        return False
    sketch.calls += [Call(template, ready.results) for template in ready.calls]
    return _call_new(sketch, len(ready.calls))


def _call_new(sketch: Sketch, count: int) -> bool:
    """Call what was defined last."""
    before, sketch.calls = sketch.calls, sketch.calls[-count:]
    called = any(add_call(sketch) for _ in range(4))
    sketch.calls = before
    return called


def add_helper(sketch: Sketch) -> bool:
    """A helper of its own: one to three tensors, at times a number; a body of a few statements; what it returns."""
    picked = [tensor for tensor in (sketch.pick_tensor() for _ in sketch.some(1, 3)) if tensor is not None]
    name = sketch.new_name(_NAMES)
    parameters = sketch.rng.sample(_PARAMETERS, len(picked))
    decorator, context = sketch.pick(_DECORATORS) if sketch.chance(0.12) else ("", contextlib.nullcontext)
    names = {key: value for key, value in sketch.names.items() if callable(value) or key in ("torch", "F", "nn")}
    inner = sketch.fork(names | {p: copied(sketch.value(each)) for p, each in zip(parameters, picked, strict=True)})
    optional = _optional(inner)
    _grow(inner, context())
    if not inner.lines:
        return False
    returned, results = ("", 0) if inner.ended else _returned(inner, parameters)
    body = "\n".join([*inner.lines, *([f"return {returned}"] if returned else [])])
    head = f"def {name}({', '.join([*parameters, *optional])}):"
    text = "\n".join([*([decorator] if decorator else []), head, textwrap.indent(body, "    ")])
    if not sketch.define(text):
        return False
    places = ("{a}", "{b}", "{e}")[: len(picked)]
    sketch.calls.append(Call(f"{name}({', '.join(places)})", results))
    if sketch.chance(0.7):
        call = f"{name}({', '.join(picked)})"
        return sketch.add(call if results == 0 else f"{', '.join(sketch.new_names(results))} = {call}")
    return _call_new(sketch, 1)


def _optional(inner: Sketch) -> list[str]:
    """A parameter with a default, perhaps."""
    if not inner.chance(0.3):
        return []
    name, default = inner.pick(
        (("factor", "2.0"), ("scale", "0.5"), ("power", "2"), ("eps", "1e-6"), ("inplace", "False"))
    )
    inner.names[name] = eval(default)
    if name != "inplace":
        inner.numbers = [name, name, "2", "0.5"]
    return [f"{name}={default}"]


def _grow(inner: Sketch, context: AbstractContextManager[Any]) -> None:
    with context:
        if inner.chance(0.3):
            inner.pick((add_branch, add_loop))(inner)
        add_body(inner, 3)
        if inner.chance(0.5):
            add_operation(inner)


def _returned(inner: Sketch, parameters: Sequence[str]) -> tuple[str, int]:
    """An expression to return and how many values it has; at times nothing."""
    made = [name for name in inner.tensors() if name not in parameters and name.isidentifier()]
    form = inner.rng.random()
    if made and form < 0.5:
        return made[-1], 1
    if form < 0.6:
        return inner.pick(parameters), 1
    if made and form < 0.7:
        return f"{made[-1]}, {inner.pick(parameters)}", 2
    if form < 0.9:
        for _ in range(4):
            filled = fill(inner, inner.pick(_RETURNED))
            if filled and isinstance(inner.value(filled), torch.Tensor):
                return filled, 1
    return "", 0


_RETURNED: Final = (
    "{a} * {n}", "{a} + {b}", "{a}.exp()", "{a}[0]", "{a}.view(-1)", "{a}.detach()", "{a}.sum()", "torch.tanh({a})", "{a}.clone()",
    "{a} * {b}", "{a}.mean()", "F.relu({a})", "{a}.unsqueeze(0)", "{a}.mul_(2)", "{a}.add_({b})",
)  # fmt: skip


def add_submodule_call(sketch: Sketch) -> bool:
    """One of torch's own modules, made and called by name."""
    name = sketch.pick_tensor()
    if name is None or sketch.tensor(name).dim() == 0:
        return False
    size = sketch.tensor(name).shape[-1]
    module = sketch.pick(
        (
            f"nn.Linear({size}, {sketch.rng.randint(1, 3)})", "nn.ReLU(inplace=True)", "nn.Tanh()", "nn.Dropout(0.5)", "nn.Softmax(dim=-1)",
            f"nn.LayerNorm({size})", "nn.Sigmoid()", "nn.LeakyReLU(0.1, inplace=True)", "nn.ELU(inplace=True)", "nn.Flatten(0)",
            f"nn.Sequential(nn.Linear({size}, 3), nn.ReLU(inplace=True))", "nn.Hardtanh(inplace=True)", "nn.SiLU(inplace=True)",
            f"nn.Sequential(nn.Linear({size}, 2), nn.Sigmoid(), nn.Linear(2, {size}))", f"nn.PReLU({size})", "nn.Softplus()",
            f"nn.Sequential(nn.Tanh(), nn.ReLU(inplace=True), nn.Linear({size}, 1))", f"nn.GRUCell({size}, {size})", "nn.Identity()",
        )
    )  # fmt: skip
    module_name = sketch.new_name(("layer", "act", "proj", "head", "encoder"))
    if not sketch.add(f"{module_name} = {module}"):
        return False
    sketch.calls.append(Call(f"{module_name}({{a}})"))
    if isinstance(sketch.names[module_name], nn.Linear):
        sketch.parts += [f"{module_name}.weight", f"{module_name}.bias"]
    return sketch.add(f"{sketch.result_name()} = {module_name}({name})")

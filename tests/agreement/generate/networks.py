"""Classes of a program: modules whose constructor is put together and whose `forward` is grown by running it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn

from tests.agreement.generate.blocks import add_body, add_branch, add_call, add_loop
from tests.agreement.generate.sketch import Call, Sketch, copied
from tests.agreement.generate.straight import fill

_CLASSES: Final = ("Net", "Block", "Encoder", "Head", "Gate", "Mixer", "Model", "Cell", "Adapter")
_INSTANCES: Final = ("net", "model", "block", "layer", "encoder", "head")


class Shell(nn.Module):
    """Stands for `self` while a class is being written."""


@dataclass(slots=True)
class Plan:
    """What a constructor makes: its lines, the attributes that are tensors, the calls `forward` can make."""

    lines: list[str] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)


def add_class(sketch: Sketch) -> bool:
    """A module class, an instance of it, and a call."""
    given = sketch.pick_tensor(lambda tensor: tensor.is_floating_point() and 0 < tensor.dim() < 3)
    if given is None:
        return False
    size = sketch.tensor(given).shape[-1]
    name, argument = sketch.new_name(_CLASSES), sketch.pick(("", "size", "dim"))
    plan = _plan(sketch, argument or str(size))
    shell = Shell()
    names = {key: value for key, value in sketch.names.items() if callable(value) or key in ("torch", "F", "nn")}
    inner = sketch.fork(names | {"self": shell} | ({argument: size} if argument else {}))
    if any(not inner.add(line) for line in plan.lines):
        return False
    constructor, inner.lines = inner.lines, []
    inner.names.pop(argument, None)
    forward = _forward(inner, plan, copied(sketch.value(given)))
    if forward is None:
        return False
    text = _class_text(name, argument, constructor, forward + _methods(sketch, plan))
    return sketch.define(text) and _use(sketch, name, str(size) if argument else "", plan, given)


def _class_text(name: str, argument: str, constructor: list[str], methods: list[str]) -> str:
    head = f"def __init__(self{', ' + argument if argument else ''}):"
    first = "\n".join([head, "    super().__init__()", textwrap.indent("\n".join(constructor), "    ")])
    return f"class {name}(nn.Module):\n" + textwrap.indent("\n\n".join([first, *methods]), "    ")


def _plan(sketch: Sketch, size: str) -> Plan:
    """One to four attributes."""
    plan = Plan()
    makers = [
        _layer,
        _layer,
        _parameter,
        _parameter,
        _activation,
        _activation,
        _sequential,
        _buffer,
        _module_list,
        _child,
        _constant,
        _computed,
    ]
    weights = [4, 3, 3, 2, 3, 2, 2, 1.5, 1, 1.5, 1, 0.5]
    for _ in sketch.some(1, 4):
        sketch.rng.choices(makers, weights)[0](sketch, plan, size)
    if not plan.lines:
        _layer(sketch, plan, size)
    return plan


def _attribute(plan: Plan, names: tuple[str, ...], sketch: Sketch) -> str:
    taken = "\n".join(plan.lines)
    free = [name for name in names if f"self.{name} " not in taken and f'"{name}"' not in taken]
    return sketch.pick(free) if free else f"{names[0]}{len(plan.lines) + 1}"


def _layer(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("fc1", "fc2", "proj", "linear"), sketch)
    made = sketch.pick(
        (
            f"nn.Linear({size}, {size})",
            f"nn.Linear({size}, {size}, bias=False)",
            f"nn.LayerNorm({size})",
            f"nn.Linear({size}, {size})",
        )
    )
    plan.lines.append(f"self.{name} = {made}")
    plan.calls.append(Call(f"self.{name}({{a}})"))


def _activation(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("act", "relu", "gate", "drop"), sketch)
    made = sketch.pick(
        (
            "nn.ReLU(inplace=True)", "nn.ReLU()", "nn.Tanh()", "nn.Sigmoid()", "nn.LeakyReLU(0.1, inplace=True)", "nn.ELU(inplace=True)",
            "nn.Dropout(0.5)", "nn.Dropout(0.5, inplace=True)", "nn.GELU()", "nn.SiLU(inplace=True)", "nn.Hardtanh(inplace=True)", "nn.Softmax(dim=-1)",
        )
    )  # fmt: skip
    plan.lines.append(f"self.{name} = {made}")
    plan.calls += [Call(f"self.{name}({{a}})")] * 2


def _parameter(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("weight", "bias", "scale", "shift"), sketch)
    value = sketch.pick(
        (
            f"torch.ones({size})",
            f"torch.zeros({size})",
            f"torch.rand({size})",
            "torch.tensor(0.5)",
            f"torch.randn({size}) * 0.1",
        )
    )
    plan.lines.append(f"self.{name} = nn.Parameter({value})")
    plan.tensors.append(f"self.{name}")


def _buffer(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("running", "mean", "mask", "steps"), sketch)
    plan.lines.append(f'self.register_buffer("{name}", torch.{sketch.pick(("ones", "zeros"))}({size}))')
    plan.tensors.append(f"self.{name}")


def _constant(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("table", "template", "state"), sketch)
    plan.lines.append(f"self.{name} = torch.{sketch.pick(('ones', 'zeros', 'rand'))}({size})")
    plan.tensors.append(f"self.{name}")


def _computed(sketch: Sketch, plan: Plan, size: str) -> None:
    """What AGL401 tells of."""
    name = _attribute(plan, ("weights", "gain"), sketch)
    made = sketch.pick(
        (
            f"nn.Parameter(torch.rand({size})) ** 2",
            f"nn.Parameter(torch.ones({size})) * 0.1",
            f"nn.Parameter(torch.rand({size})).abs()",
        )
    )
    plan.lines.append(f"self.{name} = {made}")
    plan.tensors.append(f"self.{name}")


def _sequential(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("body", "layers", "mlp"), sketch)
    steps = sketch.rng.sample(
        [f"nn.Linear({size}, {size})", "nn.ReLU(inplace=True)", "nn.Tanh()", "nn.Sigmoid()", f"nn.Linear({size}, {size})", "nn.ReLU()", "nn.Dropout(0.5)", f"nn.LayerNorm({size})", "nn.ELU(inplace=True)"],
        sketch.rng.randint(2, 4),
    )  # fmt: skip
    plan.lines.append(f"self.{name} = nn.Sequential({', '.join(steps)})")
    plan.calls.append(Call(f"self.{name}({{a}})"))


def _module_list(sketch: Sketch, plan: Plan, size: str) -> None:
    name = _attribute(plan, ("blocks", "stages"), sketch)
    if sketch.chance(0.3):
        plan.lines.append(
            f'self.{name} = nn.ModuleDict({{"a": nn.Linear({size}, {size}), "b": nn.Linear({size}, {size})}})'
        )
        plan.calls += [Call(f'self.{name}["a"]({{a}})'), Call(f'self.{name}["b"]({{a}})')]
        return
    inner = sketch.pick((f"nn.Linear({size}, {size})", "nn.ReLU(inplace=True)", "nn.Tanh()"))
    plan.lines.append(f"self.{name} = nn.ModuleList([{inner} for _ in range(2)])")
    plan.calls.append(Call(f"self.{name}[0]({{a}})"))
    plan.loops.append(f"self.{name}")


def _child(sketch: Sketch, plan: Plan, size: str) -> None:
    """A module of a class that was written before."""
    made = [key for key, value in sketch.names.items() if isinstance(value, type) and issubclass(value, nn.Module)]
    if not made:
        return _layer(sketch, plan, size)
    cls, name = sketch.pick(made), _attribute(plan, ("inner", "sub", "core"), sketch)
    plan.lines.append(f"self.{name} = {cls}({size if _takes_size(sketch.names[cls]) else ''})")
    plan.calls.append(Call(f"self.{name}({{a}})"))
    return None


def _takes_size(cls: Any) -> bool:
    return bool({"size", "dim"} & set(cls.__init__.__code__.co_varnames))


# ------------------------------------------------------------------- methods


def _forward(inner: Sketch, plan: Plan, given: torch.Tensor) -> list[str] | None:
    """The `forward` method; None if it could not be written."""
    extra = _extra_parameter(inner)
    x = inner.pick(("x", "inputs", "h"))
    inner.names[x] = given
    inner.parts, inner.calls = list(plan.tensors), inner.calls + plan.calls * 3
    if plan.calls and inner.chance(0.8):
        call = fill(inner, inner.pick(plan.calls).template.replace("{a}", x))
        inner.add(f"{inner.pick(('h', 'out', x))} = {call}")
    for loop in plan.loops:
        _module_loop(inner, loop, x)
    if inner.chance(0.25):
        inner.pick((add_branch, add_loop))(inner)
    add_body(inner, 3)
    if plan.calls and inner.chance(0.5):
        add_call(inner)
    if inner.ended is None:
        made = [name for name in inner.tensors() if name.isidentifier() and inner.names[name].dim() > 0]
        fitting = [name for name in made if inner.names[name].shape == given.shape] or made
        if not fitting:
            return None
        tail = inner.pick(("", "", "", "", f" + {x}", ".clone()", " * 2", ".sum()"))
        inner.add(f"return_value = {fitting[-1]}{tail}")
        if inner.ended is not None or not inner.lines[-1].startswith("return_value"):
            return None
        inner.lines[-1] = inner.lines[-1].replace("return_value =", "return")
    if not inner.lines:
        return None
    return [f"def forward(self, {', '.join([x, *extra])}):\n" + textwrap.indent("\n".join(inner.lines), "    ")]


def _extra_parameter(inner: Sketch) -> list[str]:
    if not inner.chance(0.25):
        return []
    name, default = inner.pick((("factor", "1.0"), ("residual", "True"), ("alpha", "0.5"), ("mask", "None")))
    inner.names[name] = eval(default)
    if name in ("factor", "alpha"):
        inner.numbers = [name, "2", "0.5"]
    return [f"{inner.pick(('', '*, '))}{name}={default}"]


def _module_loop(inner: Sketch, loop: str, x: str) -> None:
    name = inner.pick([each for each in ("h", "out", x) if each in inner.names] or [x])
    inner.add(f"for block in {loop}:\n    {name} = block({name}){inner.pick(('', '', f' + {name}'))}")


def _methods(sketch: Sketch, plan: Plan) -> list[str]:
    """Other methods, which are called from outside."""
    if not plan.tensors or not sketch.chance(0.3):
        return []
    tensor = sketch.pick(plan.tensors)
    method = sketch.pick(
        (
            f"@torch.no_grad()\ndef reset(self):\n    {tensor}.fill_(0.5)", f"def reset(self):\n    {tensor}.data.zero_()",
            f"def reset(self):\n    with torch.no_grad():\n        {tensor}.mul_(0.9)", f"def reset(self):\n    {tensor}.zero_()",
            f"def penalty(self):\n    return ({tensor} ** 2).sum()", f"@property\ndef norm(self):\n    return {tensor}.norm()",
        )
    )  # fmt: skip
    return [method]


# ------------------------------------------------------------------- use


def _use(sketch: Sketch, cls: str, argument: str, plan: Plan, given: str) -> bool:
    name = sketch.new_name(_INSTANCES)
    if not sketch.add(f"{name} = {cls}({argument})"):
        return False
    sketch.calls += [Call(f"{name}({{a}})")] * 2
    sketch.parts += [f"{name}.{tensor.removeprefix('self.')}" for tensor in plan.tensors]
    model: Any = sketch.names[name]
    if hasattr(type(model), "reset"):
        sketch.calls.append(Call(f"{name}.reset()", 0))
    if hasattr(type(model), "penalty"):
        sketch.calls.append(Call(f"{name}.penalty()"))
    return sketch.add(f"{sketch.result_name()} = {name}({given})")


def add_subclass(sketch: Sketch) -> bool:
    """A class that extends one of the program and calls its `forward`."""
    bases = [key for key, value in sketch.names.items() if isinstance(value, type) and issubclass(value, nn.Module)]
    instances = [
        key for key, value in sketch.names.items() if isinstance(value, nn.Module) and type(value).__name__ in bases
    ]
    given = sketch.pick_tensor(lambda tensor: tensor.is_floating_point() and 0 < tensor.dim() < 3)
    if not instances or given is None:
        return False
    instance = sketch.pick(instances)
    model, base = sketch.names[instance], type(sketch.names[instance]).__name__
    inner = sketch.fork(
        {"torch": torch, "F": nn.functional, "nn": nn, "parent": model, "x": copied(sketch.value(given))}
    )
    if not inner.add("h = parent(x)") or inner.ended is not None:
        return False
    inner.lines.clear()
    inner.names.pop("parent")
    add_body(inner)
    if not inner.lines:
        return False
    made = inner.tensors()[-1]
    body = ["h = super().forward(x)", *inner.lines, *([] if inner.ended else [f"return {made}"])]
    name = sketch.new_name((f"Deep{base}", f"Wide{base}", f"My{base}"))
    text = f"class {name}({base}):\n    def forward(self, x):\n" + textwrap.indent("\n".join(body), " " * 8)
    size = str(sketch.tensor(given).shape[-1]) if _takes_size(type(model)) else ""
    return sketch.define(text) and _use(sketch, name, size, Plan(), given)


def add_model_use(sketch: Sketch) -> bool:
    """What programs do with a model, other than call it."""
    models = [key for key, value in sketch.names.items() if isinstance(value, nn.Module)]
    if not models:
        return False
    name, other = sketch.pick(models), sketch.pick(models)
    statement = sketch.pick(
        (
            f"{name}.eval()", f"{name}.train()", f"{name}.zero_grad()", f"{name}.requires_grad_(False)", f"{name}.load_state_dict({other}.state_dict())",
            f"for parameter in {name}.parameters():\n    parameter.data.mul_(0.9)", f"weights = list({name}.parameters())",
            f"with torch.no_grad():\n    for parameter in {name}.parameters():\n        parameter.add_(0.1)",
            f"for parameter in {name}.parameters():\n    parameter.requires_grad_(False)", f"print(sum(p.numel() for p in {name}.parameters()))",
            f"with torch.no_grad():\n    for parameter in {name}.parameters():\n        if parameter.grad is not None:\n            parameter -= 0.1 * parameter.grad",
            f"for parameter in {name}.parameters():\n    parameter.grad = None", f"for parameter in {name}.parameters():\n    parameter.mul_(0.5)",
            f"norm = sum(p.pow(2).sum() for p in {name}.parameters())", f"for key, parameter in {name}.named_parameters():\n    print(key, parameter.shape)",
            f"nn.utils.clip_grad_norm_({name}.parameters(), 1.0)", f"{name} = {name}.float()",
        )
    )  # fmt: skip
    return sketch.add(statement)


def add_hook(sketch: Sketch) -> bool:
    """A hook on a tensor."""
    name = sketch.pick_tensor(lambda tensor: tensor.requires_grad)
    forms = ("lambda g: g * 2", "lambda g: None", "print", "lambda g: g.clamp(-1, 1)")
    return name is not None and sketch.add(f"{name}.register_hook({sketch.pick(forms)})")

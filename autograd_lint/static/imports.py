"""Import statements: which names stand for torch, and which for something not known."""

from __future__ import annotations

from typing import Final

from autograd_lint.static import ir
from autograd_lint.static.state import Run
from autograd_lint.static.torch_names import canonical
from autograd_lint.static.values import Builtin, Foreign, TorchName, Unknown, Value

_STAR: Final = {
    "torch.nn": ("Module", "Parameter", "Linear", "Sequential", "ModuleList", "ReLU", "Conv2d", "functional"),
}


def bind_import(run: Run, node: ir.Import) -> None:
    """`import a.b as c`."""
    for dotted, alias in node.names:
        top = dotted.partition(".")[0]
        run.env.bind(alias or top, module_value(dotted if alias else top))


def bind_import_from(run: Run, node: ir.ImportFrom) -> None:
    """`from a import b as c`; a relative import names something not known."""
    if node.names is None:
        for name in _STAR.get(node.module, ()):
            run.env.bind(name, TorchName(canonical(f"{node.module}.{name}")))
        return
    for name, alias in node.names:
        value: Value = Unknown() if node.level else member(node.module, name)
        run.env.bind(alias or name, value)


def module_value(dotted: str) -> Value:
    """What `import dotted` binds."""
    return TorchName(dotted) if dotted.partition(".")[0] == "torch" else Foreign(dotted)


def member(module: str, name: str) -> Value:
    """What `from module import name` binds."""
    if module.partition(".")[0] == "torch":
        return TorchName(canonical(f"{module}.{name}"))
    return Builtin("dict") if f"{module}.{name}" == "collections.OrderedDict" else Foreign(f"{module}.{name}")

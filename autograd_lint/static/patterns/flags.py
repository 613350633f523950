"""Attributes that look like `requires_grad` and mean nothing to torch."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from autograd_lint.events import AttributeSet, TensorRef
from autograd_lint.static.interpret.classes import class_chain
from autograd_lint.static.interpret.state import Run
from autograd_lint.static.model.values import Class, Instance, NNModule, TorchName, Unknown, Value
from autograd_lint.static.operations.modules import is_module_name
from autograd_lint.static.operations.tensors import describe, known_tensor
from autograd_lint.static.syntax import ir

_FLAG: Final = "requires_grad"
"""The attribute's right name."""
_ALIKE: Final = 0.8


@lru_cache(maxsize=4096)
def is_misspelt_flag(name: str) -> bool:
    """`name` was meant to be `requires_grad`; `requires_grad_before` is a name of its own."""
    if name == _FLAG or name.startswith(f"{_FLAG}_") or name.endswith(f"_{_FLAG}"):
        return False
    return SequenceMatcher(None, name, _FLAG).ratio() >= _ALIKE


def note_flag(run: Run, base: Value, name: str, node: ir.Attr) -> None:
    """`base.name = …`, where `name` is the flag or nearly so: what has no such attribute gets a new one."""
    if isinstance(base, NNModule):
        run.machine.emit(_event(run, name, node, module=True))
    elif isinstance(base, Instance):
        if base.module and run.frame.self is not base and not _knows(base, name):
            run.machine.emit(_event(run, name, node, module=True))
    elif name == _FLAG:
        return
    elif known_tensor(base) is not None:
        run.machine.emit(_event(run, name, node, module=False))
    elif isinstance(base, Unknown):
        event = _event(run, name, node, module=False)
        run.awaited.append(lambda: event if _is_tensor(base) else None)


def _knows(base: Instance, name: str) -> bool:
    """The module's class, or something it derives from and that is not known, may have such an attribute."""
    chain = list(class_chain(base.cls))
    return (
        name in base.attrs
        or base.cls.opaque
        or any(isinstance(link, Class) and name in link.attrs for link in chain)
        or not all(isinstance(link, Class) or _is_module(link) for link in chain)
    )


def _is_module(base: Value) -> bool:
    return isinstance(base, TorchName) and is_module_name(base.name)


def _is_tensor(value: Unknown) -> bool:
    return value.kind == "parameter" or known_tensor(value) is not None


def _event(run: Run, name: str, node: ir.Attr, *, module: bool) -> AttributeSet:
    return AttributeSet(site=run.site(node), target=TensorRef(describe(node.base)), attribute=name, module=module)

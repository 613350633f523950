"""Arguments for functions that nobody calls: from names, annotations, and what the code does with them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.docstrings import told_specs
from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.lessons import SIZE, Spec
from autograd_lint.dynamic.slices.stubs import Options, Stub, StubModule, batches
from autograd_lint.dynamic.slices.words import OPTION_NAMES, by_name

_TARGETS: Final = ("y", "target", "targets", "label", "labels", "gt", "truth", "expected")
_TABLE_USES: Final = frozenset({"items", "keys"})
_BATCHES: Final = ("batch", "sample", "data")
_ANNOTATIONS: Final = {"Tensor": "tensor", "Module": "module", "Optim": "optimizer", "Loader": "loader"}
_MODULE_USES: Final = frozenset({"parameters", "named_parameters", "train", "eval", "modules", "forward", "state_dict"})
_TENSOR_USES: Final = frozenset({"shape", "size", "view", "backward", "detach", "item", "grad", "mean", "sum", "dim"})


class AnyModule(StubModule):
    """A module that is not known: one weight, results shaped as its first input, and whatever else is asked of it."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Its first tensor times the weight."""
        tensors = [value for value in (*inputs, *named.values()) if isinstance(value, torch.Tensor)]
        made = (tensors[0].float() if tensors else torch.ones(SIZE, SIZE)) * self.weight
        return self._guesses.result(self._path, made)


def any_loss(*values: Any, **named: Any) -> Any:
    """The loss of a criterion that is not known."""
    tensors = [value.float() for value in (*values, *named.values()) if isinstance(value, torch.Tensor)]
    return tensors[0].pow(2).mean() if tensors else torch.ones((), requires_grad=True)


class Inventor:
    """Makes up values; tensors are made anew for each attempt, by what was learnt."""

    def __init__(self, guesses: Guesses, *, optional: bool = False) -> None:
        """`optional`: what may be left out is given too, and switches are turned."""
        self.guesses = guesses
        self.modules: list[torch.nn.Module] = []
        self._optional = optional
        self._told: Mapping[str, Spec] = {}

    def arguments(
        self, function: Callable[..., Any], node: ast.AST | None, owner: ast.AST | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """Values for the parameters of `function` that have none; `node` is its definition, `owner` its class."""
        self._told = told_specs(node, owner)
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return [], {}
        positional: list[Any] = []
        named: dict[str, Any] = {}
        wanted = [
            each
            for each in signature.parameters.values()
            if self._is_wanted(each) and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ]
        # Optimizers need the modules, whatever comes first.
        for parameter in sorted(wanted, key=lambda each: "optim" in each.name):
            if isinstance(parameter.default, bool):
                named[parameter.name] = not parameter.default
                continue
            uses = uses_of(node, parameter.name)
            if parameter is wanted[0] and isinstance(node, ast.FunctionDef) and node.name == "forward":
                uses["()forwarded"] = True
            named[parameter.name] = self.value(parameter.name, parameter.annotation, uses)
        for parameter in wanted:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(named.pop(parameter.name))
        return positional, named

    def _is_wanted(self, parameter: inspect.Parameter) -> bool:
        left_out = parameter.default is None or isinstance(parameter.default, bool)
        return parameter.default is parameter.empty or (self._optional and left_out)

    def value(self, name: str, annotation: Any, uses: Mapping[str, bool]) -> Any:
        """A value for one parameter."""
        value = self._value(name, self.guesses.kinds.get(name) or self._kind(name, annotation, uses), uses)
        self.guesses.given[name] = type(value).__name__, frozenset(uses)
        return value

    def _value(self, name: str, kind: Any, uses: Mapping[str, bool]) -> Any:
        if kind == "module":
            self.modules.append(AnyModule(name, self.guesses))
            return self.modules[-1]
        if kind == "optimizer":
            held = [parameter for module in self.modules for parameter in module.parameters()]
            return torch.optim.SGD(held or [torch.nn.Parameter(torch.ones(()))], lr=0.1)
        if kind == "loader":
            return batches(self.guesses, name)
        if kind == "tensor":
            return self.guesses.tensor(name, self._usual(name, uses))
        if kind == "batch":
            return batches(self.guesses, name)[0]
        if kind in ("sizes", "number"):
            return (SIZE,) if kind == "sizes" else SIZE
        return {"loss": any_loss, "options": Options(name, self.guesses), "unknown": Stub(name, self.guesses)}.get(
            kind, kind
        )

    def _usual(self, name: str, uses: Mapping[str, bool]) -> Spec | None:
        """The first guess of a tensor: what a docstring tells, or what its name and its uses do."""
        if name in self._told:
            return self._told[name]
        target, leaf = name in _TARGETS, "grad" in uses or "requires_grad_" in uses
        return Spec(target=target, leaf=leaf) if target or leaf else None

    def _kind(self, name: str, annotation: Any, uses: Mapping[str, bool]) -> Any:
        """`module`, `optimizer`, `loader`, `tensor`, `loss`, `options`, `unknown`; or the value itself."""
        told = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        told = "" if annotation is inspect.Parameter.empty else str(told)
        if name in self._told:
            return "tensor"
        for kind in (_kind_by_word(name.lower(), told, uses), self._kind_by_use(name, uses)):
            if kind is not None:
                return kind
        number = by_name(name) if told in ("int", "float", "bool", "str", "") and not _TENSOR_USES & set(uses) else None
        if number is not None:
            return SIZE * self.guesses.scale if number == SIZE else number
        return {"int": SIZE * self.guesses.scale, "float": 0.5, "bool": True, "str": "name"}.get(told, "tensor")

    def _kind_by_use(self, name: str, uses: Mapping[str, bool]) -> Any:
        """What the code does with it tells."""
        low = name.lower()
        asked = [use for use in uses if not use.startswith("()")]
        if uses.get("()counted"):
            return 2
        if "loader" in low or "dataset" in low or uses.get("()iterated"):
            return "unknown" if asked else "loader"
        if uses.get("()made"):
            return "unknown"
        if uses.get("()called"):
            if "batch" in low or "sample" in low:
                return lambda *_, **__: batches(self.guesses, name)[0]
            return "loss" if any(word in low for word in ("loss", "crit", "objective")) else "module"
        if _MODULE_USES & set(uses):
            return "module"
        if asked and not all(hasattr(torch.Tensor, use) for use in asked):
            return "unknown"
        return "tensor" if uses.get("()forwarded") else None


def _kind_by_word(low: str, told: str, uses: Mapping[str, bool]) -> str | None:
    """What a name and an annotation tell."""
    if uses.get("()begins"):
        return ""  # the beginning of any text
    if low in _BATCHES and all(
        use.startswith("()") or hasattr(torch.Tensor, use) or use in _TABLE_USES for use in uses
    ):
        return "batch" if (_TABLE_USES | {"()unpacked", "()keyed", "()iterated"}) & set(uses) else "tensor"
    for word, kind in _ANNOTATIONS.items():
        if word in told:
            return kind
    if "optim" in low or (low in ("opt", "sgd") and "step" in uses):
        return "optimizer"
    if "sched" in low or "logger" in low or "writer" in low:
        return "unknown"
    return "options" if low in OPTION_NAMES else None


def uses_of(node: ast.AST | None, name: str) -> dict[str, bool]:
    """What a function does with its parameter: attributes by name, `()called`, `()iterated`, `()unpacked` and so on."""
    uses: dict[str, bool] = {}
    for part in ast.walk(node) if node is not None else ():
        match part:
            case ast.Attribute(value=ast.Name(id=found), attr=attribute) if found == name:
                uses[attribute] = True
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith"), args=[ast.Name(id=found)]) if (
                found == name
            ):
                uses["()begins"] = True
            case ast.Assign(targets=[ast.Tuple() | ast.List()], value=ast.Name(id=found)) if found == name:
                uses["()unpacked"] = True
            case ast.Subscript(value=ast.Name(id=found), slice=ast.Constant(value=str())) if found == name:
                uses["()keyed"] = True
            case ast.Call(func=ast.Name(id=found), args=args) if found == name:
                uses["()called" if args or part.keywords else "()made"] = True
            case ast.Call(func=ast.Name(id="range"), args=args) if any(_is_name(each, name) for each in args):
                uses["()counted"] = True
            case ast.For(iter=iterated) if any(isinstance(n, ast.Name) and n.id == name for n in _iterated(iterated)):
                uses["()iterated"] = True
    return uses


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _iterated(node: ast.expr) -> list[ast.expr]:
    """What a loop runs over, inside `enumerate(…)` and the like."""
    found = [node]
    while isinstance(found[-1], ast.Call) and found[-1].args:
        found.append(found[-1].args[0])
    return found

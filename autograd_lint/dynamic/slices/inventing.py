"""Arguments for functions that nobody calls: from names, annotations, and what the code does with them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from autograd_lint.dynamic.slices.guesses import SIZE, Guesses, Spec
from autograd_lint.dynamic.slices.stubs import Stub

_NUMBERS: Final[tuple[tuple[str, object], ...]] = (
    ("head", 2),
    ("kernel", 3),
    ("stride", 1),
    ("pad", 1),
    ("dilation", 1),
    ("group", 1),
    ("layer", 2),
    ("depth", 2),
    ("drop", 0.1),
    ("prob", 0.1),
    ("momentum", 0.9),
    ("decay", 0.0),
    ("eps", 1e-5),
    ("lr", 0.1),
    ("learning_rate", 0.1),
    ("alpha", 0.5),
    ("beta", 0.5),
    ("gamma", 0.5),
    ("lambda", 0.5),
    ("weight_", 0.5),
    ("temperature", 1.0),
    ("bias", True),
    ("use_", True),
    ("is_", True),
    ("verbose", False),
    ("device", "cpu"),
    ("path", "file"),
    ("file", "file"),
    ("dir", "folder"),
    ("name", "name"),
    ("mode", "train"),
    ("seed", 0),
    ("vocab", 10),
    ("class", SIZE),
    ("epoch", 2),
    ("step", 2),
    ("iter", 2),
    ("batch", 2),
    ("num", 2),
    ("rank", 0),
    ("world", 1),
    ("dim", SIZE),
    ("size", SIZE),
    ("hidden", SIZE),
    ("channel", SIZE),
    ("feature", SIZE),
    ("width", SIZE),
)
_COUNTS: Final = ("n", "k", "d", "h", "w", "c", "in_", "out", "inp", "n_in", "n_out", "planes", "units", "length", "nf")
_OPTIONS: Final = ("args", "cfg", "config", "opt", "opts", "options", "hparams", "hp", "params", "conf", "flags")
_TARGETS: Final = ("y", "target", "targets", "label", "labels", "gt", "truth", "expected")
_MODULE_USES: Final = frozenset({"parameters", "named_parameters", "train", "eval", "modules", "forward", "state_dict"})
_TENSOR_USES: Final = frozenset({"shape", "size", "view", "backward", "detach", "item", "grad", "mean", "sum", "dim"})


class AnyModule(torch.nn.Module):
    """A module that is not known: one weight, and results shaped as its first input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Its first tensor times the weight."""
        tensors = [value for value in (*inputs, *named.values()) if isinstance(value, torch.Tensor)]
        return (tensors[0].float() if tensors else torch.ones(SIZE, SIZE)) * self.weight


def any_loss(*values: Any, **named: Any) -> Any:
    """The loss of a criterion that is not known."""
    tensors = [value.float() for value in (*values, *named.values()) if isinstance(value, torch.Tensor)]
    return tensors[0].pow(2).mean() if tensors else torch.ones((), requires_grad=True)


class Options:
    """Settings that are not known: each attribute is made up from its name."""

    def __init__(self, inventor: Inventor) -> None:
        self.__dict__["_inventor"] = inventor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        number = by_name(name)
        return number if number is not None else Options(self._inventor)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, str(name))

    def get(self, name: str, otherwise: Any = None) -> Any:
        """As a dictionary has it."""
        return otherwise if otherwise is not None else getattr(self, name)


class Inventor:
    """Makes up values; tensors are made anew for each attempt, by what was learnt."""

    def __init__(self, guesses: Guesses) -> None:
        self.guesses = guesses
        self.modules: list[torch.nn.Module] = []

    def arguments(self, function: Callable[..., Any], node: ast.AST | None) -> tuple[list[Any], dict[str, Any]]:
        """Values for the parameters of `function` that have none; `node` is its definition."""
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return [], {}
        positional: list[Any] = []
        named: dict[str, Any] = {}
        wanted = [
            each
            for each in signature.parameters.values()
            if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ]
        # Optimizers need the modules, whatever comes first.
        for parameter in sorted(wanted, key=lambda each: "optim" in each.name):
            named[parameter.name] = self.value(parameter.name, parameter.annotation, uses_of(node, parameter.name))
        for parameter in wanted:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(named.pop(parameter.name))
        return positional, named

    def value(self, name: str, annotation: Any, uses: Mapping[str, bool]) -> Any:
        """A value for one parameter."""
        kind = self._kind(name, annotation, uses)
        if kind == "module":
            self.modules.append(AnyModule())
            return self.modules[-1]
        if kind == "optimizer":
            held = [parameter for module in self.modules for parameter in module.parameters()]
            return torch.optim.SGD(held or [torch.nn.Parameter(torch.ones(()))], lr=0.1)
        if kind == "loader":
            return self.guesses.batches(name)
        if kind == "tensor":
            target = name in _TARGETS
            return self.guesses.tensor(name, Spec(target=target, leaf="grad" in uses or "requires_grad_" in uses))
        return {"loss": any_loss, "options": Options(self), "unknown": Stub(name, self.guesses)}.get(kind, kind)

    def _kind(self, name: str, annotation: Any, uses: Mapping[str, bool]) -> Any:
        """`module`, `optimizer`, `loader`, `tensor`, `loss`, `options`, `unknown`; or the value itself."""
        told = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        told = "" if annotation is inspect.Parameter.empty else told
        low = name.lower()
        for word, kind in (("Tensor", "tensor"), ("Module", "module"), ("Optim", "optimizer"), ("Loader", "loader")):
            if word in str(told):
                return kind
        if "optim" in low or (low in ("opt", "sgd") and "step" in uses):
            return "optimizer"
        if "sched" in low or "logger" in low or "writer" in low:
            return "unknown"
        if low in _OPTIONS:
            return "options"
        if "loader" in low or "dataset" in low or uses.get("()iterated"):
            return "loader"
        if uses.get("()called"):
            return "loss" if any(word in low for word in ("loss", "crit", "objective")) else "module"
        if _MODULE_USES & set(uses):
            return "module"
        number = by_name(low) if told in ("int", "float", "bool", "str", "") and not _TENSOR_USES & set(uses) else None
        if number is not None:
            return number
        return {"int": SIZE, "float": 0.5, "bool": True, "str": "name"}.get(str(told), "tensor")


def by_name(name: str) -> Any:
    """A number or a text for something of this name; None if the name tells nothing."""
    low = name.lower()
    if low in _COUNTS or (low.startswith(("in_", "out_", "n_", "num_", "max_", "d_")) and "head" not in low):
        return 2 if "layer" in low or "epoch" in low else SIZE
    return next((value for word, value in _NUMBERS if word in low), None)


def uses_of(node: ast.AST | None, name: str) -> dict[str, bool]:
    """What a function does with its parameter: attributes by name, `()called`, `()iterated`."""
    uses: dict[str, bool] = {}
    for part in ast.walk(node) if node is not None else ():
        match part:
            case ast.Attribute(value=ast.Name(id=found), attr=attribute) if found == name:
                uses[attribute] = True
            case ast.Call(func=ast.Name(id=found)) if found == name:
                uses["()called"] = True
            case ast.For(iter=iterated) if any(isinstance(n, ast.Name) and n.id == name for n in _iterated(iterated)):
                uses["()iterated"] = True
    return uses


def _iterated(node: ast.expr) -> list[ast.expr]:
    """What a loop runs over, inside `enumerate(…)` and the like."""
    found = [node]
    while isinstance(found[-1], ast.Call) and found[-1].args:
        found.append(found[-1].args[0])
    return found

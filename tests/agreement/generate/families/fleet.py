"""How scripts hold several optimizers, what they give them, and how they clear and step one or all of them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.agreement.generate.training.parts import optimizer
from tests.agreement.generate.training.script import Script

_PARAMETERS = (
    ("{m}.parameters()", 8),
    ("list({m}.parameters())", 1),
    ("filter(lambda p: p.requires_grad, {m}.parameters())", 1.5),
    ("[p for p in {m}.parameters() if p.requires_grad]", 1),
    ("[p for _, p in {m}.named_parameters()]", 0.7),
    ('[{{"params": {m}.parameters()}}]', 0.7),
    ("(p for p in {m}.parameters())", 0.4),
)
_JOINED = (
    "[*{m}.parameters(), *{o}.parameters()]",
    "list({m}.parameters()) + list({o}.parameters())",
    "chain({m}.parameters(), {o}.parameters())",
    '[{{"params": {m}.parameters()}}, {{"params": {o}.parameters(), "lr": 0.01}}]',
    "nn.ModuleList([{m}, {o}]).parameters()",
    "[p for model in ({m}, {o}) for p in model.parameters()]",
    "sum([list(model.parameters()) for model in ({m}, {o})], [])",
)


@dataclass(frozen=True)
class Fleet:
    """The optimizers of a script: an expression for each, one for all, and the models they are of."""

    script: Script
    each: tuple[str, ...]
    every: str
    models: tuple[str, ...]

    def step(self, number: int) -> str:
        """Steps one."""
        return f"{self.each[number]}.step()"

    def step_all(self) -> list[str]:
        """Steps all, one by one or in a loop."""
        if self.script.chance(0.4):
            return [f"for opt in {self.every}:\n    opt.step()"]
        return [f"{each}.step()" for each in self.each]

    def clear(self, number: int) -> list[str]:
        """Clears the gradients of one; at times of another, of none, or by way of the model."""
        form = self.script.rng.random()
        if form < 0.05:
            return []
        if form < 0.08:
            return [f"{self.each[number - 1]}.zero_grad()"]
        if form < 0.75:
            return [f"{self.each[number]}.zero_grad({self.script.pick(('', '', '', 'set_to_none=True'))})"]
        if form < 0.88:
            return [f"{self.models[number]}.zero_grad()"]
        return [f"for p in {self.models[number]}.parameters():\n    p.grad = None"]

    def clear_all(self) -> list[str]:
        """Clears the gradients of all, or of all but one."""
        form = self.script.rng.random()
        if form < 0.04:
            return []
        if form < 0.4:
            return [f"for opt in {self.every}:\n    opt.zero_grad()"]
        if form < 0.5:
            return [f"[opt.zero_grad() for opt in {self.every}]"]
        left = list(self.each)
        if self.script.chance(0.06):
            left.pop()
        return [f"{each}.zero_grad()" for each in left]


def parameters_of(script: Script, model: str, other: str = "") -> str:
    """An expression for the parameters of a model, or of two."""
    form = script.pick(_JOINED) if other else script.pick_weighted(_PARAMETERS)
    if form.startswith("chain("):
        script.imports.append("from itertools import chain")
    return form.format(m=model, o=other)


def fleet(script: Script, *models: str, shared: str = "") -> Fleet:
    """Makes an optimizer for each model and says how they are held; `shared` is a model that all of them train."""
    with_shared = [shared if number == 0 or script.chance(0.3) else "" for number in range(len(models))]
    made = [optimizer(script, parameters_of(script, m, o)) for m, o in zip(models, with_shared, strict=True)]
    form = script.rng.random()
    names = tuple(f"{model}_opt" for model in models)
    if form < 0.6:
        script.setup += [f"{name} = {value}" for name, value in zip(names, made, strict=True)]
        return Fleet(script, names, f"({', '.join(names)})", models)
    if form < 0.75:
        script.setup.append(f"optimizers = [{', '.join(made)}]")
        return Fleet(script, tuple(f"optimizers[{n}]" for n in range(len(models))), "optimizers", models)
    if form < 0.85:
        items = ", ".join(f'"{model}": {value}' for model, value in zip(models, made, strict=True))
        script.setup.append(f"optimizers = {{{items}}}")
        return Fleet(script, tuple(f'optimizers["{model}"]' for model in models), "optimizers.values()", models)
    if form < 0.93:
        return _from_function(script, names, models, made, shared)
    script.imports.append("from types import SimpleNamespace")
    items = ", ".join(f"{model}={value}" for model, value in zip(models, made, strict=True))
    script.setup.append(f"opts = SimpleNamespace({items})")
    return Fleet(script, tuple(f"opts.{model}" for model in models), "vars(opts).values()", models)


def _from_function(
    script: Script, names: tuple[str, ...], models: tuple[str, ...], made: list[str], shared: str
) -> Fleet:
    arguments = ", ".join([*models, *([shared] if shared else [])])
    body = "\n".join(f"    {name} = {value}" for name, value in zip(names, made, strict=True))
    script.define(f"def make_optimizers({arguments}):\n{body}\n    return {', '.join(names)}")
    script.setup.append(f"{', '.join(names)} = make_optimizers({arguments})")
    return Fleet(script, names, f"[{', '.join(names)}]", models)

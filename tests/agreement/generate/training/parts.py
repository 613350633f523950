"""What training scripts are made of: networks, data, losses, optimizers, ways of clearing gradients and of logging."""

from __future__ import annotations

from typing import Final

from tests.agreement.generate.training.script import Script

IN: Final = 4
HIDDEN: Final = 3

_CLASSES: Final = (
    """
class {name}(nn.Module):
    def __init__(self, inputs={i}, outputs={o}):
        super().__init__()
        self.fc1 = nn.Linear(inputs, {h})
        self.fc2 = nn.Linear({h}, outputs)

    def forward(self, x):
        h = {act}
        return self.fc2(h)
""",
    """
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear({i}, {h}), {module}, nn.Linear({h}, {h}))
        self.head = nn.Linear({h}, {o})

    def forward(self, x):
        h = self.body(x)
        {residual}
        return self.head(h)
""",
    """
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn({i}, {o}) * 0.1)
        self.bias = nn.Parameter(torch.zeros({o}))

    def forward(self, x):
        {linear}
""",
    """
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear({i}, {h}), nn.Linear({h}, {h})])
        self.out = nn.Linear({h}, {o})
        self.act = {module}

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer(x))
        return self.out(x)
""",
    """
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear({i}, {h})
        self.norm = nn.{norm}({h})
        self.out = nn.Linear({h}, {o})
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.norm(self.fc(x))
        return self.out(self.drop(torch.relu(x)))
""",
    """
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = {gain}
        self.fc = nn.Linear({i}, {o})

    def forward(self, x):
        return self.fc(x * self.gain)
""",
)

_ACTS: Final = (
    "torch.relu(self.fc1(x))", "torch.tanh(self.fc1(x))", "F.relu(self.fc1(x), inplace=True)", "torch.sigmoid(self.fc1(x))",
    "self.fc1(x).relu_()", "F.leaky_relu(self.fc1(x), 0.1)", "F.dropout(F.relu(self.fc1(x)), 0.1, self.training)", "self.fc1(x).tanh_()",
)  # fmt: skip
_MODULES: Final = (
    "nn.ReLU()", "nn.Tanh()", "nn.ReLU(inplace=True)", "nn.Sigmoid()", "nn.ELU(inplace=True)", "nn.GELU()", "nn.LeakyReLU(0.2, inplace=True)",
    "nn.SiLU()",
)  # fmt: skip
_RESIDUALS: Final = (
    "h = torch.relu(h)",
    "h = h + torch.tanh(h)",
    "h += torch.tanh(h)",
    "h = torch.tanh(h)\n        h *= 2",
    "h = F.relu(h)\n        h += h.mean()",
    "h = h / h.norm()",
)
_LINEARS: Final = (
    "return x @ self.weight + self.bias", "y = x @ self.weight\n        y += self.bias\n        return y",
    "return torch.tanh(x @ self.weight) * self.bias.exp()", "return F.linear(x, self.weight.t(), self.bias)",
)  # fmt: skip
_GAINS: Final = (
    ("nn.Parameter(torch.ones({i}))", 5),
    ("nn.Parameter(torch.ones({i}) * 0.5)", 3),
    ("nn.Parameter(torch.rand({i})) ** 2", 1),
    ("torch.ones({i})", 1),
)

_STEPPERS: Final = (
    ("SGD({p}, lr=0.1)", 6), ("SGD({p}, lr=0.01, momentum=0.9)", 3), ("Adam({p}, lr=1e-3)", 6), ("Adam({p})", 2), ("AdamW({p}, lr=1e-3)", 3),
    ("RMSprop({p}, lr=1e-3)", 1.5), ("Adagrad({p}, lr=0.01)", 1), ("NAdam({p})", 0.7), ("RAdam({p})", 0.7), ("Adadelta({p})", 0.7),
    ("Adamax({p})", 0.5), ("ASGD({p}, lr=0.01)", 0.3), ("Rprop({p})", 0.3), ("SGD({p}, lr=0.1, weight_decay=1e-4, nesterov=True, momentum=0.9)", 0.7),
    ("Adam({p}, lr=1e-3, fused=True)", 1.2), ("SGD({p}, lr=0.1, fused=True)", 1.2), ("AdamW({p}, lr=1e-3, fused=True)", 0.8),
    ("Adagrad({p}, lr=0.1, fused=True)", 0.3), ("Adam({p}, lr=1e-3, foreach=True)", 0.7), ("Adam({p}, lr=1e-3, foreach=False)", 0.5),
    ("AdamW([{{'params': {p}}}], lr=1e-3)", 0.4), ("SGD(list({p}), lr=0.1)", 0.4),
)  # fmt: skip


def network(script: Script, *, inputs: int = IN, outputs: int = 1, name: str = "Net") -> str:
    """An expression that makes a network; its class is defined if it has one."""
    module = script.pick(_MODULES)
    if script.chance(0.5):
        return script.pick(
            (
                f"nn.Linear({inputs}, {outputs})", f"nn.Sequential(nn.Linear({inputs}, {HIDDEN}), {module}, nn.Linear({HIDDEN}, {outputs}))",
                f"nn.Sequential(nn.Linear({inputs}, {HIDDEN}), {module}, nn.Linear({HIDDEN}, {outputs}))",
                f"nn.Sequential(nn.Linear({inputs}, {HIDDEN}), nn.Tanh(), nn.Linear({HIDDEN}, {HIDDEN}), {module}, nn.Linear({HIDDEN}, {outputs}))",
                f"nn.Linear({inputs}, {outputs}, bias=False)",
            )
        )  # fmt: skip
    gain = script.pick_weighted(_GAINS).format(i=inputs)
    text = script.pick(_CLASSES).format(
        name=name, i=inputs, o=outputs, h=HIDDEN, act=script.pick(_ACTS), module=module, residual=script.pick(_RESIDUALS),
        linear=script.pick(_LINEARS), norm=script.pick(("LayerNorm", "BatchNorm1d")), gain=gain,
    )  # fmt: skip
    script.define(text.strip("\n"))
    return f"{name}()"


def optimizer(script: Script, parameters: str) -> str:
    """An expression that makes an optimizer of `parameters`."""
    module = script.pick(("torch.optim", "torch.optim", "torch.optim", "optim"))
    if module == "optim" and "from torch import optim" not in script.imports:
        script.imports.append("from torch import optim")
    return f"{module}.{script.pick_weighted(_STEPPERS).format(p=parameters)}"


def loop(script: Script) -> str:
    """The header of a training loop."""
    name = script.pick(("epoch", "step", "_", "i"))
    return f"for {name} in range({script.rng.randint(2, 4)}):"


def loss(script: Script, prediction: str, target: str) -> str:
    """An expression for a regression loss: mostly a scalar."""
    return script.pick_weighted(
        (
            (f"F.mse_loss({prediction}, {target})", 5), (f"(({prediction} - {target}) ** 2).mean()", 3), (f"criterion({prediction}, {target})", 4),
            (f"F.l1_loss({prediction}, {target})", 1), (f"({prediction} - {target}).pow(2).sum()", 1.5), (f"F.smooth_l1_loss({prediction}, {target})", 1),
            (f"F.mse_loss({prediction}, {target}, reduction='none')", 0.25), (f"F.huber_loss({prediction}, {target})", 0.5),
        )
    )  # fmt: skip


def criterion(script: Script) -> str:
    """A statement that makes a loss module."""
    return f"criterion = nn.{script.pick(('MSELoss', 'L1Loss', 'SmoothL1Loss', 'HuberLoss'))}()"


def clearing(script: Script, optimizers: tuple[str, ...] = ("optimizer",), models: tuple[str, ...] = ("model",)) -> str:
    """Statements that clear the gradients, or not all of them, or none (then empty)."""
    form = script.rng.random()
    if form < 0.14:
        return ""
    if form < 0.7:
        left = list(optimizers)
        if len(left) > 1 and script.chance(0.15):
            left.pop(script.rng.randrange(len(left)))
        return "\n".join(f"{name}.zero_grad()" for name in left)
    if form < 0.85:
        return "\n".join(f"{name}.zero_grad()" for name in models)
    if form < 0.93:
        return "\n".join(f"{name}.zero_grad(set_to_none={script.pick((True, False))})" for name in optimizers)
    return "\n".join(f"for parameter in {name}.parameters():\n    parameter.grad = None" for name in models)


def extras(
    script: Script, *, model: str = "model", loss_name: str = "loss", optimizer_name: str = "optimizer"
) -> list[tuple[str, str]]:
    """Statements that go with training, each with where it goes: `setup`, `backward` (after it), `step` (after it), `end`."""
    found: list[tuple[str, str]] = []
    if script.chance(0.25):
        found.append(("backward", f"nn.utils.clip_grad_norm_({model}.parameters(), 1.0)"))
    if script.chance(0.06):
        found.append(("backward", f"for parameter in {model}.parameters():\n    parameter.grad.clamp_(-1, 1)"))
    if script.chance(0.3):
        found.append(("setup", "total = 0.0"))
        found.append(
            (
                "step",
                script.pick(
                    (
                        f"total += {loss_name}.item()",
                        f"total += {loss_name}.item()",
                        f"total += {loss_name}",
                        f"total = total + {loss_name}.detach()",
                    )
                ),
            )
        )
    if script.chance(0.2):
        found.append(("setup", "losses = []"))
        found.append(
            (
                "step",
                script.pick(
                    (
                        f"losses.append({loss_name}.item())",
                        f"losses.append({loss_name})",
                        f"losses.append({loss_name}.detach())",
                    )
                ),
            )
        )
    if script.chance(0.12):
        found.append(("step", f"print({loss_name}.item())"))
    if script.chance(0.1):
        found.append(("setup", f"scheduler = torch.optim.lr_scheduler.StepLR({optimizer_name}, step_size=1)"))
        found.append(("step", "scheduler.step()"))
    if script.chance(0.1):
        found.append(
            (
                "step",
                script.pick(
                    (
                        f"with torch.no_grad():\n    for parameter in {model}.parameters():\n        parameter.clamp_(-1, 1)",
                        f"for parameter in {model}.parameters():\n    parameter.data.clamp_(-0.5, 0.5)",
                        f"for parameter in {model}.parameters():\n    parameter.clamp_(-1, 1)",
                    )
                ),
            )
        )
    if script.chance(0.1):
        found.append(("step", f"{model}.eval()\nwith torch.no_grad():\n    validation = {model}(x)\n{model}.train()"))
    return found

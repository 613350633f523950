"""Training of one network: the plain loop and its variants."""

from __future__ import annotations

from tests.agreement.generate.training.parts import IN, clearing, criterion, extras, loop, loss, network, optimizer
from tests.agreement.generate.training.script import Script


def supervised(script: Script) -> None:
    """Zero, forward, loss, backward, step."""
    _data(script)
    script.setup += [
        f"model = {network(script)}",
        f"optimizer = {optimizer(script, 'model.parameters()')}",
        criterion(script),
    ]
    script.header = loop(script)
    x, y = _batches(script)
    clear, forward = clearing(script), [f"prediction = model({x})", f"loss = {loss(script, 'prediction', y)}"]
    if script.chance(0.2):
        forward = [f"loss = {loss(script, f'model({x})', y)}"]
    if script.chance(0.12):
        forward.insert(1, script.pick(_ON_PREDICTION))
    if script.chance(0.2):
        forward.append(script.pick(_ON_LOSS))
    backward = [
        script.pick_weighted(
            (("loss.backward()", 12), ("loss.backward(retain_graph=True)", 1.5), ("loss.mean().backward()", 0.7))
        )
    ]
    script.body = _ordered(script, clear, forward, backward, ["optimizer.step()"])
    _place_extras(script)
    _penalty(script)


_ON_PREDICTION = (
    "prediction = prediction.squeeze(-1).unsqueeze(-1)", "prediction *= 2", "prediction = torch.sigmoid(prediction)", "prediction.clamp_(-1, 1)",
    "prediction = torch.exp(prediction)\nprediction /= prediction.sum()", "prediction = prediction.detach()", "prediction[0] = 0.0",
    "prediction = F.relu(prediction, inplace=True)", "prediction = torch.tanh(prediction)\nprediction += 1", "x.mul_(0.9)", "x += 0.1 * torch.randn_like(x)",
)  # fmt: skip
_ON_LOSS = (
    "loss = loss + 1e-3 * sum(p.pow(2).sum() for p in model.parameters())", "loss /= 2", "loss = loss * 0.5", "loss += 0.01 * sum(p.abs().sum() for p in model.parameters())",
    "loss = loss.mean()", "loss *= 2", "loss = loss.sqrt()\nloss += 1e-8",
)  # fmt: skip


def _data(script: Script, outputs: int = 1) -> None:
    if script.chance(0.7):
        script.setup.append("torch.manual_seed(0)")
    script.setup += [
        f"x = torch.randn(8, {IN})",
        script.pick((f"y = torch.randn(8, {outputs})", f"y = x.sum(dim=1, keepdim=True).expand(8, {outputs})")),
    ]
    if script.chance(0.08):
        script.setup.append("x.requires_grad_()")


def _batches(script: Script) -> tuple[str, str]:
    """The names of a batch; at times the loop goes over batches."""
    form = script.rng.random()
    if form < 0.65:
        return "x", "y"
    if form < 0.8:
        script.header = script.pick(
            ("for xb, yb in zip(x.split(4), y.split(4)):", "for xb, yb in zip(x.chunk(2), y.chunk(2)):")
        )
    elif form < 0.92:
        script.setup.append("batches = [(x[:4], y[:4]), (x[4:], y[4:])]")
        script.header = script.pick(("for xb, yb in batches:", "for xb, yb in batches * 2:"))
    else:
        script.setup.append("loader = DataLoader(TensorDataset(x, y), batch_size=4)")
        script.imports.append("from torch.utils.data import DataLoader, TensorDataset")
        script.header = "for xb, yb in loader:"
    return "xb", "yb"


def _ordered(script: Script, clear: str, forward: list[str], backward: list[str], step: list[str]) -> list[str]:
    """The four in one of the orders people write them in."""
    clears = [clear] if clear else []
    orders = (
        ([*clears, *forward, *backward, *step], 6), ([*forward, *clears, *backward, *step], 5), ([*forward, *backward, *step, *clears], 3),
        ([*forward, *backward, *clears, *step], 0.5), ([*clears, *forward, *step, *backward], 0.8), ([*forward, *step, *clears, *backward], 0.4),
    )  # fmt: skip
    return list(script.pick_weighted(orders))


def _place_extras(script: Script, **names: str) -> None:
    for place, text in extras(script, **names):
        if place == "setup":
            script.setup.append(text)
            continue
        marker = ".backward(" if place == "backward" else ".step("
        here = [number for number, line in enumerate(script.body) if marker in line]
        script.body.insert((here[0] if here else len(script.body) - 1) + 1, text)


def _penalty(script: Script) -> None:
    """A term computed once, before the loop: its graph is freed by the first backward."""
    if not script.chance(0.06):
        return
    script.setup.append("penalty = sum(p.pow(2).sum() for p in model.parameters())")
    script.body = [line.replace("loss.backward(", "(loss + 0.01 * penalty).backward(") for line in script.body]


def by_hand(script: Script) -> None:
    """Gradient descent without an optimizer."""
    _data(script)
    script.setup += [
        "w = torch.zeros(4, 1, requires_grad=True)",
        script.pick(("b = torch.zeros(1, requires_grad=True)", "b = nn.Parameter(torch.zeros(1))")),
    ]
    script.header = loop(script)
    forward = [
        script.pick(
            ("prediction = x @ w + b", "prediction = torch.tanh(x @ w) * b.exp()", "prediction = (x @ w).sigmoid() + b")
        ),
        "loss = ((prediction - y) ** 2).mean()",
    ]
    update = script.pick_weighted(
        (
            ("with torch.no_grad():\n    w -= 0.1 * w.grad\n    b -= 0.1 * b.grad", 6), ("w.data -= 0.1 * w.grad\nb.data -= 0.1 * b.grad", 2),
            ("w -= 0.1 * w.grad\nb -= 0.1 * b.grad", 0.8), ("w = w - 0.1 * w.grad\nb = b - 0.1 * b.grad", 0.8),
            ("with torch.no_grad():\n    for p in (w, b):\n        p.sub_(0.1 * p.grad)", 1.5), ("for p in [w, b]:\n    p.data.add_(p.grad, alpha=-0.1)", 1),
            ("with torch.no_grad():\n    w = w - 0.1 * w.grad\n    b = b - 0.1 * b.grad", 0.6),
        )
    )  # fmt: skip
    clear = script.pick_weighted(
        (
            ("w.grad = None\nb.grad = None", 4),
            ("w.grad.zero_()\nb.grad.zero_()", 4),
            ("with torch.no_grad():\n    w.grad.zero_()\n    b.grad.zero_()", 1),
            ("", 2),
        )
    )
    script.body = [*forward, "loss.backward()", update, *([clear] if clear else [])]
    if script.chance(0.15):
        script.body = [
            *forward,
            "grads = torch.autograd.grad(loss, [w, b])",
            "with torch.no_grad():\n    for p, g in zip((w, b), grads):\n        p -= 0.1 * g",
        ]
    if script.chance(0.3):
        script.after.append("print(w.detach(), b.item())")


def accumulation(script: Script) -> None:
    """Several backward passes to a step."""
    _data(script)
    script.setup += [
        f"model = {network(script)}",
        f"optimizer = {optimizer(script, 'model.parameters()')}",
        "optimizer.zero_grad()",
    ]
    script.header = script.pick(("for i in range(4):", "for i, (xb, yb) in enumerate(zip(x.split(2), y.split(2))):"))
    x, y = ("xb", "yb") if "xb" in script.header else ("x", "y")
    step = "optimizer.step()" + script.pick(("\n    optimizer.zero_grad()",) * 5 + ("\n    model.zero_grad()", ""))
    script.body = [f"loss = F.mse_loss(model({x}), {y}) / 2", "loss.backward()", f"if (i + 1) % 2 == 0:\n    {step}"]
    if script.chance(0.15):
        script.setup.append("total = 0")
        script.body = [f"total = total + F.mse_loss(model({x}), {y})", "total.backward()", script.body[-1]]


def with_closure(script: Script) -> None:
    """An optimizer that is given a closure."""
    _data(script)
    method = script.pick(
        (
            "torch.optim.LBFGS(model.parameters(), lr=0.1)",
            "torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)",
            "torch.optim.SGD(model.parameters(), lr=0.1)",
            "torch.optim.Adam(model.parameters())",
        )
    )
    script.setup += [f"model = {network(script)}", f"optimizer = {method}"]
    script.header = loop(script)
    clear = script.pick(("    optimizer.zero_grad()\n",) * 4 + ("",))
    script.body = [
        f"def closure():\n{clear}    loss = F.mse_loss(model(x), y)\n    loss.backward()\n    return loss",
        "optimizer.step(closure)",
    ]
    if script.chance(0.4):
        script.setup.append(script.body.pop(0))


def in_functions(script: Script) -> None:
    """The step of training in a function of its own."""
    _data(script)
    clear = script.pick(("    optimizer.zero_grad()\n",) * 4 + ("    model.zero_grad()\n", ""))
    middle = script.pick(
        (
            "    loss = F.mse_loss(model(x), y)\n",
            "    prediction = model(x)\n    loss = ((prediction - y) ** 2).mean()\n",
            "    prediction = model(x)\n    prediction *= 2\n    loss = F.l1_loss(prediction, y)\n",
        )
    )
    tail = script.pick(
        ("    loss.backward()\n    optimizer.step()\n",) * 5 + ("    optimizer.step()\n    loss.backward()\n",)
    )
    script.define(
        f"def train_step(model, optimizer, x, y):\n{clear}{middle}{tail}    return {script.pick(('loss.item()', 'loss.detach()', 'loss'))}"
    )
    script.setup += [f"model = {network(script)}", f"optimizer = {optimizer(script, 'model.parameters()')}"]
    script.header = loop(script)
    script.body = ["loss = train_step(model, optimizer, x, y)"]
    if script.chance(0.3):
        script.define(
            "@torch.no_grad()\ndef evaluate(model, x, y):\n    model.eval()\n    error = F.mse_loss(model(x), y)\n    model.train()\n    return error"
        )
        script.body.append(
            script.pick(
                (
                    "print(evaluate(model, x, y).item())",
                    "score = evaluate(model, x, y)",
                    "evaluate(model, x, y).backward()",
                )
            )
        )
    if script.chance(0.15):
        script.body.append("loss.backward()" if script.chance(0.5) else "optimizer.zero_grad()")


def trainer(script: Script) -> None:
    """A class that holds model and optimizer."""
    _data(script)
    clear = script.pick(("        self.optimizer.zero_grad()\n",) * 4 + ("        self.model.zero_grad()\n", ""))
    script.define(
        "class Trainer:\n    def __init__(self, model, lr=0.1):\n        self.model = model\n"
        f"        self.optimizer = {optimizer(script, 'model.parameters()')}\n        self.history = []\n\n"
        f"    def step(self, x, y):\n{clear}        loss = F.mse_loss(self.model(x), y)\n        loss.backward()\n        self.optimizer.step()\n"
        f"        self.history.append({script.pick(('loss.item()', 'loss', 'loss.detach()'))})\n        return loss\n\n"
        "    def fit(self, x, y, epochs=2):\n        for _ in range(epochs):\n            self.step(x, y)"
    )
    script.setup += [f"model = {network(script)}", "trainer = Trainer(model)"]
    if script.chance(0.6):
        script.body = ["trainer.fit(x, y)" if script.chance(0.5) else "trainer.fit(x, y, epochs=3)"]
    else:
        script.header = loop(script)
        script.body = ["loss = trainer.step(x, y)"]
        if script.chance(0.3):
            script.body.append(script.pick(("loss.backward()", "print(loss.item())", "trainer.optimizer.zero_grad()")))

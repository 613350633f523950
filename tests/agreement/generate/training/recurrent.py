"""Training over time: a state that is carried along, cut off or not."""

from __future__ import annotations

from tests.agreement.generate.training.parts import clearing, loop, optimizer
from tests.agreement.generate.training.script import Script

_CARRIES = (
    ("detached", 4),
    ("plain", 3),
    ("retained", 1),
    ("cut in place", 1),
    ("data", 1),
    ("new", 2),
    ("zeroed", 0.7),
    ("no_grad copy", 0.7),
)


def cell(script: Script) -> None:
    """A cell stepped through time, a backward at each step."""
    form = script.pick(("RNNCell", "GRUCell", "LSTMCell", "by hand", "RNNCell"))
    script.setup += ["inputs = torch.randn(4, 2, 3)", "targets = torch.randn(4, 2, 3)"]
    if form == "by hand":
        script.setup += [
            "w = nn.Parameter(torch.randn(3, 3) * 0.1)",
            "u = nn.Parameter(torch.eye(3))",
            f"optimizer = {optimizer(script, '[w, u]')}",
        ]
        advance = script.pick(("h = torch.tanh(x @ u + h @ w)", "h = (x @ u + h @ w).sigmoid()", "h = h * 0.9 + x @ u"))
    else:
        script.setup += [f"cell = nn.{form}(3, 3)", f"optimizer = {optimizer(script, 'cell.parameters()')}"]
        advance = "h, c = cell(x, (h, c))" if form == "LSTMCell" else "h = cell(x, h)"
    start = "h, c = torch.zeros(2, 3), torch.zeros(2, 3)" if form == "LSTMCell" else "h = torch.zeros(2, 3)"
    states = ("h", "c") if form == "LSTMCell" else ("h",)
    script.setup.append(start)
    script.header = script.pick(("for x, y in zip(inputs, targets):", "for t in range(4):"))
    reads = ["x, y = inputs[t], targets[t]"] if "range" in script.header else []
    carry = script.pick_weighted(_CARRIES)
    clear = clearing(script, ("optimizer",), ("cell",) if form != "by hand" else ("optimizer",))
    loss = script.pick(("loss = F.mse_loss(h, y)", "loss = ((h - y) ** 2).mean()", "loss = (h - y).abs().sum()"))
    backward = "loss.backward(retain_graph=True)" if carry == "retained" else "loss.backward()"
    body = [*reads, advance, loss, *([clear] if clear else []), backward, "optimizer.step()"]
    cuts = {
        "detached": [f"{name} = {name}.detach()" for name in states],
        "cut in place": [f"{name}.detach_()" for name in states],
        "data": [f"{name} = {name}.data" for name in states],
        "zeroed": [f"{name}.zero_()" for name in states],
        "no_grad copy": ["with torch.no_grad():", *[f"    {name} = {name}.clone()" for name in states]],
    }
    cut = ["\n".join(cuts[carry])] if carry in cuts else []
    if carry == "new":
        body.insert(0, start)
    script.body = [*cut, *body] if script.chance(0.5) else [*body, *cut]


def sequence(script: Script) -> None:
    """A whole sequence to a backward: losses summed over time, or the last state judged."""
    layer = script.pick(("RNN", "GRU", "LSTM"))
    script.setup += [
        f"rnn = nn.{layer}(3, 3, batch_first=True)",
        "head = nn.Linear(3, 1)",
        f"optimizer = {optimizer(script, '[*rnn.parameters(), *head.parameters()]')}",
        "x, y = torch.randn(2, 5, 3), torch.randn(2, 1)",
    ]
    carried = script.chance(0.4)
    if carried:
        script.setup.append("state = None")
    script.header = loop(script)
    clear = clearing(script, ("optimizer",), ("rnn", "head"))
    forward = [
        "out, state = rnn(x, state)" if carried else "out, state = rnn(x)",
        "loss = F.mse_loss(head(out[:, -1]), y)",
    ]
    cut = []
    if carried and script.chance(0.55):
        cut = ["state = tuple(part.detach() for part in state)" if layer == "LSTM" else "state = state.detach()"]
    script.body = [*forward, *([clear] if clear else []), "loss.backward()", "optimizer.step()", *cut]


def unrolled(script: Script) -> None:
    """An inner loop through time, one backward an epoch."""
    script.setup += [
        "inputs, targets = torch.randn(4, 2, 3), torch.randn(4, 2, 3)",
        f"cell = nn.{script.pick(('RNNCell', 'GRUCell'))}(3, 3)",
        f"optimizer = {optimizer(script, 'cell.parameters()')}",
    ]
    start = "h = torch.zeros(2, 3)"
    outside = script.chance(0.3)
    script.setup += [start] if outside else []
    script.header = loop(script)
    total = script.pick(
        (
            "loss = loss + F.mse_loss(h, targets[t])",
            "loss += F.mse_loss(h, targets[t])",
            "losses.append(F.mse_loss(h, targets[t]))",
        )
    )
    first = "losses = []" if "losses" in total else script.pick(("loss = 0", "loss = torch.zeros(())", "loss = 0.0"))
    keep = script.pick(("",) * 4 + ("\n    h *= 0.9", "\n    h = h.detach()", "\n    h = h * 0.9"))
    clear = clearing(script, ("optimizer",), ("cell",))
    script.body = [
        *([] if outside else [start]), first, f"for t in range(4):\n    h = cell(inputs[t], h){keep}\n    {total}",
        *([clear] if clear else []), "sum(losses).backward()" if "losses" in total else "loss.backward()", "optimizer.step()",
    ]  # fmt: skip
    if outside and script.chance(0.5):
        script.body.append("h = h.detach()")


def filled_buffer(script: Script) -> None:
    """States written into one tensor, step by step."""
    script.setup += [
        "x = torch.randn(4, 3)",
        "w = nn.Parameter(torch.rand(3))",
        f"optimizer = {optimizer(script, '[w]')}",
    ]
    script.header = loop(script)
    fill = script.pick(
        (
            "states[t] = torch.tanh(w * states[t - 1] + x[t])",
            "states[t] = w * states[t - 1]",
            "states[t] = states[t - 1] + x[t] * w",
            "states[t] = states[t - 1].clone() * w",
            "states[t] = 0.9 * states[t - 1] + w",
        )
    )
    clear = clearing(script, ("optimizer",), ("optimizer",))
    script.body = [
        f"states = {script.pick(('torch.zeros(4, 3)', 'torch.empty(4, 3)'))}",
        "states[0] = x[0]",
        f"for t in range(1, 4):\n    {fill}",
        "loss = states.pow(2).mean()",
        *([clear] if clear else []),
        "loss.backward()",
        "optimizer.step()",
    ]
    if script.chance(0.3):
        script.body[0:3] = [
            "states = [x[0]]",
            f"for t in range(1, 4):\n    states.append({fill.split(' = ')[1]})",
            "states = torch.stack(states)",
        ]

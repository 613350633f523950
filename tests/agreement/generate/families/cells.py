"""Recurrent cells over time: torch's or hand-written, the state in a name, tuple, list, dict or on `self`, cut or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.agreement.generate.training.parts import clearing, optimizer
from tests.agreement.generate.training.script import Script

_HAND_WRITTEN: Final = (
    """
class Cell(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.i2h = nn.Linear(size, size)
        self.h2h = nn.Linear(size, size{bias})

    def forward(self, x, h):
        return {mix}
""",
    """
class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 3) * 0.1)
        self.gate = nn.Linear(6, 3)

    def forward(self, x, h):
        z = torch.sigmoid(self.gate(torch.cat([x, h], dim=-1)))
        new = torch.tanh(x @ self.w + h)
        {blend}
""",
)
_MIXES: Final = (
    "torch.tanh(self.i2h(x) + self.h2h(h))", "torch.relu(self.i2h(x) + self.h2h(h))", "self.i2h(x) + 0.5 * h", "torch.tanh(self.i2h(x)) * torch.sigmoid(self.h2h(h))",
    "(self.i2h(x) + self.h2h(h)).tanh_()",
)  # fmt: skip
_BLENDS: Final = (
    "return (1 - z) * h + z * new", "h = h * (1 - z)\n        h += z * new\n        return h", "return torch.lerp(h, new, z)", "new *= z\n        return new + h",
)  # fmt: skip
_ON_SELF: Final = """
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.{cell}(3, 3)
        self.out = nn.Linear(3, 3)
        self.h = {start}

    def forward(self, x):
        {first}{advance}
        return self.out(self.h{part})

    def reset(self):
        {reset}
"""


@dataclass(frozen=True)
class State:
    """How a state is kept: statements that start it, advance it by `x`, and cut it; expressions for what is judged."""

    start: str
    advance: str
    cuts: tuple[str, ...]
    seen: str
    zeroes: tuple[str, ...] = ()


_ONE: Final = (
    "{h} = {h}.detach()", "{h} = {h}.detach()", "{h} = {h}.data", "{h} = {h}.clone()", "{h} = {h}.detach().clone()", "{h} = {h} * 0.9",
    "{h} = torch.zeros_like({h})", "with torch.no_grad():\n    {h} = {h}.clone()", "{h} = {h}.detach().requires_grad_()", "{h} = repackage({h})",
    "{h}.detach_()", "{h} = torch.autograd.Variable({h}.data)",
)  # fmt: skip
_REPACKAGE: Final = (
    "def repackage(h):\n    if isinstance(h, torch.Tensor):\n        return h.detach()\n    return tuple(repackage(v) for v in h)",
    "def repackage(h):\n    return h.detach() if torch.is_tensor(h) else [repackage(v) for v in h]",
)


def _state(script: Script, cell: str) -> State:
    """One of the ways to keep a state of this cell."""
    if cell == "LSTMCell":
        return script.pick(_lstm_states())
    zeros = script.pick(("torch.zeros(2, 3)", "x.new_zeros(2, 3)", "torch.zeros(2, 3)"))
    forms = (
        State(f"h = {zeros}", "h = cell(x, h)", tuple(c.format(h="h") for c in _ONE), "h", ("h.zero_()", "h *= 0.5", "h.fill_(0.1)")),
        State(f"states = [{zeros}]", "states.append(cell(x, states[-1]))", ("states = [states[-1].detach()]", "states[-1] = states[-1].detach()", "states[0] = states[-1].detach()", "states = [s.detach() for s in states]", "states.append(states[-1].detach())", "del states[:-1]"), "states[-1]", ("states[-1].zero_()", "states[0].zero_()")),
        State(f"hidden = [{zeros}, {zeros}]", "hidden[0] = cell(x, hidden[0])\nhidden[1] = cell(hidden[0], hidden[1])", ("hidden = [h.detach() for h in hidden]", "hidden[1] = hidden[1].detach()", "hidden = list(map(torch.detach, hidden))", "for i in range(2):\n    hidden[i] = hidden[i].detach()", "for h in hidden:\n    h.detach_()", "for h in hidden:\n    h = h.detach()", "hidden = repackage(hidden)"), "hidden[1]"),
        State(f"memory = {{'h': {zeros}}}", "memory['h'] = cell(x, memory['h'])", ("memory['h'] = memory['h'].detach()", "memory = {key: value.detach() for key, value in memory.items()}", "for key in memory:\n    memory[key] = memory[key].detach()", "memory = dict(memory)"), "memory['h']"),
    )  # fmt: skip
    return script.pick((forms[0], *forms))


def _lstm_states() -> tuple[State, ...]:
    both = "h = h.detach()\nc = c.detach()"
    return (
        State("h, c = torch.zeros(2, 3), torch.zeros(2, 3)", "h, c = cell(x, (h, c))", (both, both, "h, c = h.detach(), c.detach()", "h = h.detach()", "c = c.detach()", "h, c = (s.detach() for s in (h, c))", "h, c = repackage((h, c))", "h.detach_()\nc.detach_()", "h, c = h.data, c.data", "h, c = h.clone(), c.clone()"), "h", ("c.zero_()", "h *= 0.9")),
        State("state = (torch.zeros(2, 3), torch.zeros(2, 3))", "state = cell(x, state)", ("state = tuple(s.detach() for s in state)", "state = (state[0].detach(), state[1].detach())", "state = (state[0].detach(), state[1])", "state = repackage(state)", "state = [s.detach() for s in state]", "state = tuple(map(lambda s: s.detach(), state))", "state = tuple(state)", "for s in state:\n    s.detach_()"), "state[0]", ("state[1].zero_()",)),
        State("state = None", "state = cell(x, state)", ("state = tuple(s.detach() for s in state)", "state = None", "state = (state[0].detach(), state[1].detach())", "state = tuple(s.data for s in state)"), "state[0]"),
    )  # fmt: skip


def stepped(script: Script) -> None:
    """A cell stepped by hand; a backward each step, every few steps, or after the sequence."""
    cell = script.pick(("RNNCell", "GRUCell", "LSTMCell", "Cell", "LSTMCell", "GRUCell"))
    state = _state(script, cell)
    if cell == "Cell":
        _define_cell(script)
    script.setup += [
        "inputs, targets = torch.randn(4, 2, 3), torch.randn(4, 2, 3)",
        f"cell = {'Cell()' if cell == 'Cell' else f'nn.{cell}(3, 3)'}",
    ]
    parameters, seen = "cell.parameters()", state.seen
    if script.chance(0.4):
        script.setup.append("head = nn.Linear(3, 3)")
        parameters, seen = "[*cell.parameters(), *head.parameters()]", f"head({state.seen})"
    script.setup.append(f"optimizer = {optimizer(script, parameters)}")
    if "x." in state.start:
        script.setup.append("x = inputs[0]")
    loss = script.pick(
        ("F.mse_loss({s}, y)", "(({s} - y) ** 2).mean()", "({s} - y).abs().sum()", "({s} * y).sum()")
    ).format(s=seen)
    cut = script.pick(state.cuts) if script.chance(0.75) else ""
    if "repackage" in cut:
        script.define(script.pick(_REPACKAGE) if "Cell" in cell else _REPACKAGE[0])
    wipe = script.pick(state.zeroes) if state.zeroes and script.chance(0.12) else ""
    clear = clearing(script, ("optimizer",), ("cell",))
    script.pick_weighted(((_every_step, 4), (_every_few, 3), (_each_sequence, 3)))(
        script, state, loss, cut, wipe, clear
    )


def _define_cell(script: Script) -> None:
    text = script.pick(_HAND_WRITTEN)
    script.define(
        text.format(bias=script.pick(("", ", bias=False")), mix=script.pick(_MIXES), blend=script.pick(_BLENDS)).strip(
            "\n"
        )
    )


def _advance(state: State) -> list[str]:
    return state.advance.split("\n")


def _every_step(script: Script, state: State, loss: str, cut: str, wipe: str, clear: str) -> None:
    script.setup.append(state.start)
    script.header = "for x, y in zip(inputs, targets):"
    backward = script.pick_weighted((("loss.backward()", 9), ("loss.backward(retain_graph=True)", 1)))
    body = [*_advance(state), f"loss = {loss}", *([clear] if clear else []), backward, "optimizer.step()"]
    if wipe:
        body.insert(script.rng.randrange(len(body) + 1), wipe)
    cuts = [cut] if cut else []
    script.body = [*cuts, *body] if script.chance(0.5) and "None" not in state.start else [*body, *cuts]


def _every_few(script: Script, state: State, loss: str, cut: str, wipe: str, clear: str) -> None:
    """Truncated backpropagation."""
    script.setup += [state.start, script.pick(("total = 0", "total = 0.0", "total = torch.zeros(())"))]
    if clear and script.chance(0.5):
        script.setup.append("optimizer.zero_grad()")
    script.header = "for t, (x, y) in enumerate(zip(inputs, targets)):"
    add = script.pick((f"total = total + {loss}", f"total += {loss}"))
    again = script.pick(("total = 0", "total = 0", "total = 0.0", "total = total.detach() * 0", ""))
    inner = [clear, "total.backward()", "optimizer.step()", *cut.split("\0"), again]
    if script.chance(0.25):
        inner = ["total.backward()", "optimizer.step()", clear, again, cut]
    body = "\n".join(line for line in inner if line).replace("\n", "\n    ")
    script.body = [*_advance(state), add, *([wipe] if wipe else []), f"if (t + 1) % 2 == 0:\n    {body}"]


def _each_sequence(script: Script, state: State, loss: str, cut: str, wipe: str, clear: str) -> None:
    """An inner loop through time, one backward an epoch."""
    outside = script.chance(0.4)
    if outside:
        script.setup.append(state.start)
    script.header = f"for epoch in range({script.rng.randint(2, 3)}):"
    form = script.pick(("total = total + {l}", "total += {l}", "losses.append({l})", "outputs.append({s})"))
    first = {"l": "losses = []", "o": "outputs = []"}.get(form[0], "total = 0")
    inner = [*_advance(state), form.format(l=loss, s=state.seen)]
    if cut and script.chance(0.2) and "None" not in state.start:
        inner.insert(script.pick((0, len(inner))), cut)
        cut = ""
    if wipe:
        inner.append(wipe)
    last = {"l": "{}(losses)", "o": "F.mse_loss(torch.stack(outputs), targets)"}.get(form[0], "total")
    final = last.format(script.pick(("sum", "torch.stack"))) if "{}" in last else last
    final = f"{final}.mean()" if "stack(losses" in final else final
    nested = "\n".join(inner).replace("\n", "\n    ")
    cuts = [cut] if cut and outside else []
    body = [*([] if outside else [state.start]), first, f"for x, y in zip(inputs, targets):\n    {nested}"]
    end = [*([clear] if clear else []), f"loss = {final}", "loss.backward()", "optimizer.step()"]
    script.body = [*body, *end, *cuts] if script.chance(0.6) or "None" in state.start else [*cuts, *body, *end]


def on_self(script: Script) -> None:
    """A module that keeps its state between calls."""
    cell = script.pick(("GRUCell", "RNNCell", "LSTMCell"))
    lstm = cell == "LSTMCell"
    zeros = "(torch.zeros(2, 3), torch.zeros(2, 3))" if lstm else "torch.zeros(2, 3)"
    start = script.pick((zeros, "None"))
    detached = "self.h = tuple(s.detach() for s in self.h)" if lstm else "self.h = self.h.detach()"
    first = f"if self.h is None:\n            self.h = {zeros}\n        " if start == "None" else ""
    inside = script.pick(("", "", f"{detached}\n        "))
    advance = script.pick(
        ("self.h = self.cell(x, self.h)",) * 2
        + (
            ("h, c = self.cell(x, self.h)\n        self.h = (h, c)",)
            if lstm
            else ("h = self.cell(x, self.h)\n        self.h = h",)
        )
    )
    reset = script.pick(
        (
            detached,
            f"self.h = {zeros}",
            "self.h = None" if start == "None" else f"self.h = {zeros}",
            "with torch.no_grad():\n            "
            + ("for s in self.h:\n                s.zero_()" if lstm else "self.h.zero_()"),
            "pass",
        )
    )
    script.define(
        _ON_SELF.format(
            cell=cell, start=start, first=first + inside, advance=advance, part="[0]" if lstm else "", reset=reset
        ).strip("\n")
    )
    script.setup += [
        "inputs, targets = torch.randn(4, 2, 3), torch.randn(4, 2, 3)",
        "model = Memory()",
        f"optimizer = {optimizer(script, 'model.parameters()')}",
    ]
    clear = clearing(script)
    loss = script.pick(("loss = F.mse_loss(model(x), y)", "loss = (model(x) - y).pow(2).mean()"))
    clears = [clear] if clear else []
    if script.chance(0.6):
        script.header = "for x, y in zip(inputs, targets):"
        script.body = [loss, *clears, "loss.backward()", "optimizer.step()"]
    else:
        script.header = "for epoch in range(2):"
        script.body = [
            "losses = []",
            "for x, y in zip(inputs, targets):\n    losses.append(F.mse_loss(model(x), y))",
            *clears,
            "sum(losses).backward()",
            "optimizer.step()",
        ]
    if script.chance(0.6):
        reset_call = script.pick(
            (
                "model.reset()",
                "model.reset()",
                "model.h = None" if start == "None" else "model.reset()",
                detached.replace("self.", "model."),
            )
        )
        script.body.insert(script.pick((0, len(script.body))) if start != "None" else len(script.body), reset_call)


def layered(script: Script) -> None:
    """`nn.LSTM` and the like over chunks of a long sequence, the state handed on."""
    layer = script.pick(("RNN", "GRU", "LSTM", "LSTM"))
    lstm = layer == "LSTM"
    script.setup += [
        f"rnn, head = nn.{layer}(3, 3), nn.Linear(3, 3)",
        f"optimizer = {optimizer(script, '[*rnn.parameters(), *head.parameters()]')}",
        "inputs, targets = torch.randn(6, 2, 3), torch.randn(6, 2, 3)",
    ]
    zeros = "(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))" if lstm else "torch.zeros(1, 2, 3)"
    script.setup.append(f"hidden = {script.pick((zeros, 'None'))}")
    script.header = script.pick(
        ("for x, y in zip(inputs.split(2), targets.split(2)):", "for x, y in zip(inputs.chunk(3), targets.chunk(3)):")
    )
    cuts = ("hidden = tuple(h.detach() for h in hidden)", "hidden = repackage(hidden)", "hidden = (hidden[0].detach(), hidden[1].detach())", "hidden[0].detach_()\nhidden[1].detach_()", "hidden = (hidden[0], hidden[1].detach())") if lstm else ("hidden = hidden.detach()", "hidden = hidden.data", "hidden.detach_()", "hidden = repackage(hidden)", "hidden = hidden[:, :1].expand(-1, 2, -1)")  # fmt: skip
    cut = script.pick((*cuts, ""))
    if "repackage" in cut:
        script.define(_REPACKAGE[0])
    elif cut and script.chance(0.2):
        cut = f"if hidden is not None:\n    {cut}".replace("\nhidden[1]", "\n    hidden[1]")
    clear = clearing(script, ("optimizer",), ("rnn", "head"))
    body = [
        "out, hidden = rnn(x, hidden)",
        "loss = F.mse_loss(head(out), y)",
        *([clear] if clear else []),
        "loss.backward()",
        "optimizer.step()",
    ]
    early = ("None" not in script.setup[-1] or "is not None" in cut) and script.chance(0.5)
    script.body = [*([cut] if cut else []), *body] if early else [*body, *([cut] if cut else [])]


CELLS: Final = ((stepped, 6.0), (on_self, 2.5), (layered, 2.0))

"""Lists, dicts and running totals of losses: which of them reach a backward, and what is only kept to be looked at."""

from __future__ import annotations

from typing import Final

from tests.agreement.generate.training.parts import IN, clearing, loop, network, optimizer
from tests.agreement.generate.training.script import Script

_TERMS: Final = (
    "F.mse_loss({h}(f), y)", "F.l1_loss({h}(f), y)", "{h}(f).pow(2).mean()", "(({h}(f) - y) ** 2).sum()", "F.smooth_l1_loss({h}(torch.tanh(f)), y)",
    "({h}(f) * y).mean()",
)  # fmt: skip
_METER: Final = (
    "class Meter:\n    def __init__(self):\n        self.sum, self.count = 0.0, 0\n\n    def update(self, value, n=1):\n        self.sum += value * n\n        self.count += n\n\n    @property\n    def mean(self):\n        return self.sum / self.count",
    "class Meter:\n    def __init__(self):\n        self.values = []\n\n    def update(self, value):\n        self.values.append(value)\n\n    @property\n    def mean(self):\n        return sum(self.values) / len(self.values)",
)
_LOGS: Final = (
    ("history = []", "history.append({v})"), ("history = {{'loss': []}}", "history['loss'].append({v})"), ("running = 0.0", "running += {v}"), ("running = 0.0", "running = running + {v}"),
    ("best = None", "if best is None or {v} < best:\n    best = {v}"), ("meter = Meter()", "meter.update({v})"), ("running = 0.0", "running = 0.9 * running + 0.1 * {v}"),
    ("seen = set()", "seen.add({v})"), ("logs = {{}}", "logs[{i}] = {v}"), ("history = []", "history += [{v}]"), ("from_start = []", "from_start.extend([{v}])"),
)  # fmt: skip
_VALUES: Final = (
    "{l}.item()",
    "{l}.detach()",
    "{l}",
    "float({l})",
    "{l}.data",
    "{l}.detach().clone()",
    "{l}.clone()",
    "{l}.mean()",
)


def several_terms(script: Script) -> None:
    """One trunk and several heads; a term for each, kept together and brought to a backward."""
    count = script.rng.randint(2, 3)
    names = ("a", "b", "c")[:count]
    script.setup += [
        f"x, y = torch.randn(8, {IN}), torch.randn(8, 1)",
        f"trunk = {network(script, outputs=3, name='Trunk')}",
    ]
    if script.chance(0.5):
        script.setup.append(f"heads = nn.ModuleList([nn.Linear(3, 1) for _ in range({count})])")
        each, heads = "for head in heads", tuple(f"heads[{n}]" for n in range(count))
    else:
        items = ", ".join(f'"{name}": nn.Linear(3, 1)' for name in names)
        script.setup.append(f"heads = nn.ModuleDict({{{items}}})")
        each, heads = "for head in heads.values()", tuple(f'heads["{name}"]' for name in names)
    script.setup.append(f"optimizer = {optimizer(script, '[*trunk.parameters(), *heads.parameters()]')}")
    script.header = loop(script)
    collected = _collected(script, each, heads, names)
    clear = clearing(script, ("optimizer",), ("trunk", "heads"))
    features = script.pick(("f = trunk(x)", "f = trunk(x)", "f = torch.relu(trunk(x))", "f = trunk(x).exp()"))
    outside = script.chance(0.1)
    start = collected.pop(0) if collected[0].endswith(("= []", "= {}")) else ""
    if outside and start:
        script.setup.append(start)
    first = [] if outside or not start else [start]
    script.body = [
        features,
        *first,
        *collected,
        *([clear] if clear else []),
        *_backward(script, names, collected),
        "optimizer.step()",
    ]
    _log(script, "losses" in script.body[-2] or "losses" in "".join(collected))
    if script.chance(0.12):
        script.body.insert(
            script.rng.randrange(1, len(script.body)),
            script.pick(("f.mul_(0.5)", "f += 1", "f[0] = 0.0", "f = f.detach()", "f.relu_()")),
        )


def _collected(script: Script, each: str, heads: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """Statements that make `losses`, a list or a dict, or `total`."""
    term = script.pick(_TERMS)
    detached = script.pick(("",) * 8 + (".detach()", ".item()"))
    one = term.format(h="head") + detached
    form = script.rng.random()
    if form < 0.25:
        return [f"losses = [{one} {each}]"]
    if form < 0.45:
        return ["losses = []", f"{each}:\n    losses.append({one})"]
    if form < 0.6:
        items = ", ".join(f'"{n}": {script.pick(_TERMS).format(h=h)}' for n, h in zip(names, heads, strict=True))
        return [f"losses = {{{items}}}"]
    if form < 0.75:
        return [
            "losses = {}",
            *(f'losses["{n}"] = {script.pick(_TERMS).format(h=h)}' for n, h in zip(names, heads, strict=True)),
        ]
    if form < 0.85 and "values" not in each:
        return ["losses = {}", f"for i, head in enumerate(heads):\n    losses[i] = {one}"]
    begin = script.pick(("total = 0", "total = 0.0", "total = torch.zeros(())", "total = torch.tensor(0.0)"))
    add = script.pick(
        (f"total += {one}", f"total = total + {one}", f"total = {one} + total", f"loss = {one}\n    total += loss")
    )
    return [begin, f"{each}:\n    {add}"]


def _backward(script: Script, names: tuple[str, ...], collected: list[str]) -> list[str]:
    text = "\n".join(collected)
    if "losses" not in text:
        return [
            script.pick(
                (
                    "total.backward()",
                    "(total / 2).backward()",
                    "total /= 2\ntotal.backward()",
                    "total.mean().backward()",
                    "total.backward(retain_graph=True)",
                )
            )
        ]
    is_dict = "losses = {" in text or "losses[" in text
    values = "losses.values()" if is_dict else "losses"
    forms = [
        (f"loss = sum({values})\nloss.backward()", 5.0), (f"loss = torch.stack(list({values})).sum()\nloss.backward()", 2), (f"loss = torch.stack([*{values}]).mean()\nloss.backward()", 1),
        (f"sum(l for l in {values}).backward()", 2), (f"for loss in {values}:\n    loss.backward()", 1.5), (f"for loss in {values}:\n    loss.backward(retain_graph=True)", 1.5),
        (f"total = 0\nfor loss in {values}:\n    total += loss\ntotal.backward()", 2), (f"total = 0\nfor loss in {values}:\n    total = total + 0.5 * loss\n    total.backward()", 0.7),
        (f"torch.autograd.backward(list({values}))", 1.5), (f"loss = torch.tensor([*{values}]).sum()\nloss.backward()", 0.5), (f"loss = max({values})\nloss.backward()", 0.7),
        (f"loss = reduce(lambda a, b: a + b, {values})\nloss.backward()", 1), (f"loss = sum(w * l for w, l in zip((1.0, 0.5, 0.1), {values}))\nloss.backward()", 1.5),
        (f"first, *rest = {values}\nloss = first + sum(rest)\nloss.backward()", 1), (f"first, *rest = {values}\nfirst.backward()\nsum(rest).backward()", 1), (f"loss = torch.stack(tuple({values}))\nloss.backward()", 0.4),
        (f"loss = sum({values}) / len({values})\nloss.backward()", 1.5), (f"loss = torch.stack(tuple({values})).sum().item()\nsum({values}).backward()", 1),
    ]  # fmt: skip
    if is_dict and '"a"' in text:
        forms += [('loss = losses["a"] + losses["b"]\nloss.backward()', 2), ('losses["total"] = sum(losses.values())\nlosses["total"].backward()', 1.5),
                  ('losses["a"].backward()\nlosses["b"].backward()', 1), ('weights = {"a": 1.0, "b": 0.5, "c": 0.1}\nloss = sum(weights[k] * v for k, v in losses.items())\nloss.backward()', 1.5), ('losses["a"] += losses["b"]\nlosses["a"].backward()', 1)]  # fmt: skip
    elif not is_dict:
        forms += [("loss = losses[0]\nfor other in losses[1:]:\n    loss = loss + other\nloss.backward()", 1.5), ("loss = losses[0]\nfor other in losses[1:]:\n    loss += other\nloss.backward()", 1.5),
                  ("losses[-1].backward()", 1), ("losses[0].backward()\nlosses[1].backward()", 1), ("while losses:\n    losses.pop().backward()", 0.7)]  # fmt: skip
    chosen = script.pick_weighted(forms)
    if "reduce" in chosen:
        script.imports.append("from functools import reduce")
    return _statements(chosen)


def _statements(text: str) -> list[str]:
    """Top-level statements of a text."""
    found: list[str] = []
    for line in text.split("\n"):
        if line.startswith(" "):
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found


def _log(script: Script, listed: bool) -> None:
    """Something kept from every round."""
    if not script.chance(0.5):
        return
    start, keep = script.pick(_LOGS)
    text = "\n".join(script.body)
    what = "total" if "total" in text and "total" in script.body[-2] else "loss"
    if f"{what} =" not in text and f"{what} in" not in text and f"{what} +=" not in text:
        return
    names = script.header.split()
    keep = keep.format(v=script.pick(_VALUES).format(l=what), i=names[1])
    script.setup.append(start.format())
    if "Meter" in start:
        script.define(script.pick(_METER))
    place = script.pick((len(script.body), len(script.body), len(script.body) - 1))
    script.body.insert(place, keep)
    if script.chance(0.2):
        name = start.split()[0]
        script.body.append(
            script.pick(
                (
                    f"sum({name}).backward()",
                    f"print({name})",
                    f"torch.stack({name}).mean().backward()",
                    f"({name} + {what}).backward()",
                )
            )
        )


def over_rounds(script: Script) -> None:
    """Losses of several rounds or batches, gathered before they come to a backward; or never."""
    script.setup += [
        f"x, y = torch.randn(8, {IN}), torch.randn(8, 1)",
        f"model = {network(script)}",
        f"optimizer = {optimizer(script, 'model.parameters()')}",
        script.pick(("losses = []", "total = 0", "total = 0.0", "total = torch.zeros(1)", "totals = {'train': 0.0}")),
    ]
    name = script.setup[-1].split()[0]
    script.header = loop(script)
    add = {
        "losses": (
            "losses.append(loss)",
            "losses += [loss]",
            "losses.append(loss.detach())",
            "losses.append(loss.item())",
            "losses = [*losses, loss]",
        )
    }.get(
        name,
        (
            "total += loss",
            "total = total + loss",
            "total += loss.item()",
            "total += loss.detach()",
            "total = total + loss.detach()",
        )
        if name == "total"
        else (
            "totals['train'] += loss",
            "totals['train'] += loss.item()",
            "totals['train'] = totals['train'] + loss.detach()",
        ),
    )
    value = {"losses": script.pick(("sum(losses)", "torch.stack(losses).mean()", "losses[-1]", "losses[0]"))}.get(
        name, "total" if name == "total" else "totals['train']"
    )
    root = script.pick(("loss", "loss", f"{value}", value))
    if name == "total" and "zeros(1)" in script.setup[-1] and script.chance(0.5):
        root = "total.sum()"
    again = script.pick(
        (
            "",
            "",
            {"losses": script.pick(("losses.clear()", "losses = []", "losses = losses[-1:]", "del losses[:]"))}.get(
                name, "total = 0" if name == "total" else "totals['train'] = 0"
            ),
        )
    )
    clear = clearing(script)
    backward = script.pick((f"{root}.backward()",) * 4 + (f"{root}.backward(retain_graph=True)",))
    ends = [*([clear] if clear else []), backward, "optimizer.step()", *([again] if again else [])]
    form = script.rng.random()
    forward = [
        script.pick(
            (
                "loss = F.mse_loss(model(x), y)",
                "prediction = model(x)\nloss = (prediction - y).pow(2).mean()",
                "loss = F.l1_loss(model(x), y)",
            )
        ),
        script.pick(add),
    ]
    if form < 0.5:
        script.body = [*forward, *ends] if script.chance(0.7) else [forward[0], *ends[:-1], forward[1], ends[-1]]
    elif form < 0.75:
        nested = (
            "\n".join(forward)
            .replace("\n", "\n    ")
            .replace("model(x)", "model(xb)")
            .replace(", y)", ", yb)")
            .replace("- y)", "- yb)")
        )
        script.body = [f"for xb, yb in zip(x.split(4), y.split(4)):\n    {nested}", *ends]
    else:
        script.body = forward
        script.after = ends[:-1] if again else ends


LOSSES: Final = ((several_terms, 6.0), (over_rounds, 4.0))

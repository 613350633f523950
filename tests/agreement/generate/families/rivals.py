"""Two networks with two optimizers: in many orders, with and without detach, soft updates, frozen parameters, targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.agreement.generate.families.fleet import Fleet, fleet
from tests.agreement.generate.training.parts import IN, loop, network
from tests.agreement.generate.training.script import Script

_THEMES: Final = (("generator", "discriminator"), ("actor", "critic"), ("encoder", "probe"), ("policy", "value"))

_SOFT: Final = (
    "{t}.load_state_dict({s}.state_dict())",
    "with torch.no_grad():\n    for slow, fast in zip({t}.parameters(), {s}.parameters()):\n        slow.mul_(0.9).add_(fast, alpha=0.1)",
    "for slow, fast in zip({t}.parameters(), {s}.parameters()):\n    slow.data.copy_(0.9 * slow.data + 0.1 * fast.data)",
    "for slow, fast in zip({t}.parameters(), {s}.parameters()):\n    slow.data = 0.9 * slow.data + 0.1 * fast.data",
    "with torch.no_grad():\n    for key, value in {s}.state_dict().items():\n        {t}.state_dict()[key].copy_(value)",
    "soft_update({t}, {s}, 0.1)",
    "{t}.load_state_dict({{key: 0.5 * value for key, value in {s}.state_dict().items()}})",
    "with torch.no_grad():\n    for slow, fast in zip({t}.parameters(), {s}.parameters()):\n        slow.lerp_(fast, 0.1)",
)  # fmt: skip
_SOFT_UPDATE: Final = (
    "def soft_update(target, source, tau):\n    for slow, fast in zip(target.parameters(), source.parameters()):\n        slow.data.copy_(tau * fast.data + (1.0 - tau) * slow.data)",
    "@torch.no_grad()\ndef soft_update(target, source, tau):\n    for slow, fast in zip(target.parameters(), source.parameters()):\n        slow.mul_(1 - tau)\n        slow.add_(tau * fast)",
    "def soft_update(target, source, tau):\n    with torch.no_grad():\n        for slow, fast in zip(target.parameters(), source.parameters()):\n            slow.copy_(slow * (1 - tau) + fast * tau)",
)  # fmt: skip
_FREEZE: Final = (
    "for p in {m}.parameters():\n    p.requires_grad = {f}",
    "for p in {m}.parameters():\n    p.requires_grad_({f})",
    "{m}.requires_grad_({f})",
    "set_requires_grad({m}, {f})",
)
_SET_REQUIRES_GRAD: Final = (
    "def set_requires_grad(model, flag):\n    for p in model.parameters():\n        p.requires_grad = flag"
)
_WRITES: Final = (
    "with torch.no_grad():\n    for p in {m}.parameters():\n        p.clamp_(-0.1, 0.1)",
    "for p in {m}.parameters():\n    p.data.clamp_(-0.1, 0.1)",
    "{m}.apply(reset)",
    "nn.utils.vector_to_parameters(nn.utils.parameters_to_vector({m}.parameters()) * 0.9, {m}.parameters())",
    "with torch.no_grad():\n    list({m}.parameters())[0].mul_(0.99)",
)  # fmt: skip
_RESET: Final = "def reset(layer):\n    if isinstance(layer, nn.Linear):\n        nn.init.zeros_(layer.bias)"


def two_networks(script: Script) -> None:
    """One network feeds the other; each has a loss, and an optimizer."""
    first, second = script.pick(_THEMES)
    script.setup += [
        f"{first} = {network(script, outputs=IN, name=first.title())}",
        f"{second} = {network(script, inputs=IN, outputs=1, name=second.title())}",
    ]
    held = fleet(script, first, second)
    script.setup += [f"x = torch.randn(8, {IN})", f"real = torch.randn(8, {IN})"]
    script.header = loop(script)
    made, loss_of_second, loss_of_first = _forward(script, first, second)
    seconds = _turn(script, held, 1, "loss_second")
    firsts = _turn(script, held, 0, "loss_first")
    script.body = [*made, *_ordered(script, held, (loss_of_second, seconds), (loss_of_first, firsts))]
    _freeze(script, second, first)
    _write_between(script, first, second)


def _forward(script: Script, first: str, second: str) -> tuple[list[str], str, str]:
    made = script.pick_weighted(
        (
            (f"fake = {first}(x)", 8), (f"fake = torch.tanh({first}(x))", 2), (f"fake = {first}(x).detach()", 0.5),
            (f"with torch.no_grad():\n    fake = {first}(x)", 0.5), (f"fake = {first}(torch.randn(8, {IN}))", 2),
            (f"fake = x + {first}(x)", 1), (f"fake = {first}(x)\nfake *= 2", 0.5),
        )
    )  # fmt: skip
    given = script.pick_weighted(
        (("fake.detach()", 5), ("fake", 3), (f"{first}(x).detach()", 1), (f"{first}(x)", 1), ("fake.data", 0.5))
    )
    seconds = (
        f"loss_second = {second}({given}).mean() - {second}(real).mean()", f"loss_second = F.mse_loss({second}({given}), torch.zeros(8, 1))",
        f"loss_second = F.softplus({second}({given})).mean() + F.softplus(-{second}(real)).mean()", f"loss_second = ({second}({given}) - 1).pow(2).mean()",
        f"loss_second = F.relu(1 + {second}({given})).mean()",
    )  # fmt: skip
    firsts = (
        f"loss_first = -{second}(fake).mean()", f"loss_first = F.softplus(-{second}(fake)).mean()", f"loss_first = F.mse_loss(fake, x) - {second}(fake).mean()",
        f"score = {second}(fake)\nloss_first = (score - 1).pow(2).mean()", f"loss_first = -({second}(fake).detach() * fake.mean(1, keepdim=True)).mean()",
        "loss_first = F.l1_loss(fake, real)", f"loss_first = -{second}({first}(x)).mean()",
    )  # fmt: skip
    return made.split("\n") if "with" not in made else [made], script.pick(seconds), script.pick(firsts)


def _turn(script: Script, held: Fleet, number: int, loss: str) -> list[str]:
    """Clear, backward, step of one."""
    retain = script.pick(("", "", "", "", "retain_graph=True"))
    turn = [*held.clear(number), f"{loss}.backward({retain})", held.step(number)]
    if script.chance(0.1):
        script.define(
            "def optimize(optimizer, loss):\n    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()"
        )
        return [f"optimize({held.each[number]}, {loss})"]
    if script.chance(0.08):
        turn.insert(-1, f"nn.utils.clip_grad_norm_({held.models[number]}.parameters(), 1.0)")
    return turn


def _ordered(script: Script, held: Fleet, one: tuple[str, list[str]], other: tuple[str, list[str]]) -> list[str]:
    """The two turns: one after the other, both losses first, or both backward passes first."""
    (loss, turn), (loss2, turn2) = (one, other) if script.chance(0.65) else (other, one)
    form = script.rng.random()
    if form < 0.5:
        return [*loss.split("\n"), *turn, *loss2.split("\n"), *turn2]
    both = [*loss.split("\n"), *loss2.split("\n")]
    if form < 0.72:
        return [*both, *turn, *turn2]
    name, name2 = ("loss_second", "loss_first") if (loss, turn) == one else ("loss_first", "loss_second")
    if form < 0.86:
        retain = script.pick(("", "retain_graph=True", "retain_graph=True"))
        return [*both, *held.clear_all(), f"{name}.backward({retain})", f"{name2}.backward()", *held.step_all()]
    joint = script.pick(
        (
            f"({name} + {name2}).backward()",
            f"torch.autograd.backward([{name}, {name2}])",
            f"sum([{name}, {name2}]).backward()",
        )
    )
    return [*both, *held.clear_all(), joint, *held.step_all()]


def _freeze(script: Script, model: str, other: str) -> None:
    """Parameters that ask for no gradient: from the start, or for a while in each round."""
    if not script.chance(0.22):
        return
    form = script.pick(_FREEZE)
    if "set_requires_grad" in form:
        script.define(_SET_REQUIRES_GRAD)
    if script.chance(0.35):
        script.setup.append(form.format(m=script.pick((model, model, other)), f=False))
        return
    start = script.rng.randrange(len(script.body))
    script.body.insert(start, form.format(m=model, f=False))
    if script.chance(0.8):
        script.body.insert(script.rng.randrange(start + 1, len(script.body) + 1), form.format(m=model, f=True))


def _write_between(script: Script, first: str, second: str) -> None:
    """A copy that follows slowly, or parameters written by hand, somewhere in the round."""
    if not script.chance(0.35):
        return
    if script.chance(0.4):
        write = script.pick(_WRITES).format(m=script.pick((first, second)))
        if "reset" in write:
            script.define(_RESET)
    else:
        script.imports.append("import copy")
        script.setup.insert(2, f"target = copy.deepcopy({second})")
        write = script.pick(_SOFT).format(
            t=script.pick(("target", "target", "target", second)), s=script.pick((second, "target"))
        )
        if "soft_update" in write:
            script.define(script.pick(_SOFT_UPDATE))
        if script.chance(0.5):
            goal = script.pick(
                (
                    "with torch.no_grad():\n    goal = target(real)",
                    "goal = target(real).detach()",
                    "goal = target(real)",
                )
            )
            script.body.insert(0, goal)
            script.body = [line.replace(f"{second}(real)", "(goal - 0.5)") for line in script.body]
    script.body.insert(script.rng.randrange(1, len(script.body) + 1), write)


def heads(script: Script) -> None:
    """Two heads over one trunk, each with an optimizer; the trunk is trained by one of them or by both."""
    script.setup += [
        f"trunk = {network(script, outputs=3, name='Trunk')}",
        "actor, critic = nn.Linear(3, 2), nn.Linear(3, 1)",
    ]
    held = fleet(script, "actor", "critic", shared="trunk")
    script.setup += [f"states, returns = torch.randn(8, {IN}), torch.randn(8, 1)"]
    script.header = loop(script)
    features = script.pick(
        ("features = trunk(states)", "features = torch.relu(trunk(states))", "features = trunk(states).exp()")
    )
    given = script.pick(("features", "features", "features.detach()", "trunk(states)"))
    value = script.pick((f"values = critic({given})", f"values = critic(torch.tanh({given}))"))
    advantage = script.pick(("(returns - values).detach()", "(returns - values.detach())", "(returns - values)"))
    critic_loss = script.pick(
        ("critic_loss = F.mse_loss(values, returns)", "critic_loss = (returns - values).pow(2).mean()")
    )
    actor_loss = f"actor_loss = -(F.log_softmax(actor(features), -1)[:, :1] * {advantage}).mean()"
    actor, critic = _turn(script, held, 0, "actor_loss"), _turn(script, held, 1, "critic_loss")
    orders: tuple[tuple[Callable[[], list[str]], float], ...] = (
        (lambda: [features, value, critic_loss, actor_loss, *critic, *actor], 2),
        (lambda: [features, value, critic_loss, actor_loss, *actor, *critic], 2),
        (lambda: [features, value, critic_loss, *critic, actor_loss, *actor], 1.5),
        (lambda: [features, value, critic_loss, *critic, features, actor_loss, *actor], 1),
        (lambda: [features, value, critic_loss, actor_loss, *held.clear_all(), "(actor_loss + 0.5 * critic_loss).backward()", *held.step_all()], 2),
        (lambda: [features, value, critic_loss, actor_loss, *held.clear_all(), "actor_loss.backward(retain_graph=True)", "critic_loss.backward()", *held.step_all()], 2),
    )  # fmt: skip
    script.body = script.pick_weighted(orders)()


def many(script: Script) -> None:
    """Several agents in lists, each with its optimizer, and a critic that sees them all."""
    count = script.rng.randint(2, 3)
    script.setup += [
        f"agents = [{network(script, outputs=2, name='Agent')} for _ in range({count})]",
        f"critic = nn.Sequential(nn.Linear({2 * count}, 3), nn.Tanh(), nn.Linear(3, 1))",
        f"agent_opts = [{optimizer_of('agent', script)} for agent in agents]",
        f"critic_opt = {optimizer_of('critic', script)}",
        f"states = torch.randn({count}, 8, {IN})",
    ]
    script.header = loop(script)
    acts = script.pick(
        (
            "actions = [agent(s) for agent, s in zip(agents, states)]",
            "actions = []\nfor agent, s in zip(agents, states):\n    actions.append(torch.tanh(agent(s)))",
        )
    )
    joined = script.pick(("torch.cat(actions, -1)", "torch.cat([a.detach() for a in actions], -1)"))
    critic_turn = [
        f"critic_loss = (critic({joined}) - 1).pow(2).mean()",
        "critic_opt.zero_grad()",
        f"critic_loss.backward({script.pick(('', 'retain_graph=True'))})",
        "critic_opt.step()",
    ]
    again = script.pick(
        (
            "torch.cat(actions, -1)",
            "torch.cat([a if j == i else a.detach() for j, a in enumerate(actions)], -1)",
            "torch.cat([b(s) for b, s in zip(agents, states)], -1)",
        )
    )
    retain = script.pick(("", "retain_graph=True"))
    each = f"for i, opt in enumerate(agent_opts):\n    loss = -critic({again}).mean()\n    opt.zero_grad()\n    loss.backward({retain})\n    opt.step()"
    together = "loss = -critic(torch.cat(actions, -1)).mean()\nfor opt in agent_opts:\n    opt.zero_grad()\nloss.backward()\nfor opt in agent_opts:\n    opt.step()"
    agent_turn = (
        [each]
        if script.chance(0.6)
        else together.replace("\nfor", "\n\0for").replace("\nloss", "\n\0loss").split("\n\0")
    )
    turns = [critic_turn, agent_turn] if script.chance(0.6) else [agent_turn, critic_turn]
    script.body = [acts, *turns[0], *([acts] if script.chance(0.4) else []), *turns[1]]


def optimizer_of(model: str, script: Script) -> str:
    """A plain optimizer of a model."""
    return script.pick(
        (
            "torch.optim.Adam({m}.parameters())",
            "torch.optim.SGD({m}.parameters(), lr=0.1)",
            "torch.optim.AdamW({m}.parameters(), fused=True)",
        )
    ).format(m=model)


RIVALS: Final = ((two_networks, 6.0), (heads, 3.0), (many, 1.5))

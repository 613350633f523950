"""Training of several networks, or of several losses: GAN, actor and critic, heads, teachers, targets."""

from __future__ import annotations

from tests.agreement.generate.training.parts import IN, clearing, loop, network, optimizer
from tests.agreement.generate.training.script import Script


def gan(script: Script) -> None:
    """Generator and discriminator, in one of many orders."""
    script.setup += [
        f"generator = {network(script, inputs=2, outputs=IN, name='Generator')}",
        f"discriminator = {network(script, inputs=IN, outputs=1, name='Discriminator')}",
        f"optimizer_g = {optimizer(script, 'generator.parameters()')}",
        f"optimizer_d = {optimizer(script, 'discriminator.parameters()')}",
        f"real = torch.randn(8, {IN})",
    ]
    script.header = loop(script)
    fake = script.pick_weighted((("fake.detach()", 6), ("fake", 2)))
    critic = script.chance(0.25)
    d_loss = f"discriminator({fake}).mean() - discriminator(real).mean()"
    g_loss = "-discriminator(fake).mean()"
    if not critic:
        script.setup += ["ones, zeros = torch.ones(8, 1), torch.zeros(8, 1)"]
        d_loss = f"F.binary_cross_entropy_with_logits(discriminator(real), ones) + F.binary_cross_entropy_with_logits(discriminator({fake}), zeros)"
        g_loss = "F.binary_cross_entropy_with_logits(discriminator(fake), ones)"
    retain = script.pick(("", "", "retain_graph=True")) if fake == "fake" else ""
    clear_d, clear_g = (
        _clear_one(script, "optimizer_d", "discriminator"),
        _clear_one(script, "optimizer_g", "generator"),
    )
    discriminator_step = [f"d_loss = {d_loss}", *clear_d, f"d_loss.backward({retain})", "optimizer_d.step()"]
    generator_step = [f"g_loss = {g_loss}", *clear_g, "g_loss.backward()", "optimizer_g.step()"]
    head = ["noise = torch.randn(8, 2)", "fake = generator(noise)"]
    form = script.rng.random()
    if form < 0.55:
        script.body = [*head, *discriminator_step, *generator_step]
    elif form < 0.7:
        script.body = [*head, *generator_step, *discriminator_step]
    elif form < 0.8:
        script.body = [*head, discriminator_step[0], generator_step[0], *discriminator_step[1:], *generator_step[1:]]
    elif form < 0.9:
        script.body = [*head, *discriminator_step, "fake = generator(torch.randn(8, 2))", *generator_step]
    else:
        script.body = [
            *head,
            discriminator_step[0],
            generator_step[0],
            "optimizer_d.zero_grad()",
            "optimizer_g.zero_grad()",
            "d_loss.backward(retain_graph=True)",
            "g_loss.backward()",
            "optimizer_d.step()",
            "optimizer_g.step()",
        ]
    if critic and script.chance(0.5):
        script.body.append(
            "with torch.no_grad():\n    for parameter in discriminator.parameters():\n        parameter.clamp_(-0.01, 0.01)"
        )


def _clear_one(script: Script, optimizer_name: str, model: str) -> list[str]:
    text = clearing(script, (optimizer_name,), (model,))
    return [text] if text else []


def actor_critic(script: Script) -> None:
    """Two losses over one critic, or over shared features."""
    script.setup += [
        f"actor = {network(script, outputs=2, name='Actor')}",
        f"critic = {network(script, inputs=2, outputs=1, name='Critic')}",
        f"actor_optimizer = {optimizer(script, 'actor.parameters()')}",
        f"critic_optimizer = {optimizer(script, 'critic.parameters()')}",
        f"states = torch.randn(8, {IN})",
        "returns = torch.randn(8, 1)",
    ]
    script.header = loop(script)
    actions = script.pick(("actions = actor(states)", "actions = torch.tanh(actor(states))"))
    value = script.pick(
        ("critic_loss = F.mse_loss(critic(actions.detach()), returns)",) * 3
        + ("critic_loss = F.mse_loss(critic(actions), returns)",)
    )
    policy = "actor_loss = -critic(actions).mean()"
    clear_critic, clear_actor = (
        _clear_one(script, "critic_optimizer", "critic"),
        _clear_one(script, "actor_optimizer", "actor"),
    )
    critic_step = [*clear_critic, "critic_loss.backward()", "critic_optimizer.step()"]
    actor_step = [*clear_actor, "actor_loss.backward()", "actor_optimizer.step()"]
    orders = (
        ([actions, value, *critic_step, policy, *actor_step], 5), ([actions, value, policy, *critic_step, *actor_step], 3),
        ([actions, policy, *actor_step, value, *critic_step], 2), ([actions, value, policy, *actor_step, *critic_step], 1.5),
        ([actions, value, policy, *clear_critic, *clear_actor, "(actor_loss + critic_loss).backward()", "actor_optimizer.step()", "critic_optimizer.step()"], 2),
    )  # fmt: skip
    script.body = list(script.pick_weighted(orders))


def policy_gradient(script: Script) -> None:
    """REINFORCE over a short episode, with torch's distributions or by hand."""
    script.setup += [
        f"policy = {network(script, outputs=2, name='Policy')}",
        f"optimizer = {optimizer(script, 'policy.parameters()')}",
    ]
    script.header = f"for episode in range({script.rng.randint(2, 3)}):"
    collect = (
        "for t in range(3):\n    log_p = torch.log_softmax(policy(torch.randn(4)), dim=-1)\n"
        "    action = int(torch.multinomial(log_p.detach().exp(), 1))\n    log_probs.append(log_p[action])\n"
    )
    if script.chance(0.5):
        script.imports.append("from torch.distributions import Categorical")
        collect = (
            "for t in range(3):\n    dist = Categorical(torch.softmax(policy(torch.randn(4)), dim=-1))\n"
            "    action = dist.sample()\n    log_probs.append(dist.log_prob(action))\n"
        )
    collect += "    rewards.append(float(action))"
    outside = script.chance(0.2)
    lists = ["log_probs, rewards = [], []"]
    script.setup += lists if outside else []
    total = script.pick(
        (
            "loss = -(torch.stack(log_probs) * torch.tensor(rewards)).sum()",
            "loss = sum(-p * r for p, r in zip(log_probs, rewards))",
            "loss = -torch.stack(log_probs).mul(torch.tensor(rewards)).mean()",
        )
    )
    clear = clearing(script, ("optimizer",), ("policy",))
    script.body = [
        *([] if outside else lists),
        collect,
        total,
        *([clear] if clear else []),
        "loss.backward()",
        "optimizer.step()",
    ]


def two_losses(script: Script) -> None:
    """One trunk, two heads: summed, or one backward each."""
    script.setup += [
        f"x, y = torch.randn(8, {IN}), torch.randn(8, 1)",
        f"trunk = {network(script, outputs=3, name='Trunk')}",
        "head_a, head_b = nn.Linear(3, 1), nn.Linear(3, 1)",
    ]
    joint = script.chance(0.6)
    if joint:
        script.setup.append(
            f"optimizer = {optimizer(script, '[*trunk.parameters(), *head_a.parameters(), *head_b.parameters()]')}"
        )
        names: tuple[str, ...] = ("optimizer",)
    else:
        script.setup += [
            f"optimizer_a = {optimizer(script, '[*trunk.parameters(), *head_a.parameters()]')}",
            f"optimizer_b = {optimizer(script, 'head_b.parameters()')}",
        ]
        names = ("optimizer_a", "optimizer_b")
    script.header = loop(script)
    forward = [
        "features = trunk(x)",
        "loss_a = F.mse_loss(head_a(features), y)",
        script.pick(
            (
                "loss_b = F.l1_loss(head_b(features), y)",
                "loss_b = F.l1_loss(head_b(features.detach()), y)",
                "loss_b = head_b(torch.tanh(features)).abs().mean()",
            )
        ),
    ]
    if script.chance(0.15):
        forward.insert(1, script.pick(("features.relu_()", "features *= 2", "features = F.relu(features)")))
    clear = clearing(script, names, ("trunk", "head_a", "head_b"))
    steps = [f"{name}.step()" for name in names]
    retain = script.pick(("", "retain_graph=True", "retain_graph=True"))
    backwards = script.pick(
        (
            ["(loss_a + loss_b).backward()"],
            ["loss = loss_a + 0.5 * loss_b", "loss.backward()"],
            [f"loss_a.backward({retain})", "loss_b.backward()"],
            ["torch.autograd.backward([loss_a, loss_b])"],
        )
    )
    script.body = [*forward, *([clear] if clear else []), *backwards, *steps]
    if len(backwards) == 2 and len(steps) == 2 and script.chance(0.4):
        script.body = [*forward, *([clear] if clear else []), backwards[0], steps[0], backwards[1], steps[1]]


def target_network(script: Script) -> None:
    """A copy that follows slowly: Q-learning, or self-distillation."""
    script.imports.append("import copy")
    script.setup += [
        f"online = {network(script, outputs=2, name='Online')}",
        "target = copy.deepcopy(online)",
        f"optimizer = {optimizer(script, 'online.parameters()')}",
        f"states, following = torch.randn(8, {IN}), torch.randn(8, {IN})",
        "rewards = torch.randn(8)",
    ]
    script.header = loop(script)
    future = script.pick(
        ("with torch.no_grad():\n    goal = rewards + 0.9 * target(following).max(dim=1).values",) * 3
        + (
            "goal = rewards + 0.9 * target(following).max(dim=1)[0]",
            "goal = (rewards + 0.9 * target(following).max(1).values).detach()",
            "goal = rewards + 0.9 * online(following).max(1).values",
        )
    )
    update = script.pick(
        (
            "target.load_state_dict(online.state_dict())", "with torch.no_grad():\n    for slow, fast in zip(target.parameters(), online.parameters()):\n        slow.mul_(0.9).add_(fast, alpha=0.1)",
            "for slow, fast in zip(target.parameters(), online.parameters()):\n    slow.data.copy_(0.9 * slow.data + 0.1 * fast.data)", "for slow, fast in zip(target.parameters(), online.parameters()):\n    slow.data.lerp_(fast.data, 0.1)",
            "with torch.no_grad():\n    for slow, fast in zip(target.parameters(), online.parameters()):\n        slow.copy_(fast)", "online.load_state_dict(target.state_dict())",
        )
    )  # fmt: skip
    clear = clearing(script, ("optimizer",), ("online",))
    script.body = [
        future,
        "values = online(states)[:, 0]",
        "loss = F.mse_loss(values, goal)",
        *([clear] if clear else []),
        "loss.backward()",
        "optimizer.step()",
    ]
    script.body.insert(script.pick((6, 6, 6, 3)) if clear else script.pick((5, 5, 3)), update)


def distillation(script: Script) -> None:
    """A student that learns from a teacher."""
    script.setup += [
        f"x = torch.randn(8, {IN})",
        f"teacher = {network(script, outputs=3, name='Teacher')}",
        f"student = {network(script, outputs=3, name='Student')}",
        f"optimizer = {optimizer(script, 'student.parameters()')}",
    ]
    outside = script.chance(0.35)
    goal = script.pick(
        ("with torch.no_grad():\n    logits = teacher(x)",) * 2
        + ("logits = teacher(x)", "logits = teacher(x).detach()")
    )
    if script.chance(0.3):
        script.setup.append(
            script.pick(
                (
                    "teacher.eval()",
                    "teacher.requires_grad_(False)",
                    "for parameter in teacher.parameters():\n    parameter.requires_grad = False",
                )
            )
        )
    script.setup += [goal] if outside else []
    script.header = loop(script)
    clear = clearing(script, ("optimizer",), ("student",))
    kl = script.pick(
        (
            "F.kl_div(F.log_softmax(student(x), -1), F.softmax(logits, -1), reduction='batchmean')",
            "F.mse_loss(student(x), logits)",
            "(student(x) - logits).pow(2).mean()",
        )
    )
    script.body = [
        *([] if outside else [goal]),
        f"loss = {kl}",
        *([clear] if clear else []),
        "loss.backward()",
        "optimizer.step()",
    ]


def gradient_penalty(script: Script) -> None:
    """A loss that has a gradient in it."""
    script.setup += [
        f"x = torch.randn(8, {IN}, requires_grad=True)",
        f"critic = {network(script, name='Critic')}",
        f"optimizer = {optimizer(script, 'critic.parameters()')}",
    ]
    script.header = loop(script)
    create = script.pick(("create_graph=True", "create_graph=True", "create_graph=True", "retain_graph=True", ""))
    clear = clearing(script, ("optimizer",), ("critic",))
    grad = f"(gradient,) = torch.autograd.grad(score.sum(), x{', ' + create if create else ''})"
    script.body = [
        "score = torch.tanh(critic(x))",
        grad,
        "penalty = ((gradient.norm(dim=1) - 1) ** 2).mean()",
        *([clear] if clear else []),
        script.pick(("(score.mean() + penalty).backward()", "penalty.backward()")),
        "optimizer.step()",
    ]

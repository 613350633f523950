"""Training loops and other programs that use autograd in many ways; each leaves what it computed in `results`."""

from __future__ import annotations

from typing import Final

_SETUP: Final = """\
import threading

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

results = []


def train(model, optimizer, batch, loss_of, rounds=3):
    for _ in range(rounds):
        optimizer.zero_grad()
        loss = loss_of(model(*batch()))
        loss.backward()
        optimizer.step()
        results.append(loss)
    results.extend(p for p in model.parameters())
    results.extend(p.grad for p in model.parameters())

"""

LOOPS: Final = {
    "mlp": """
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 1))
train(model, torch.optim.Adam(model.parameters()), lambda: (torch.randn(5, 4),), lambda out: (out**2).mean())
""",
    "cnn": """
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
target = torch.tensor([0, 2])
train(model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), lambda: (torch.randn(2, 1, 8, 8),),
      lambda out: F.cross_entropy(out, target))
""",
    "transformer": """
model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
train(model, torch.optim.AdamW(model.parameters()), lambda: (torch.randn(2, 3, 8),), lambda out: out.pow(2).mean())
""",
    "lstm": """
model = nn.LSTM(3, 4)
train(model, torch.optim.RMSprop(model.parameters()), lambda: (torch.randn(5, 2, 3),), lambda out: out[0].sum())
cell = nn.LSTMCell(3, 4)
h, c = torch.zeros(2, 4), torch.zeros(2, 4)
for _ in range(4):
    h, c = cell(torch.randn(2, 3), (h.detach(), c.detach()))
    h.sum().backward()
results.extend(p.grad for p in cell.parameters())
""",
    "gan": """
G, D = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
og, od = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
for _ in range(3):
    fake = G(torch.randn(4, 2))
    od.zero_grad()
    (D(fake.detach()).mean() - D(torch.randn(4, 3)).mean()).backward()
    od.step()
    og.zero_grad()
    loss = -D(fake).mean()
    loss.backward()
    og.step()
    results.append(loss)
results.extend([*G.parameters(), *D.parameters()])
""",
    "custom functions": """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1)

    @staticmethod
    def backward(ctx, grad):
        return grad


x = torch.randn(3, requires_grad=True)
h = Add.apply(Square.apply(x) * 2)
h.sum().backward()
results += [h, x.grad]
""",
    "double backward": """
x = torch.randn(3, requires_grad=True)
model = nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 1))
for _ in range(3):
    (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    penalty = (g.norm() - 1) ** 2
    model.zero_grad()
    penalty.backward()
    results += [g, penalty, x.grad.clone()]
results.append(torch.autograd.functional.hessian(lambda t: (t**3).sum(), x))
results.append(torch.autograd.functional.jacobian(lambda t: t.exp(), x))
""",
    "checkpoint, reentrant": """
model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Dropout(0.5))
x = torch.randn(2, 3, requires_grad=True)
checkpoint(model, x, use_reentrant=True).sum().backward()
results += [x.grad, *(p.grad for p in model.parameters())]
""",
    "checkpoint, not reentrant": """
model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Dropout(0.5))
x = torch.randn(2, 3, requires_grad=True)
checkpoint(model, x, use_reentrant=False).sum().backward()
results += [x.grad, *(p.grad for p in model.parameters())]
""",
    "torch.func": """
from torch.func import functional_call, grad, jacrev, vmap

model = nn.Linear(3, 1)
params = dict(model.named_parameters())


def loss(params, x):
    h = functional_call(model, params, x)
    h = h * 2
    h += 1
    return h.sum()


per_sample = vmap(grad(loss), in_dims=(None, 0))(params, torch.randn(4, 3))
results += [per_sample["weight"], per_sample["bias"], jacrev(torch.sin)(torch.randn(3))]
model(torch.randn(2, 3)).sum().backward()
results.append(model.weight.grad)
""",
    "threads": """
model = nn.Linear(3, 1)
inputs = [torch.randn(2, 3) for _ in range(3)]
grads = [None] * 3


def work(i):
    h = model(inputs[i])
    h += 1
    grads[i] = torch.autograd.grad(h.sum(), model.weight)[0]


threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
results += grads
""",
    "foreach optimizer": """
model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), foreach=True)
train(model, optimizer, lambda: (torch.randn(5, 4),), lambda out: out.mean())
torch._foreach_mul_([p.data for p in model.parameters()], 0.5)
nn.utils.clip_grad_norm_(model.parameters(), 0.1)
optimizer.zero_grad(set_to_none=False)
results += [p.grad for p in model.parameters()]
""",
    "fused optimizer": """
model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), fused=True)
train(model, optimizer, lambda: (torch.randn(5, 4),), lambda out: out.mean())
out = model(torch.randn(2, 4)).sum()
out.backward(retain_graph=True)
optimizer.step()
out.backward()
results += [p.grad for p in model.parameters()]
""",
    "lbfgs with a closure": """
x = torch.randn(3, requires_grad=True)
optimizer = torch.optim.LBFGS([x])


def closure():
    optimizer.zero_grad()
    loss = ((x - 1) ** 2).sum()
    loss.backward()
    return loss


for _ in range(2):
    results.append(optimizer.step(closure))
results.append(x)
""",
    "hooks": """
x = torch.randn(3, requires_grad=True)
seen = []
handle = x.register_hook(lambda g: seen.append(g) or g * 2)
y = x * 2
y.retain_grad()
y.grad_fn.register_hook(lambda inputs, outputs: seen.extend(outputs))
model = nn.Linear(3, 1)
model.register_full_backward_hook(lambda module, inputs, outputs: seen.extend(outputs))
model.register_forward_hook(lambda module, inputs, output: output * 3)
model(y).sum().backward()
handle.remove()
results += [*seen, x.grad, y.grad]
""",
    "saved tensor hooks of the program": """
calls = []
x = torch.randn(3, requires_grad=True)
with torch.autograd.graph.saved_tensors_hooks(lambda t: calls.append(0) or t * 1, lambda t: calls.append(1) or t):
    y = (x.exp() * x).sum()
y.backward()
with torch.autograd.graph.save_on_cpu():
    z = (x.exp() * x).sum()
z.backward()
results += [torch.tensor(calls), x.grad]
""",
    "hooks of one saved tensor": """
x = torch.randn(3, requires_grad=True)
w = x * x
w.grad_fn._raw_saved_self.register_hooks(lambda t: t + 1, lambda t: t - 1)
w.sum().backward()
results.append(x.grad)
""",
    "mutation of what was saved": """
x = torch.randn(3, requires_grad=True)
with torch.autograd.graph.allow_mutation_on_saved_tensors():
    h = x * 1
    y = h * h
    h.add_(1)
    h[0] = 5.0
    y.sum().backward()
results += [h, x.grad]
""",
    "scripts and traces": """
@torch.jit.script
def scripted(x, out):
    x = x * 2
    x.add_(1)
    return torch.relu_(x) + torch.add(x, 1)


x = torch.randn(3, requires_grad=True)
scripted(x, x).sum().backward()
traced = torch.jit.trace(lambda t: t.exp().mul_(2), (torch.ones(3),))
results += [x.grad, traced(torch.ones(3))]
""",
    "autocast, modes and buffers": """
model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
with torch.autocast("cpu", dtype=torch.bfloat16):
    loss = model(torch.randn(4, 3)).float().pow(2).mean()
loss.backward()
with torch.no_grad():
    for p in model.parameters():
        p -= 0.1 * p.grad
        p.grad.zero_()
with torch.inference_mode():
    t = torch.ones(3)
    t.add_(1)
state = model.state_dict()
model.load_state_dict(state)
import copy
again = copy.deepcopy(model)
results += [*again.parameters(), *again.buffers(), t.clone(), *(p.grad for p in model.parameters())]
""",
    "numpy, data and storages": """
import numpy as np

x = torch.randn(4, requires_grad=True)
a = np.ones(4, dtype=np.float32)
t = torch.from_numpy(a)
y = x * t
a[0] = 5
y.sum().backward()
x.data.mul_(2)
x.data = x.data + 1
b = x.detach().numpy()
b[1] = 7
results += [x, x.grad, t, torch.tensor(x.tolist()), torch.tensor(x.sum().item()), torch.as_tensor(np.asarray(b))]
torch.from_dlpack(x.detach()).zero_()
results.append(torch.utils.dlpack.from_dlpack(torch.ones(2)))
""",
    "weights of a module": """
layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
embedding = nn.Embedding(5, 3, max_norm=1.0)
loss = spectral(layer(embedding(torch.tensor([1, 2])))).sum()
loss.backward()
results += [p.grad for m in (layer, spectral, embedding) for p in m.parameters()]
nn.init.orthogonal_(layer.bias.view(3, 1) if False else torch.empty(3, 3))
results.append(nn.utils.parameters_to_vector(embedding.parameters()))
""",
}

FAILURES: Final = {
    "stale": "x = torch.ones(3, requires_grad=True)\ny = x.exp()\ny += 1\nresults.append(y)\ny.sum().backward()\n",
    "stale module": "m = nn.Linear(3, 3)\no = torch.optim.SGD(m.parameters(), 1)\nl = m(m(torch.ones(3))).sum()\n"
    "l.backward(retain_graph=True)\no.step()\nl.backward()\n",
    "twice": "x = torch.ones(3, requires_grad=True)\ny = (x * x).sum()\ny.backward()\nresults.append(x.grad)\ny.backward()\n",
    "leaf": "x = torch.ones(3, requires_grad=True)\nx += 1\n",
    "view of leaf": "x = torch.ones(3, requires_grad=True)\nx[0] = 1\n",
    "multi view": "x = torch.ones(3, requires_grad=True) * 1\nfor row in x.split(1):\n    row.mul_(2)\n",
    "not scalar": "(torch.ones(3, requires_grad=True) * 2).backward()\n",
    "no graph": "torch.ones(3).sum().backward()\n",
    "numpy": "torch.ones(3, requires_grad=True).numpy()\n",
    "out": "x = torch.ones(3, requires_grad=True)\ntorch.add(x, 1, out=torch.empty(3))\n",
    "integer": "torch.tensor(5, requires_grad=True)\n",
    "optimizer": "torch.optim.SGD([torch.ones(3, requires_grad=True) * 2], 0.1)\n",
    "shapes": "torch.ones(3).add_(torch.ones(4))\n",
    "types": "torch.ones(3).add_('a')\n",
    "no argument": "torch.ones(3).add_()\n",
    "wrong keyword": "torch.ones(3, requires_grad=True).sum().backward(retain=True)\n",
    "hook": "x = torch.ones(3, requires_grad=True)\nx.register_hook(lambda g: 1 / 0)\nx.sum().backward()\n",
    "function": "class Bad(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x * 2\n"
    "    @staticmethod\n    def backward(ctx, g):\n        raise KeyError('gone')\n"
    "Bad.apply(torch.ones(3, requires_grad=True)).sum().backward()\n",
    "anomaly": "torch.autograd.set_detect_anomaly(True)\nx = torch.zeros(1, requires_grad=True)\n"
    "try:\n    (x.sqrt() * 0).backward()\nfinally:\n    torch.autograd.set_detect_anomaly(False)\n",
}


def program(body: str) -> str:
    """A whole program."""
    return _SETUP + body

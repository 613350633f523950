"""Faults of whole programs, each with its places: `# written AGL101`, `# saved`, `# needed` mark them, or `# AGL206`."""

from __future__ import annotations

import re

import pytest

from autograd_lint.finding import Severity
from tests.dynamic.loops import program
from tests.dynamic.watched import MODES, Watched, watch

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

THREE_PLACES = {
    "step between, Adam": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
optimizer = torch.optim.Adam(model.parameters())
loss = model(torch.ones(2, 3)).sum()  # saved
loss.backward(retain_graph=True)
optimizer.step()  # written AGL108
loss.backward()  # needed
""",
    "step between, foreach": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1, foreach=True)
loss = model(torch.ones(2, 3)).sum()  # saved
loss.backward(retain_graph=True)
optimizer.step()  # written AGL108
loss.backward()  # needed
""",
    "step between, fused and silent": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
loss = model(torch.ones(2, 3)).sum()  # saved
loss.backward(retain_graph=True)
optimizer.step()  # written AGL108
loss.backward()  # needed
""",
    "step written by hand": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
loss = model(torch.ones(2, 3)).sum()  # saved
loss.backward(retain_graph=True)
with torch.no_grad():
    for p in model.parameters():
        p.sub_(0.1 * p.grad)  # written AGL101
loss.backward()  # needed
""",
    "step written by hand, foreach": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
loss = model(torch.ones(2, 3)).sum()  # saved
loss.backward(retain_graph=True)
with torch.no_grad():
    torch._foreach_mul_(list(model.parameters()), 0.5)  # written AGL101
loss.backward()  # needed
""",
    "the discriminator's step": """
G, D = nn.Linear(2, 3), nn.Linear(3, 1)
od = torch.optim.SGD(D.parameters(), 0.1)
fake = G(torch.ones(1, 2))
score = D(fake)  # saved
D(fake.detach()).sum().backward()
od.step()  # written AGL108
score.sum().backward()  # needed
""",
    "a training loop of two losses": """
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(2):
    out = model(torch.ones(2, 3))  # saved
    first, second = out.sum(), out.mean()
    optimizer.zero_grad()
    first.backward(retain_graph=True)
    optimizer.step()  # written AGL108
    second.backward()  # needed
""",
    "state of a module": """
bn = nn.BatchNorm1d(3)
out = bn(torch.rand(4, 3, requires_grad=True))  # saved
bn.reset_running_stats()  # written AGL108
out.sum().backward()  # needed
""",
    "load_state_dict": """
model = nn.Linear(3, 3)
out = model(torch.rand(4, 3, requires_grad=True))  # saved
model.load_state_dict(model.state_dict())  # written AGL108
out.sum().backward()  # needed
""",
    "nn.init": """
w = torch.ones(3, requires_grad=True)
out = w * w  # saved
nn.init.zeros_(w)  # written AGL101
out.sum().backward()  # needed
""",
    "a module with inplace=True": """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        h = x.sigmoid()  # saved
        return self.act(h)  # written AGL101


Block()(torch.ones(3, requires_grad=True)).sum().backward()  # needed
""",
    "dropout with inplace=True": """
h = torch.ones(3, requires_grad=True).exp()  # saved
nn.Dropout(0.5, inplace=True)(h)  # written AGL101
h.sum().backward()  # needed
""",
    "a helper in between": """
def scale(t):
    t.mul_(2)  # written AGL101
    return t


def forward(x):
    e = x.exp()  # saved
    return scale(e)


forward(torch.ones(3, requires_grad=True)).sum().backward()  # needed
""",
    "a mask": """
h = torch.ones(3, requires_grad=True).exp()  # saved
h[torch.tensor([True, False, True])] = 0.0  # written AGL101
h.sum().backward()  # needed
""",
    "a view of the base": """
h = torch.ones(4, requires_grad=True) * 1
out = h[:2] * h[2:]  # saved
h.view(2, 2)[0] += 1  # written AGL101
out.sum().backward()  # needed
""",
    "an embedding renormalised": """
e = nn.Embedding(4, 3, max_norm=0.1)
out = e.weight @ torch.ones(3, requires_grad=True)  # saved
e(torch.tensor([1]))  # written AGL108
out.sum().backward()  # needed
""",
    "double backward": """
x = torch.ones(3, requires_grad=True)
y = x.exp()
(g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
y.add_(1)  # written AGL101
g.sum().backward()  # needed
""",
    "a custom Function": """
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad


h = torch.ones(3, requires_grad=True) * 1
out = Square.apply(h)
h.add_(1)  # written AGL101
out.sum().backward()  # needed
""",
    "a thread": """
def work():
    h = torch.ones(3, requires_grad=True).exp()  # saved
    h += 1  # written AGL101
    try:
        h.sum().backward()  # needed
    except RuntimeError:
        pass


thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    ".data": """
h = torch.ones(3, requires_grad=True).exp()  # saved
h.data[0] = 5.0  # written AGL107
h.sum().backward()  # needed
""",
    ".data of a parameter, assigned": """
w = nn.Parameter(torch.ones(3))
out = (w * w).sum()  # saved
w.data = torch.zeros(3)  # written AGL107
out.backward()  # needed
""",
    "detach": """
h = torch.ones(3, requires_grad=True).exp()  # saved
copy = h.detach()
copy.clamp_(max=1)  # written AGL107
h.sum().backward()  # needed
""",
    "NumPy, after the save": """
import numpy as np
a = np.ones(3, dtype=np.float32)
t = torch.from_numpy(a)
out = torch.ones(3, requires_grad=True) * t  # saved
a += 1  # written AGL107
out.sum().backward()  # needed
""",
    "NumPy, through detach": """
h = torch.ones(3, requires_grad=True).exp()  # saved
array = h.detach().numpy()
for i in range(2):
    array[i] = 0  # written AGL107
h.sum().backward()  # needed
""",
    "a caught failure, then another": """
x = torch.ones(3, requires_grad=True)
for fault in range(2):
    h = x.exp()  # saved
    h += 1  # written AGL101
    try:
        h.sum().backward()  # needed
    except RuntimeError:
        pass
""",
}

ONE_PLACE = {
    "hooks of a module in a loop": """
model = nn.Linear(2, 1)
for _ in range(3):
    model.register_forward_hook(lambda m, i, o: None)  # AGL206
    model(torch.ones(2))
""",
    "hooks that are removed": """
model = nn.Linear(2, 1)
for _ in range(3):
    handle = model.register_forward_hook(lambda m, i, o: None)
    model(torch.ones(2))
    handle.remove()
""",
    "gradients never cleared": """
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(3):
    model(torch.ones(2)).sum().backward()  # AGL302
    optimizer.step()
""",
    "gradients of one optimizer never cleared": """
a, b = nn.Linear(2, 2), nn.Linear(2, 1)
oa, ob = torch.optim.SGD(a.parameters(), 0.1), torch.optim.SGD(b.parameters(), 0.1)
for _ in range(3):
    oa.zero_grad()
    b(a(torch.ones(2))).sum().backward()  # AGL302
    oa.step()
    ob.step()
""",
    "gradients of the other optimizer's pass never cleared": """
G, D = nn.Linear(2, 3), nn.Linear(3, 1)
og, od = torch.optim.SGD(G.parameters(), 0.1), torch.optim.SGD(D.parameters(), 0.1)
for _ in range(3):
    D(torch.ones(2, 3)).sum().backward()  # AGL302
    od.step()
    og.zero_grad()
    D(G(torch.ones(4, 2))).sum().backward()
    og.step()
""",
    "sorted": """
h = torch.randn(3, requires_grad=True).exp()
torch.sort(h).values.sum().backward()
""",
    "gradients cleared to zeros": """
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(3):
    optimizer.zero_grad(set_to_none=False)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
""",
    "gradients cleared by the module": """
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(3):
    model.zero_grad(set_to_none=False)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
""",
    "gradients accumulated on purpose": """
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for number in range(8):
    model(torch.ones(2)).sum().backward()
    if number % 4 == 3:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
""",
    "gradients set to zero by hand": """
model = nn.Linear(2, 1)
for _ in range(2):
    model(torch.ones(2)).sum().backward()
    for p in model.parameters():
        if p.grad is not None:
            p.grad.detach_()
            p.grad.zero_()  # AGL301
""",
    "a graph kept for nothing": """
x = torch.ones(2, requires_grad=True)
for _ in range(3):
    (x * x).sum().backward(retain_graph=True)  # AGL201
    x.grad = None
""",
    "a gradient penalty": """
x = torch.ones(2, requires_grad=True)
w = torch.ones(2, requires_grad=True)
(g,) = torch.autograd.grad((x * w).tanh().sum(), x, create_graph=True)
(g.norm() - 1).pow(2).backward()
""",
    "a carried state": """
w = torch.ones(2, requires_grad=True)
h = torch.zeros(2)
for _ in range(2):
    h = torch.tanh(h + w)
    w.grad = None
    h.sum().backward()  # AGL203
""",
    "a view of a leaf": """
w = nn.Parameter(torch.ones(3))
try:
    w[0] = 5.0  # AGL102
except RuntimeError:
    pass
""",
    "rows of a graph tensor": """
h = torch.ones(3, 3, requires_grad=True) * 1
for row in h:
    row += 1  # AGL106
""",
    "rows whose base was written": """
w = torch.ones(3, requires_grad=True)
first, second = w.split(2)
with torch.no_grad():
    second.mul_(1.0)
first /= 2  # AGL106
""",
    "an expanded tensor, refused in backward": """
x = torch.ones(1, requires_grad=True) * 2
x.expand(2, 3).zero_()  # AGL106
x.mul_(2)
x.sum().backward()
""",
    "a write through .data that changes nothing": """
h = torch.zeros(3, requires_grad=True).sin() * 0
out = h.relu_()
out.data *= 3
out.sum().backward()
""",
    "NumPy of a graph tensor": """
import numpy as np
h = torch.ones(3, requires_grad=True) * 1
np.sqrt(h)  # AGL508
""",
}

each_mode = pytest.mark.parametrize("mode", MODES)


def rows(text: str, word: str) -> set[int]:
    lines = text.splitlines()
    return {row for row, line in enumerate(lines, 1) if re.search(rf"#.*\b{word}\b", line)}


def serious(seen: Watched) -> set[tuple[str, int]]:
    milder = {"AGL103", "AGL104", "AGL402"}
    return {(f.code, f.range.start.row) for f in seen.findings if f.code not in milder and f.severity > Severity.INFO}


@each_mode
@pytest.mark.parametrize("name", THREE_PLACES)
def test_three_places(name: str, mode: str) -> None:
    text = program(THREE_PLACES[name])
    seen = watch(text, mode=mode)
    # Leaves without a name are a fault of their own, and no matter here.
    errors = [f for f in seen.findings if f.severity is Severity.ERROR and f.code != "AGL402"]
    (found,) = errors
    assert {found.range.start.row} == rows(text, f"written {found.code}")
    places = {related.message.split()[0]: related.range.start.row for related in found.related}
    assert {places["needed"]} == rows(text, "needed")
    if rows(text, "saved"):
        assert {places["saved"]} == rows(text, "saved")


@each_mode
@pytest.mark.parametrize("name", ONE_PLACE)
def test_one_place(name: str, mode: str) -> None:
    text = program(ONE_PLACE[name])
    marked = {(code, row) for row, line in enumerate(text.splitlines(), 1) for code in re.findall(r"# (AGL\d+)", line)}
    assert serious(watch(text, mode=mode)) == marked


@each_mode
def test_nothing_lives_longer_for_being_watched(mode: str) -> None:
    text = program(
        "import gc, weakref\n"
        "class Big:\n"
        "    pass\n"
        "dead = []\n"
        "for number in range(40):\n"
        "    big = Big()\n"
        "    x = torch.randn(3, requires_grad=True)\n"
        "    h = x.exp()\n"
        "    h.register_hook(lambda g, big=big: None)\n"
        "    loss = (h * 2).sum()\n"
        "    loss.backward()\n"
        "    h.detach().numpy()\n"
        "    x.grad.zero_()\n"
        "    dead.append(weakref.ref(big))\n"
        "del big, x, h, loss\n"
        "gc.collect()\n"
        "print(sum(ref() is not None for ref in dead))\n"
    )
    seen = watch(text, mode=mode)
    assert seen.error is None
    assert seen.printed == "0\n"

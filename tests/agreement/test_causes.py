"""Programs on which the linter and torch once disagreed: one for each cause."""

from __future__ import annotations

from typing import Final

import pytest

from tests.agreement.cause import check_cause

CAUSES: Final = {
    "item of a detached inference tensor: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach()[0] = 9.0
    """,
    "view of a detached inference tensor: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach()[:2].add_(1)
    """,
    "column of an inference tensor's data by a list: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3, 3)
        a.data[[0, 1], 0] = 9.0
    """,
    "detached in inference mode: refused inference-write": """
        with torch.inference_mode():
            a = torch.zeros(3)
            b = a.detach()
        b.add_(1)
    """,
    "frozen parameter of an inference tensor: ok": """
        with torch.inference_mode():
            a = torch.zeros(3)
        nn.Parameter(a, requires_grad=False).add_(1)
    """,
    "detached inference tensor as a whole: ok": """
        with torch.inference_mode():
            a = torch.zeros(3)
        a.detach().add_(1)
        a.data.zero_()
        d = a.detach()
        d[:] = 1.0
        d[0:3] = 1.0
        d[[0, 1]] = 2.0
        d[d > 0] = 3.0
    """,
    "detached inference tensor saved: refused inference-saved": """
        with torch.inference_mode():
            a = torch.zeros(3)
        w = torch.ones(3, requires_grad=True)
        (a.detach() * w).sum().backward()
    """,
    "array's tensor and its source, assigned: ok": """
        c = torch.ones(3)
        t = torch.from_numpy(c.numpy())
        t[None] = c
        c[None] = c
    """,
    "gradient that is a view, one element: refused no_grad-view": """
        x = torch.randn(1, requires_grad=True)
        (g,) = torch.autograd.grad(x.sum(), x)
        g -= x
    """,
    "gradient that is a reshaped view: refused no_grad-view": """
        x = torch.randn(3, requires_grad=True)
        (g,) = torch.autograd.grad((x.view(3, 1) * 2).sum(), x)
        g -= 1.0
        g -= x
    """,
    "gradient that is a view, made to require grad: refused no_grad-view": """
        x = torch.rand(3, requires_grad=True)
        (g,) = torch.autograd.grad(x.sum(), x)
        g.requires_grad_()
        g /= 2.0
    """,
    "gradient that is a sum's, spread and reshaped: refused overlap": """
        x = torch.randn(3, 3, requires_grad=True)
        (g,) = torch.autograd.grad(x.view(9).sum(), x)
        g -= 1.0
    """,
    "gradient that is new memory: ok": """
        x = torch.randn(3, requires_grad=True)
        (g,) = torch.autograd.grad(((x + 1) * 2).sum(), x)
        g -= x
    """,
    "detached in place, then written and saved: twice": """
        q = torch.ones(3, requires_grad=True)
        out = q * 2
        out.detach_()
        out[:2] = q[:2]
        h = torch.dot(out, q)
        h.backward()
        out.sum().backward()
    """,
    "expanded tensor transposed in place: ok": """
        a = torch.ones(2).expand(3, 2)
        a.transpose_(0, 1)
    """,
    "pieces of data whose base was written, moved nowhere: ok": """
        p = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
        t = p.data
        a, b, c = t
        t.addcdiv_(p, p)
        c.to()
    """,
    "detached leaf whose memory changes: ok": """
        x = torch.randn(3, requires_grad=True)
        y = x * 2
        t = y.detach().requires_grad_()
        y *= 2
        t.sum().backward()
    """,
    "gradient of as many similarities: non-scalar": """
        x = torch.full((2, 3), 0.5, requires_grad=True)
        F.cosine_similarity(x, x).backward()
    """,
    "every second row of two, scaled: ok": """
        x = torch.randn(2, 3, requires_grad=True)
        y = x * 2
        y[::2] *= 2.0
        y.sum().backward()
    """,
    "given other memory: ok": """
        x = torch.randn(3, 3, requires_grad=True)
        h = x * 2
        t = h.data
        h.set_(x.sin().detach())
        torch.zeros_like(t)
        v = h.t()
        v.set_(h.detach())
    """,
    "written out to what is expanded: refused overlap": """
        a = torch.ones(1).expand(3)
        torch.exp(a, out=a)
    """,
    "written out to a view of what is read: refused overlap": """
        a = torch.zeros(4, 3)
        torch.mul(a.view(-1), 2, out=a.view(-1)[:12].view(12, 1)[:, 0])
        torch.add(a[0, :2], 1, out=a[0, 1:])
    """,
    "written out to the same elements, or resized: ok": """
        a = torch.zeros(4, 3)
        torch.mul(a, 2, out=a)
        torch.mul(a, 2, out=a.view(4, 3))
        torch.matmul(torch.ones(3, 3), torch.ones(3), out=torch.ones(1).expand(3))
        b = torch.zeros(0)
        torch.mul(torch.ones(1), 2, out=b)
        (b * torch.ones(1, requires_grad=True)).backward()
    """,
    "broadcast to the shape it has: stale": """
        p = torch.rand(3, requires_grad=True)
        s = F.log_softmax(p, 0)
        _, a = torch.broadcast_tensors(p, s)
        a[0] = 0.0
        s.sum().backward()
    """,
    "assigned as a whole, which saves nothing: ok": """
        y = torch.randn(2, requires_grad=True)
        k = torch.rand(2)
        k[:] = y
        k[0:2] = y
        k[...] = 0.0
        (k * 1.0).sum()
        k.sum().backward()
        k.sum().backward()
    """,
    "assigned in part: twice": """
        y = torch.randn(2, requires_grad=True)
        k = torch.rand(3)
        k[:2] = y
        k.sum().backward()
        k.sum().backward()
    """,
    "operands of which copies are saved: ok": """
        w = torch.rand(3, requires_grad=True)
        k = torch.rand(2, 2, 3)
        s = k.transpose(0, 1)
        loss = torch.inner(s, w).sum() + (s @ w).sum() + nn.Linear(3, 2)(s).sum()
        loss = loss + nn.GroupNorm(1, 2)(s).sum() + nn.LSTM(3, 2)(s)[0].sum()
        k.mul_(2.0)
        loss.backward()
    """,
    "operand with gaps, saved itself: stale": """
        w = torch.rand(3, requires_grad=True)
        k = torch.rand(2, 2, 4)
        loss = (k[:, :, :3] @ w).sum()
        k.mul_(2.0)
        loss.backward()
    """,
    "gradient that is spread, copied to itself: ok": """
        x = torch.randn(3, requires_grad=True)
        (g,) = torch.autograd.grad(x.sum(), x)
        g.copy_(g)
        g.data.copy_(g)
    """,
    "expanded view copied to itself: stale": """
        w = torch.randn(3, 3, requires_grad=True)
        v = torch.randn(3).expand(3, 3)
        y = v * w
        v.copy_(v)
        y.sum().backward()
    """,
    "drawn around a mean: ok": """
        x = torch.randn(3, requires_grad=True)
        torch.normal(x, 1.0).sum().backward()
    """,
    "gradient of what `PReLU` gives: non-scalar": """
        x = torch.randn(3, requires_grad=True)
        torch.autograd.grad(nn.PReLU()(x), x)
    """,
    "two losses, one of them stepped with: ok": """
        net = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(net.parameters())
        x = torch.ones(1, 2)
        for _ in range(2):
            net(x).sum().backward()
            optimizer.step()
            (-net(x)).sum().backward()
    """,
    "helper given a leaf where nobody calls it so: ok": """
        def scaled(value):
            value.mul_(2.0)

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.shift = nn.Parameter(torch.ones(2))

            def forward(self, x):
                scaled(self.shift)

        scaled(torch.zeros(3))
    """,
    "piece saved, its base written: refused multi-view": """
        s = torch.randn(3, requires_grad=True) * 2
        z, v = s.split(2)
        loss = (z * z).sum()
        s[1] = 0.0
        loss.backward()
    """,
    "view of a leaf detached in place: ok": """
        x = torch.zeros(3, requires_grad=True)
        v = x.unsqueeze(0)
        v.detach()[0] = 9.0
        x.detach_()
        v.sum().backward()
    """,
    "condition of the method `where`: stale": """
        w = torch.randn(3, requires_grad=True)
        mask = torch.tensor([False, True, True])
        loss = w.where(mask, other=3.0).sum()
        mask.logical_not_()
        loss.backward()
    """,
    "gradient that needs only what was saved: ok": """
        x = torch.tensor(4.0, requires_grad=True)
        t = x.clamp(1)
        (g,) = torch.autograd.grad((x * t).sum(), x, create_graph=True)
        t.sqrt_()
        g.backward()
    """,
    "gradient of a gradient, its graph given up: ok": """
        x = torch.tensor(4.0, requires_grad=True)
        b = F.relu6(x)
        (g,) = torch.autograd.grad(b.sum(), x, create_graph=True)
        b.backward()
        g.backward()
    """,
    "gradient that runs through a graph given up: twice": """
        x = torch.tensor(4.0, requires_grad=True)
        b = x.sin() * x
        (g,) = torch.autograd.grad(b.sum(), x, create_graph=True)
        b.backward()
        g.backward()
    """,
    "alias that joined the graph: ok": """
        h = -torch.ones(3, requires_grad=True)
        b = h.detach()
        b.add_(h)
        h[1] = h[0]
        b.size()
    """,
    "view of what joined the graph since, not looked at: refused leaf": """
        y = torch.randn(3, requires_grad=True)
        target = torch.randn(3)
        row = target.unsqueeze(0)
        target[:] = y
        row.sub_(1.0)
        row.sum().backward()
    """,
    "padded by reflection, which is recorded twice: ok": """
        x = torch.randn(1, 2, 8, requires_grad=True)
        h = torch.nn.functional.pad(x, (1, 1), mode="reflect")
        (g,) = torch.autograd.grad(h.sum(), x, create_graph=True)
        g.pow(2).sum().backward()
    """,
    "view of what joined the graph since, printed: ok": """
        y = torch.randn(3, requires_grad=True)
        target = torch.randn(3)
        row = target.unsqueeze(0)
        target[:] = y
        str(row)
        row.sub_(1.0)
        row.sum().backward()
    """,
    "view made without gradients of what joined the graph since: ok": """
        y = torch.rand(1, requires_grad=True)
        target = torch.randn(3)
        piece = torch.tensor_split(target, 2)[0]
        target[:] = y
        piece[-1] = 0.0
        piece.sum().backward()
    """,
    "filled with an element of its own: ok": """
        z = torch.rand(3).sum()
        h = z.flatten()
        h[:] = z
        c = torch.rand(3)
        c[:] = c[0]
        (c * torch.ones(1, requires_grad=True)).sum().backward()
    """,
    "no derivative, asked for before all else: not-implemented": """
        w = torch.randn(1, requires_grad=True)
        out = w.floor_divide(10)
        h = w * 2
        h += h**2
        torch.autograd.backward([out, h])
    """,
    "multiplied with a view that has no edge: ok": """
        y = torch.full((3, 3), 0.5, requires_grad=True)
        c = torch.rand(3, 3)
        c[1] = y[1]
        y.sum().backward()
        with torch.no_grad():
            u = c.mT
        h = y.grad * u
        y.sum().backward()
        h.mean().backward()
    """,
    "elements picked by a mask, saved: stale": """
        y = torch.rand(3, requires_grad=True)
        h = y[y > 0]
        loss = h @ h
        h -= h
        loss.backward()
    """,
    "gradient that a sum hands on: refused overlap": """
        p = torch.zeros(3, 3, requires_grad=True)
        u = 1 + p
        (g,) = torch.autograd.grad(u.clone().sum(), p)
        g[0] = 2
    """,
    "stale view of what joined the graph, written: refused leaf": """
        w = torch.ones(3, requires_grad=True)
        target = torch.zeros(3)
        v = target[None]
        target[1] = w[1]
        v.cosh_()
    """,
    "gradient of the inner product of matrices: non-scalar": """
        x = torch.full((1, 3), 0.5, requires_grad=True)
        torch.autograd.grad(torch.inner(x, torch.ones(2, 3)), x)
    """,
    "inference tensor saved by what would write it: refused inference-saved": """
        q = nn.Parameter(torch.rand(3))
        with torch.inference_mode():
            t = torch.rand(3)
        t.addcmul_(t, q)
    """,
    "piece of what is expanded, assigned to itself: refused overlap": """
        h = torch.ones(3, requires_grad=True).sum().expand(3)
        h[:2] = h[:2]
        h.sum().backward()
    """,
    "row of what is expanded, filled: ok": """
        h = (torch.ones(3, requires_grad=True) * 2).expand(2, 3)
        h[0] = 0.0
        h.sum().backward()
    """,
    "index that an assignment saved: stale": """
        u = torch.ones(3, requires_grad=True) * 2
        idx = torch.tensor([0])
        u[idx] = 0.0
        idx.zero_()
        u.sum().backward()
    """,
}
"""What the program does, its outcome under torch, and its text without imports."""


@pytest.mark.parametrize("cause", CAUSES)
def test_linter_now_agrees_with_torch(cause: str) -> None:
    check_cause(cause, CAUSES[cause])

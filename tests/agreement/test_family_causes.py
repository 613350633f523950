"""Programs of the families on which the linter and torch once disagreed: one for each cause."""

from __future__ import annotations

from typing import Final

import pytest

from tests.agreement.cause import check_cause

CAUSES: Final = {
    "written between two rounds of a loop over a generator: stale": """
        def pieces(t):
            yield 1
            t.add_(1)


        x = torch.rand(3, requires_grad=True)
        y = x * 2
        for piece in pieces(y):
            z = y**2
        z.sum().backward()
    """,
    "written behind a `yield` that nobody goes on from: ok": """
        def pieces(t):
            yield t
            t.add_(1)


        x = torch.rand(3, requires_grad=True)
        y = x * 2
        z = y**2
        first = next(pieces(y))
        for piece in pieces(y):
            break
        z.sum().backward()
    """,
    "written in the `finally` of a generator whose loop is left: stale": """
        def pieces(t):
            try:
                yield t
            finally:
                t.add_(1)


        def squared(t):
            for piece in pieces(t):
                return piece**2


        x = torch.rand(3, requires_grad=True)
        squared(x * 2).sum().backward()
    """,
    "written by the generator that a generator hands on: stale": """
        def inner(t):
            yield t
            t.add_(1)


        def outer(t):
            yield from inner(t)


        x = torch.rand(3, requires_grad=True)
        for piece in outer(x * 2):
            z = piece**2
        z.sum().backward()
    """,
    "decorated generator, whose loop's body is not: no-graph": """
        @torch.no_grad()
        def doubled(t):
            yield t * 2


        x = torch.rand(3, requires_grad=True)
        for y in doubled(x):
            (x * 3).sum().backward()
        y.sum().backward()
    """,
    "written by an `__iter__` that yields: stale": """
        class Batches:
            def __init__(self, t):
                self.t = t

            def __iter__(self):
                for i in range(2):
                    yield self.t * i
                    self.t.add_(1)


        x = torch.rand(3, requires_grad=True)
        y = x * 2
        z = y**2
        for batch in Batches(y):
            pass
        z.sum().backward()
    """,
    "written on the way out of a context manager: stale": """
        from contextlib import contextmanager


        @contextmanager
        def scaled(t):
            try:
                yield t
            finally:
                t.mul_(2)


        x = torch.rand(3, requires_grad=True)
        with scaled(x * 2) as y:
            z = y**2
        z.sum().backward()
    """,
    "a context manager that switches gradients off: no-graph": """
        from contextlib import contextmanager


        @contextmanager
        def quiet():
            with torch.no_grad():
                yield


        x = torch.rand(3, requires_grad=True)
        with quiet():
            y = x * 2
        y.sum().backward()
    """,
    "cleared and stepped by a context manager: ok": """
        from contextlib import contextmanager


        @contextmanager
        def training(optimizer):
            optimizer.zero_grad()
            yield
            optimizer.step()


        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            with training(optimizer):
                model(torch.rand(2, 3)).sum().backward()
    """,
    "the second of an iterator: stale": """
        x = torch.rand(3, requires_grad=True)
        one, other = x * 2, x.exp()
        values = iter([one, other])
        next(values)
        next(values).add_(1)
        (one.sum() + other.sum()).backward()
    """,
    "the first row, by an iterator: refused multi-view": """
        x = torch.rand(3, requires_grad=True)
        next(iter(x * 2)).add_(1)
    """,
    "stepped through `filter`, `chain` and a namespace: stale": """
        from itertools import chain
        from types import SimpleNamespace

        actor, critic = nn.Linear(3, 3), nn.Linear(3, 1)
        parameters = filter(lambda p: p.requires_grad, chain(actor.parameters(), critic.parameters()))
        optimizers = SimpleNamespace(both=torch.optim.SGD(parameters, lr=0.1))
        x = torch.rand(2, 3)
        for _ in range(2):
            loss = critic(actor(x)).sum()
            for optimizer in vars(optimizers).values():
                optimizer.zero_grad()
            loss.backward(retain_graph=True)
            optimizers.both.step()
            loss.backward()
    """,
    "the greater of two losses: twice": """
        x = torch.rand(3, requires_grad=True)
        loss = max([(x**2).sum(), (x**3).sum()])
        loss.backward()
        loss.backward()
    """,
    "taken from both ends of a deque: stale": """
        from collections import deque

        x = torch.rand(3, requires_grad=True)
        values = deque([x * 2, x.exp()])
        values.appendleft(x.sigmoid())
        values.popleft().add_(1)
        values.pop().add_(1)
        sum(value.sum() for value in values).backward()
        x.exp().sigmoid_().sum().backward()
    """,
    "parameters read as one vector, and never cleared: ok": """
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            print(nn.utils.parameters_to_vector(model.parameters()).norm().item())
            optimizer.step()
            model(torch.rand(2, 3)).sum().backward()
    """,
    "decorated with a context manager that switches gradients off: no-graph": """
        from contextlib import contextmanager


        @contextmanager
        def quiet():
            with torch.no_grad():
                yield


        @quiet()
        def score(t):
            return t.exp()


        x = torch.rand(3, requires_grad=True)
        y = score(x)
        with torch.enable_grad():
            y.add_(1)
        z = (y * x).sum()
        z.backward()
        score(x).detach().sum().backward()
    """,
    "strided to one element: ok": """
        x = torch.ones(3, requires_grad=True)
        x.as_strided((1,), (1,)).backward()
    """,
    "unfolded, so of known shape: non-scalar": """
        x = torch.ones(3, requires_grad=True)
        x.unfold(0, 2, 1).backward()
    """,
    "a view of no use any more that is only handed back: ok": """
        x = torch.ones(3, requires_grad=True)
        y = torch.sigmoid(x)
        with torch.no_grad():
            row = y[0]
        y.add_(1)
        F.dropout(row, 0.5, training=False)
        row.contiguous()
    """,
    "a copy of a leaf is a leaf over the same memory: refused view-of-leaf": """
        import copy

        x = torch.randn(3, requires_grad=True)
        copy.copy(x)[0] = 3.0
    """,
    "memory written through a copy that counts versions anew: silent": """
        import copy

        c = torch.randn(3)
        x = torch.rand(3, requires_grad=True)
        y = x * c
        copy.copy(c).add_(1)
        y.sum().backward()
    """,
    "filled with the number that is there: ok": """
        x = torch.rand(3, requires_grad=True)
        y = x * 2
        y.data.fill_(0.5)
        z = y**2
        y.data.fill_(0.5)
        z.sum().backward()
    """,
    "a part of it filled before: silent": """
        x = torch.rand(3, requires_grad=True)
        y = x * 2
        y.data[0].fill_(0.5)
        z = y**2
        y.data.fill_(0.5)
        z.sum().backward()
    """,
}
"""What the program does, its outcome under torch, and its text without imports."""


@pytest.mark.parametrize("cause", CAUSES)
def test_linter_now_agrees_with_torch(cause: str) -> None:
    check_cause(cause, CAUSES[cause])

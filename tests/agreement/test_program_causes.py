"""Programs of many habits on which the linter and torch once disagreed: one for each cause."""

from __future__ import annotations

from typing import Final

import pytest
import torch

from autograd_lint.static.model.silent import UNWATCHED
from tests.agreement.cause import check_cause

CAUSES: Final = {
    "detach_ does nothing in inference mode: ok": """
        p = torch.tensor([0.5, 1.0], requires_grad=True)
        h = p * 2
        with torch.inference_mode():
            p.detach_()
            h[0:1].detach_()
        p.sum().backward()
        h.sum().backward()
    """,
    "decorated with `set_grad_enabled`, which takes the switch back: ok": """
        @torch.set_grad_enabled(False)
        def score(t):
            return t.exp()


        x = torch.rand(3, requires_grad=True)
        y = x.sigmoid() * score(x)
        y.sum().backward()
    """,
    "switched by `set_grad_enabled` as a function: no-graph": """
        torch.set_grad_enabled(False)
        x = torch.rand(3, requires_grad=True)
        x.exp().sum().backward()
    """,
    "unpacked from a NamedTuple: stale": """
        from typing import NamedTuple


        class Pair(NamedTuple):
            first: torch.Tensor
            second: torch.Tensor
            scale: float = 2.0


        x = torch.rand(3, requires_grad=True)
        pair = Pair(x * 1, second=x.exp())
        u, v, scale = pair
        v += 1
        (pair[0] + pair.second * scale).sum().backward()
    """,
    "field of a namedtuple: stale": """
        from collections import namedtuple

        Pair = namedtuple("Pair", "first second")
        x = torch.rand(3, requires_grad=True)
        pair = Pair(x * 1, x.exp())
        pair.second.add_(1)
        sum(t.sum() for t in pair).backward()
    """,
    "reduced by a function: stale": """
        from functools import reduce

        x = torch.rand(3, requires_grad=True)
        parts = [x * 1, x * 2, x * 3]
        y = reduce(lambda a, b: a * b, parts)
        parts[0].add_(1)
        y.sum().backward()
    """,
    "written by a foreach operation: stale": """
        x = torch.rand(3, requires_grad=True)
        y = x.exp()
        torch._foreach_sqrt_([y])
        y.sum().backward()
    """,
    "leaf written by a foreach operation: refused leaf": """
        x = torch.rand(3, requires_grad=True)
        torch._foreach_copy_([x], [torch.ones(3)])
    """,
    "copied by a foreach operation: not-implemented": """
        x = torch.rand(3, requires_grad=True)
        y = x * 1
        torch._foreach_copy_([y], [torch.ones(3)])
        y.sum().backward()
    """,
    "leaf written by a logical operation: ok": """
        x = torch.rand(3, requires_grad=True)
        x.logical_not_()
        x.logical_or_(torch.ones(3))
        x.sum().backward()
    """,
    "saved tensor written by a logical operation: stale": """
        x = torch.rand(3, requires_grad=True)
        y = x.exp()
        y.logical_not_()
        y.sum().backward()
    """,
    "chained matrices: stale": """
        x = torch.rand(3, 3, requires_grad=True)
        y = x * 1
        z = torch.chain_matmul(y, x)
        y += 1
        z.sum().backward()
    """,
    "scaled through data where only signs matter: ok": """
        x = torch.tensor([1.0, -2.0], requires_grad=True)
        y = F.relu(x)
        y.data.mul_(2)
        z = (x * 1).abs()
        z.data.mul_(3)
        (y + z).sum().backward()
    """,
    "weight given other memory, which `linear` saved as a view: ok": """
        net = nn.Linear(3, 3)
        out = net(torch.rand(2, 3, requires_grad=True))
        net.weight.data = torch.zeros(3, 3)
        out.sum().backward()
    """,
    "chosen by a condition, as a method: ok": """
        x = torch.rand(3, requires_grad=True)
        h = x * 1
        y = h.where(h.detach() > 0.5, x)
        h.detach_()
        h.mul_(2)
        y.sum().backward()
    """,
    "averaged to one element, which is a mean: ok": """
        x = torch.rand(1, 2, 4, 4, requires_grad=True)
        h = x * 1
        y = F.adaptive_avg_pool2d(h, 1) + F.adaptive_avg_pool2d(h, (1, 1))
        h.add_(1)
        y.sum().backward()
    """,
    "averaged to more elements: stale": """
        x = torch.rand(1, 2, 4, 4, requires_grad=True)
        h = x * 1
        y = F.adaptive_avg_pool2d(h, 2)
        h.add_(1)
        y.sum().backward()
    """,
    "polygamma: stale": """
        x = torch.rand(3, requires_grad=True)
        h = x * 1
        y = torch.polygamma(1, h) + h.polygamma(2)
        h.add_(1)
        y.sum().backward()
    """,
    "different elements, and no derivative: not-implemented": """
        x = torch.rand(3, requires_grad=True)
        y = torch.unique(x)
        z, at = torch.unique(x, return_inverse=True)
        (y.sum() + z.sum()).backward()
    """,
    "places of the different elements: no-graph": """
        x = torch.rand(3, requires_grad=True)
        z, at = torch.unique(x, return_inverse=True)
        at.sum().backward()
    """,
    "spectrum of a vector: non-scalar": """
        x = torch.rand(8, requires_grad=True)
        torch.fft.rfft(x).abs().backward()
    """,
    "singular values: non-scalar": """
        x = torch.rand(3, 3, requires_grad=True)
        torch.linalg.svd(x)[1].backward()
    """,
    "written by the function that is checkpointed: stale": """
        from torch.utils.checkpoint import checkpoint


        def part(t):
            t.mul_(2)
            return t.sin()


        x = torch.rand(3, requires_grad=True)
        h = x * 1
        checkpoint(part, h, use_reentrant=False).sum().backward()
    """,
    "written by a checkpointed function that keeps nothing: ok": """
        from torch.utils.checkpoint import checkpoint


        def part(t):
            t.sub_(1.0)
            return t.roll(1, -1)


        x = torch.rand(3, requires_grad=True)
        h = x * 2
        checkpoint(part, h, use_reentrant=False).norm().backward()
    """,
    "leaf written after a reentrant checkpoint, in which that is allowed: refused leaf": """
        from torch.utils.checkpoint import checkpoint


        def part(t):
            t *= 2
            return t.sin()


        x = torch.rand(3, requires_grad=True)
        y = checkpoint(part, x, use_reentrant=True)
        x += 1.0
    """,
}
"""What the program does, its outcome under torch, and its text without imports."""


@pytest.mark.parametrize("name", sorted(UNWATCHED))
def test_torch_does_not_see_the_write(name: str) -> None:
    x = torch.rand(3, 3, requires_grad=True)
    held = x * 1
    result = getattr(torch, name)(held, held)
    held.add_(1)
    result.sum().backward()  # no error, and a wrong gradient
    assert x.grad is not None
    assert not torch.allclose(x.grad, 2 * x.detach().sum().expand(3, 3))


@pytest.mark.parametrize("cause", CAUSES)
def test_linter_now_agrees_with_torch(cause: str) -> None:
    check_cause(cause, CAUSES[cause])

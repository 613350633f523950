"""Functions that people write by hand: each a definition, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Ready:
    """A ready definition, templates of calls of it, and how many values a call returns."""

    text: str
    calls: tuple[str, ...]
    results: int = 1


HELPERS: Final = (
    Ready("def normalize(t):\n    t /= t.norm()\n    return t", ("normalize({a})", "normalize({a} * 2)", "normalize({a}.clone())")),
    Ready("def scale_(t, factor=2.0):\n    t.mul_(factor)\n    return t", ("scale_({a})", "scale_({a}, {n})", "scale_({a}, factor=0.5)")),
    Ready("def residual(t, fn=torch.tanh):\n    return t + fn(t)", ("residual({a})", "residual({a}, torch.exp)", "residual({a}, fn=F.relu)")),
    Ready("def first_row(t):\n    return t[0]", ("first_row({a})",)),
    Ready("def halves(t):\n    left, right = t.chunk(2)\n    return left, right", ("halves({a})",), 2),
    Ready(
        "def clip(t, low=0.0, high=1.0, inplace=False):\n    if inplace:\n        return t.clamp_(low, high)\n    return t.clamp(low, high)",
        ("clip({a})", "clip({a}, inplace=True)", "clip({a}, -1.0, 1.0, True)", "clip({a}, high={k})"),
    ),
    Ready("def accumulate(total, t):\n    total += t\n    return total", ("accumulate({a}, {b})",)),
    Ready(
        "def update_average(average, t, decay=0.9):\n    with torch.no_grad():\n        average.mul_(decay).add_(t, alpha=1 - decay)\n    return average",
        ("update_average({a}, {b})", "update_average({a}, {b}, decay=0.5)"),
    ),
    Ready("def softmax(t):\n    e = torch.exp(t - t.max())\n    return e / e.sum()", ("softmax({a})",)),
    Ready("def softmax_inplace(t):\n    e = t.exp()\n    e /= e.sum()\n    return e", ("softmax_inplace({a})",)),
    Ready("def standardize(t):\n    t = t - t.mean()\n    t /= t.std()\n    return t", ("standardize({a})",)),
    Ready("def squared_error(prediction, target):\n    return ((prediction - target) ** 2).mean()", ("squared_error({a}, {b})", "squared_error(prediction={a}, target={b})")),
    Ready("def apply_all(functions, t):\n    for function in functions:\n        t = function(t)\n    return t", ("apply_all([torch.tanh, torch.sigmoid], {a})", "apply_all((F.relu, torch.exp), {a})")),
    Ready("def twice(fn, t):\n    return fn(fn(t))", ("twice(torch.tanh, {a})", "twice(lambda t: t * 2, {a})", "twice(lambda t: t.add_(1), {a})")),
    Ready("def zero_first(t):\n    t[0] = 0.0\n    return t", ("zero_first({a})", "zero_first({a}.clone())", "zero_first({a} * {n})")),
    Ready("def stop(t):\n    return t.detach()", ("stop({a})", "{a} * stop({b})", "{a} + stop({a}.round() - {a})")),
    Ready("def running_sum(items):\n    total = 0\n    for item in items:\n        total = total + item\n    return total", ("running_sum([{a}, {b}])", "running_sum({a})")),
    Ready("def repeated(t, depth):\n    if depth == 0:\n        return t\n    return repeated(torch.tanh(t), depth - 1)", ("repeated({a}, 2)", "repeated({a}, depth=1)")),
    Ready("def fill(t, value=0.0):\n    t.fill_(value)", ("fill({a})", "fill({a}, {n})", "fill({a}.detach())"), 0),
    Ready("def swap(one, other):\n    return other, one", ("swap({a}, {b})",), 2),
    Ready("def descend(parameter, lr=0.1):\n    with torch.no_grad():\n        parameter -= lr * parameter.grad\n    parameter.grad = None", ("descend({a})", "descend({a}, lr=0.01)"), 0),
    Ready("def init(t):\n    with torch.no_grad():\n        t.uniform_(-1, 1)\n    return t", ("init({a})",)),
    Ready("def add_optional(t, other=None):\n    if other is None:\n        return t\n    return t + other", ("add_optional({a})", "add_optional({a}, {b})", "add_optional({a}, other={b})")),
    Ready("def summary(t):\n    return {'mean': t.mean(), 'top': t.max()}", ("summary({a})['mean']", "summary({a})['top']")),
    Ready("@torch.no_grad()\ndef rescale(t, factor=0.5):\n    t.mul_(factor)", ("rescale({a})", "rescale({a}, factor={k})"), 0),
    Ready("@torch.no_grad()\ndef frozen(t):\n    return t * 2", ("frozen({a})", "{a} * frozen({b})")),
    Ready("def gate(t, *, inplace):\n    return F.relu(t, inplace=inplace)", ("gate({a}, inplace=False)", "gate({a}, inplace=True)")),
    Ready("def attend(t):\n    def weigh(s):\n        return s * t\n\n    return weigh(t) + t", ("attend({a})",)),
    Ready("def combine(*tensors):\n    return torch.stack(tensors).sum(0)", ("combine({a}, {b})", "combine({a}, {b}, {e})")),
    Ready("def mix(first, second, **weights):\n    return first * weights.get('left', 1.0) + second * weights.get('right', 1.0)", ("mix({a}, {b})", "mix({a}, {b}, left=0.5)", "mix({a}, {b}, left={e})")),
    Ready("def make_scale(factor):\n    def scale(t):\n        return t * factor\n\n    return scale", ("make_scale({n})({a})", "make_scale({b})({a})")),
    Ready("def make_adder(step):\n    def add(t):\n        t += step\n        return t\n\n    return add", ("make_adder({n})({a})", "make_adder({b})({a})")),
    Ready("def pieces(t):\n    yield t[:1]\n    yield t[1:]", ("torch.cat(list(pieces({a})))", "sum(piece.sum() for piece in pieces({a}))")),
    Ready(
        "def traced(fn):\n    def wrapper(*args, **kwargs):\n        return fn(*args, **kwargs)\n\n    return wrapper\n\n\n@traced\ndef double_(t):\n    return t.mul_(2)",
        ("double_({a})", "double_({a}.clone())"),
    ),
    Ready("def blend(t, other, inplace=False):\n    out = t if inplace else t.clone()\n    out.add_(other)\n    return out", ("blend({a}, {b})", "blend({a}, {b}, inplace=True)")),
    Ready("def bucket(t, width=2):\n    return t // width", ("bucket({a})", "bucket({a}, width={k})")),
    Ready("def flat(t):\n    return t.view(-1)", ("flat({a})", "flat({a}).sum()")),
    Ready("def last(states):\n    return states[-1]", ("last([{a}, {b}])",)),
    Ready("def count(values=[]):\n    values.append(1)\n    return len(values)", ("{a} * count()",)),
    Ready("def polynomial(t, *coefficients):\n    result = torch.zeros_like(t)\n    for power, c in enumerate(coefficients):\n        result += c * t**power\n    return result", ("polynomial({a}, 1.0, 2.0)", "polynomial({a}, {n}, 0.5, 2.0)")),
    Ready("def polynomial_inplace(t, *coefficients):\n    result = torch.ones_like(t)\n    for c in coefficients:\n        result *= t\n        result += c\n    return result", ("polynomial_inplace({a}, 1.0, 2.0)", "polynomial_inplace({a}, 0.5)")),
    Ready("def masked_loss(t, keep):\n    t[~keep] = 0.0\n    return t.sum()", ("masked_loss({a}, {a} > 0)", "masked_loss({a} * 2, {a} > 0.5)")),
    Ready("def with_loss(t):\n    loss = (t**2).sum()\n    loss.backward()\n    return loss", ("with_loss({a})",)),
    Ready("def gradient(t, x):\n    (g,) = torch.autograd.grad(t.sum(), x, create_graph=True, allow_unused=True)\n    return t if g is None else g", ("gradient({a}, {b})",)),
)  # fmt: skip

LAMBDAS: Final = (
    Ready("double = lambda t: t * 2", ("double({a})",)),
    Ready("shift_ = lambda t: t.add_(1)", ("shift_({a})",)),
    Ready("power = lambda t, n=2: t**n", ("power({a})", "power({a}, 3)", "power({a}, n={k})")),
    Ready("loss_of = lambda t: t.pow(2).mean()", ("loss_of({a})",)),
    Ready("product = lambda *ts: ts[0] * ts[1]", ("product({a}, {b})",)),
)

FUNCTIONS: Final = (
    Ready(
        "class Square(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        ctx.save_for_backward(x)\n        return x * x\n\n    @staticmethod\n    def backward(ctx, grad):\n        (x,) = ctx.saved_tensors\n        return 2 * x * grad",
        ("Square.apply({a})", "Square.apply({a} * 2)"),
    ),
    Ready(
        "class Exp(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        result = x.exp()\n        ctx.save_for_backward(result)\n        return result\n\n    @staticmethod\n    def backward(ctx, grad):\n        (result,) = ctx.saved_tensors\n        return grad * result",
        ("Exp.apply({a})",),
    ),
    Ready(
        "class Scale(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x, factor):\n        ctx.factor = factor\n        return x * factor\n\n    @staticmethod\n    def backward(ctx, grad):\n        return grad * ctx.factor, None",
        ("Scale.apply({a}, 2.0)", "Scale.apply({a}, {n})"),
    ),
    Ready(
        "class Multiply(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x, y):\n        ctx.save_for_backward(x, y)\n        return x * y\n\n    @staticmethod\n    def backward(ctx, grad):\n        x, y = ctx.saved_tensors\n        return grad * y, grad * x",
        ("Multiply.apply({a}, {b})",),
    ),
    Ready(
        "class ReLUInplace(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        ctx.mark_dirty(x)\n        x.clamp_(min=0)\n        ctx.save_for_backward(x)\n        return x\n\n    @staticmethod\n    def backward(ctx, grad):\n        (x,) = ctx.saved_tensors\n        return grad * (x > 0)",
        ("ReLUInplace.apply({a})", "ReLUInplace.apply({a} + {n})"),
    ),
    Ready(
        "class RoundStraight(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x.round()\n\n    @staticmethod\n    def backward(ctx, grad):\n        return grad",
        ("RoundStraight.apply({a})",),
    ),
    Ready(
        "class Reverse(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x.view_as(x)\n\n    @staticmethod\n    def backward(ctx, grad):\n        return -grad",
        ("Reverse.apply({a})", "Reverse.apply({a}).sum()"),
    ),
)  # fmt: skip

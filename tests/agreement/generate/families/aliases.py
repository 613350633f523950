"""Second names for a tensor: views, `.data`, arrays, items, attributes, closures, defaults; then writes through them."""

from __future__ import annotations

from typing import Final

import torch

from tests.agreement.generate import straight
from tests.agreement.generate.blocks import add_body
from tests.agreement.generate.sketch import Sketch

# `<r>` is a new name, `<u>` another; the rest as in the templates of straight programs.
_SAME: Final = (
    "<r> = {a}", "<r> = <u> = {a}", "<r>, <u> = {a}, {b}", "<r> = {a} if {a} is not None else {b}", "<r> = (lambda: {a})()", "<u> = lambda t: t\n<r> = <u>({a})",
    "<u> = [{a}, {b}]\n<r> = <u>[0]", "<u> = [{a}, {b}]\n<r> = <u>.pop(0)", "<u> = ({a}, {b})\n<r>, _ = <u>", "<u> = {{'t': {a}, 'o': {b}}}\n<r> = <u>['t']", "<u> = dict(t={a})\n<r> = <u>.get('t')",
    "<u> = {{}}\n<r> = <u>.setdefault('t', {a})", "<r> = [t for t in ({a}, {b})][0]", "<r> = next(t for t in ({a}, {b}))", "<r> = next(iter([{a}]))", "for <r> in ({b}, {a}):\n    pass",
    "<r>, *<u> = [{a}, {b}]", "*<u>, <r> = ({b}, {a})", "<u> = SimpleNamespace(t={a})\n<r> = <u>.t", "<u> = SimpleNamespace()\nsetattr(<u>, 't', {a})\n<r> = getattr(<u>, 't')", "<u> = Holder({a})\n<r> = <u>.value",
    "<u> = Holder({a})\n<r> = <u>.get()", "Holder.shared = {a}\n<r> = Holder.shared", "<u> = deque([{a}])\n<r> = <u>.popleft()", "<r> = max([{a}], key=lambda t: t.sum().item())", "<r> = list(reversed([{b}, {a}]))[0]",
    "<r> = dict(zip('ab', ({a}, {b})))['a']", "<r> = list(map(lambda t: t, [{a}]))[0]", "<u> = partial(pick, {a})\n<r> = <u>()", "<r> = pick({a}, {b})", "<u> = remember({a})\n<r> = <u>()", "<u> = Pair({a}, {b})\n<r> = <u>.first",
    "<r>, <u> = Pair({a}, {b})", "<r> = list(each({a}))[0]", "for <r> in each({b}, {a}):\n    pass", "def <u>(t={a}):\n    return t\n\n\n<r> = <u>()", "def <u>():\n    return {a}\n\n\n<r> = <u>()", "<r> = (<u> := {a})",
    "<r> = {a}.requires_grad_()", "with opened({a}) as <r>:\n    pass", "<u> = [{a}]\n<r> = <u>[-1]\n<u>.append({b})", "<r> = copy.copy({a})", "<r> = {{**{{'t': {a}}}}}['t']", "<r> = [*[{a}], {b}][0]",
)  # fmt: skip
_VIEWS: Final = (
    "<r> = {a}.view(-1)", "<r> = {a}.reshape(-1)", "<r> = {a}[0]", "<r> = {a}[:2]", "<r> = {a}.T", "<r> = {a}.unsqueeze(0)", "<r> = {a}.squeeze()", "<r> = {a}.expand(2, *{a}.shape)", "<r> = {a}.narrow(0, 0, 1)",
    "<r> = {a}.detach()", "<r> = {a}.data", "<r> = {a}.contiguous()", "<r> = {a}.float()", "<r> = {a}.to(torch.float32)", "<r> = torch.as_tensor({a})", "<r> = nn.Identity()({a})", "<r> = {a}.view_as({a})", "<r> = {a}.type_as({a})",
    "<r> = {a}.detach().view(-1)", "<r> = {a}.data[0]", "<r> = {a}.flatten()", "<r> = torch.flatten({a})", "<r> = torch.squeeze({a})", "<r> = {a}[...]", "<r> = {a}[None]", "<r> = torch.from_numpy({a}.detach().numpy())",
    "<r> = nn.Parameter({a})", "with torch.no_grad():\n    <r> = {a}.view(-1)", "with torch.no_grad():\n    <r> = {a}[0]", "<r> = {a}.real", "<r> = F.dropout({a}, 0.5, False)", "<r> = torch.atleast_1d({a})", "<r> = {a}.clone()",
    "<r> = {a}.diagonal()", "<r> = torch.movedim({a}, 0, -1)", "<r> = {a}.unfold(0, 2, 1)", "<r> = {a}.as_strided((1,), (1,))", "<r> = torch.broadcast_to({a}, {a}.shape)", "<r> = {a}.swapaxes(0, -1)",
    "<r> = {a}[[0]]", "<r> = {a} + 0", "<r> = {a}.detach().clone()", "<r> = torch.tensor({a}.tolist())", "<r> = {a}.ravel()", "<r> = {a}.alias()" if hasattr(torch.Tensor, "alias") else "<r> = {a}.view_as({a})",
)  # fmt: skip
_PIECES: Final = (
    "<r>, <u> = {a}.chunk(2)", "<r> = {a}.split(1)[0]", "<r> = {a}.unbind()[0]", "<r>, *<u> = {a}", "<r> = next(iter({a}))", "<r> = list({a})[-1]", "<u> = [*{a}]\n<r> = <u>[0]", "for <r> in {a}:\n    pass",
    "for i, <r> in enumerate({a}):\n    break", "for <r>, <u> in zip({a}, {b}):\n    pass", "<u> = [row for row in {a}]\n<r> = <u>[0]", "<u> = [{a}[i] for i in range(2)]\n<r> = <u>[0]", "<r> = {a}.unbind()[0].view(-1)",
    "<u> = list({a}.split(1))\n<r> = <u>[-1].squeeze()", "<r> = sorted({a}, key=lambda row: row.sum().item())[0]", "<u> = tuple(map(torch.squeeze, {a}.chunk(3)))\n<r> = <u>[0]", "<r> = {a}.tensor_split(2)[0]", "<r> = torch.unbind({a})[-1]",
    "<r>, <u> = torch.chunk({a}, 2, dim=-1)", "<r> = min({a}, key=lambda row: row.sum().item())", "<r> = dict(enumerate({a}))[0]", "<r> = {a}.chunk(2)[0].clone()", "for <r> in {a}.unbind(-1):\n    pass",
)  # fmt: skip
_WRITES: Final = (
    "<r>.mul_(2)", "<r> += 1", "<r> *= 2", "<r>.zero_()", "<r>[0] = 0.5", "<r>[...] = 0.1", "<r>.add_({n})", "F.relu_(<r>)", "with torch.no_grad():\n    <r>.add_(1)", "with torch.no_grad():\n    <r> *= 0.5", "<r>.data.mul_(2)",
    "<r>.detach().add_(1)", "scale_(<r>)", "list(map(scale_, [<r>]))", "[t.mul_(2) for t in (<r>,)]", "for t in (<r>,):\n    t += 1", "for t in (<r>,):\n    t = t + 1", "<r> = <r> + 1", "<r>.copy_({b})", "<r>.fill_(0.5)", "torch.exp_(<r>)",
    "<r>.view(-1)[0] = 3.0", "<r>[:1].mul_(2)", "<r>.clamp_(0, 1)", "<r>.exp_()", "<r>.sigmoid_()", "nn.init.zeros_(<r>)", "<r>.numpy()[0] = 5.0", "<r>.detach().numpy()[...] = 1.0", "<r> = <r>.mul_(2)", "torch.mul(<r>, 2, out=<r>)",
    "<r>.sub_(0.1 * <r>)", "<r> -= <r>.mean()", "<r> /= <r>.norm()", "<r>.set_({b}.detach())", "<r>.data = {b}.detach()", "<r>.requires_grad_(False)", "<r>.detach_()", "with written(<r>):\n    pass", "<r>.neg_().add_(1)",
)  # fmt: skip
_THROUGH: Final = (
    "<u> = [{a}, {b}]\n<u>[0] += 1", "<u> = {{'t': {a}}}\n<u>['t'] *= 2", "<u> = Holder({a})\n<u>.value += 1", "<u> = Holder({a})\n<u>.bump()", "<u> = SimpleNamespace(t={a})\n<u>.t.mul_(2)", "<u> = [{a}]\nfor t in <u>:\n    t.mul_(2)",
    "<u> = [{a}, {b}]\nfor i in range(2):\n    <u>[i] = <u>[i] * 2", "<u> = [{a}, {b}]\nfor i, t in enumerate(<u>):\n    <u>[i] *= 2", "for t, o in zip([{a}], [{b}]):\n    t.copy_(o)", "for row in {a}:\n    row.mul_(2)", "for row in {a}:\n    row += 1",
    "for row in {a}.unbind():\n    row.add_(1)", "for i in range(len({a})):\n    {a}[i] *= 2", "<u> = {{'t': {a}}}\nfor key in <u>:\n    <u>[key].mul_(0.5)", "<u> = {{'t': {a}}}\nfor t in <u>.values():\n    t += 1", "<u> = {{'t': {a}}}\nfor key, t in <u>.items():\n    <u>[key] = t.mul(2)",
    "def <u>():\n    {a}.add_(1)\n\n\n<u>()", "def <u>(t={a}):\n    t.mul_(2)\n\n\n<u>()", "<u> = lambda: {a}.mul_(2)\n<u>()", "<u> = partial(scale_, {a})\n<u>()", "<u> = [{a}, {b}]\nscale_(*<u>[:1])", "<u> = dict(t={a})\nscale_(**<u>)",
    "with written({a}):\n    pass", "for t in each({a}, {b}):\n    t.add_(1)", "<u> = Pair({a}, {b})\n<u>.first.mul_(2)", "<u> = [{a}, {b}]\n<u>.reverse()\n<u>[-1].add_(1)", "<u> = [{a}]\n<u>.extend([{b}])\n<u>[0].add_(1)", "<u> = [{a}].copy()\n<u>[0].mul_(2)",
    "<u> = {a}\n<u> += 1", "<u> = {a}\n<u> = <u> + 1", "<u> = copy.deepcopy({a}.detach())\n<u>.add_(1)", "<u> = {a}.detach().numpy()\n<u> += 1", "<u> = {a}.detach().numpy()\n<u>[0] = 2.0", "<u> = np.asarray({a}.detach())\nnp.add(<u>, 1, out=<u>)",
    "<u> = {a}.numpy()\n<u> *= 2", "<u> = np.array({a}.detach())\n<u>[0] = 2.0", "{a}.data.add_(1)", "{a}.data = {a}.data + 1", "<u> = memoryview({a}.detach().numpy())", "torch._foreach_mul_([{a}], 2.0)", "nn.utils.clip_grad_norm_([{a}], 1.0)",
)  # fmt: skip
_DEFINITIONS: Final = {
    "Holder(": "class Holder:\n    shared = None\n\n    def __init__(self, value):\n        self.value = value\n\n    def get(self):\n        return self.value\n\n    def bump(self):\n        self.value.add_(1)",
    "Holder.": "class Holder:\n    shared = None",
    "pick": "def pick(t, other=None):\n    return t",
    "remember(": "def remember(t):\n    def recall():\n        return t\n\n    return recall",
    "Pair(": "class Pair(NamedTuple):\n    first: torch.Tensor\n    second: torch.Tensor",
    "each(": "def each(*tensors):\n    for t in tensors:\n        yield t",
    "opened(": "@contextmanager\ndef opened(t):\n    yield t",
    "written(": "@contextmanager\ndef written(t):\n    yield t\n    t.mul_(2)",
    "scale_": "def scale_(t, factor=2.0):\n    t.mul_(factor)",
}  # fmt: skip
_IMPORTS: Final = {
    "SimpleNamespace": "from types import SimpleNamespace", "deque": "from collections import deque", "partial(": "from functools import partial", "copy.": "import copy", "np.": "import numpy as np",
    "Pair(": "from typing import NamedTuple", "opened(": "from contextlib import contextmanager", "written(": "from contextlib import contextmanager",
}  # fmt: skip
_SAVES: Final = (
    "{a}.exp()", "{a} * {b}", "{a} ** 2", "torch.sigmoid({a})", "{a} / {b}", "torch.tanh({a})", "{a}.sqrt()", "{a} @ {b}", "{a} * 2", "{a} + {b}", "{a}.relu()", "{a}.norm()", "torch.where({a} > 0, {a}, {b})", "{a}.softmax(-1)",
    "F.mse_loss({a}, {b})", "{a}.prod()", "{a}.max(0).values", "{a} * {a}", "torch.addcmul({a}, {b}, {b})", "{a}.log_softmax(-1)", "{a}.cumsum(0)", "{a}.clamp(0, 1)", "{a}.std()",
)  # fmt: skip
_TRIES: Final = 6


def aliases_program(sketch: Sketch) -> None:
    """Leaves; a value; one or several second names; writes through them; a backward."""
    straight.add_leaves(sketch)
    _compute(sketch)
    for _ in sketch.some(1, 3):
        for step in sketch.pick(
            (
                ("save", "alias"),
                ("alias", "save"),
                ("save", "through"),
                ("alias", "save", "write"),
                ("save", "alias", "write"),
                ("save", "alias", "alias", "write"),
                ("alias", "write", "save"),
            )
        ):
            _STEPS[step](sketch)
        if sketch.ended is not None or len(sketch.lines) > 30:
            break
    if sketch.ended is None and sketch.chance(0.25):
        add_body(sketch)
    straight.finish(sketch)


def _compute(sketch: Sketch) -> bool:
    return straight.add_operation(sketch)


def _save(sketch: Sketch) -> bool:
    """An operation that mostly saves what the last lines named."""
    return straight.try_templates(sketch, _SAVES, lambda text: f"{sketch.new_name()} = {text}", near=True)


def _alias(sketch: Sketch) -> bool:
    """One more name for a tensor, or for a part of it."""
    group = sketch.pick_weighted(((_SAME, 4), (_VIEWS, 4), (_PIECES, 2.5)))
    return _try(sketch, group)


def _write(sketch: Sketch) -> bool:
    """A write through the newest names."""
    named = [name for name in sketch.tensors() if name.isidentifier()][-3:]
    return bool(named) and _try(sketch, _WRITES, name=sketch.pick(named))


def _through(sketch: Sketch) -> bool:
    """A write in the same breath as the alias."""
    return _try(sketch, _THROUGH)


_STEPS: Final = {"save": _save, "alias": _alias, "write": _write, "through": _through}


def _try(sketch: Sketch, group: tuple[str, ...], name: str = "") -> bool:
    """Fill and try templates of the group until one fits."""
    for _ in range(_TRIES):
        form = sketch.pick(group)
        result, other = sketch.new_names(2)
        filled = straight.fill(sketch, form.replace("<r>", name or result).replace("<u>", other), near=True)
        if filled is None or not _provided(sketch, filled):
            continue
        if sketch.add(filled):
            if form.startswith("<u> = [") and isinstance(sketch.value(other), list):
                sketch.parts.append(f"{other}[0]")
            return True
    return False


def _provided(sketch: Sketch, text: str) -> bool:
    """Defines and imports what the text uses."""
    for piece, line in _IMPORTS.items():
        if piece in text and line not in sketch.imports:
            sketch.run(line)
            sketch.imports.insert(0 if line.startswith("import") else len(sketch.imports), line)
    for piece, definition in _DEFINITIONS.items():
        name = piece.strip("(.")
        if piece in text and name not in sketch.names and not sketch.define(definition):
            return False
    return True

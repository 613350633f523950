"""Compound statements and containers: constant branches, loops, comprehension, lists and dicts of tensors, `try`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import torch

from tests.agreement.generate.sketch import Sketch
from tests.agreement.generate.straight import Mode, add_gradient_use, add_operation, add_write, fill, try_templates
from tests.agreement.generate.templates import ALIAS_WRITES, AUGMENTED, INDEX_WRITES, TENSOR_WRITES
from tests.agreement.outcome import Kind

Maker: TypeAlias = Callable[[Sketch], bool]

_FLAGS: Final = ("training", "verbose", "use_bias", "inplace", "residual", "normalize")
_COUNTERS: Final = ("steps", "depth", "rounds", "n")
_ASKED: Final = (
    "{a}.dim() == 1", "{a}.dim() > 1", "{a}.shape[0] == 3", "{a}.shape[0] > 2", "{a}.requires_grad", "{a} is not None", "{a}.is_leaf",
    "isinstance({a}, torch.Tensor)", "torch.is_grad_enabled()", "{a}.numel() > 1", "not {a}.requires_grad", "{a}.grad is None",
    "len({a}) > 2", "{a}.ndim == 2 and {a}.requires_grad", "{a}.dtype == torch.float32", "{a}.size(0) != 1",
)  # fmt: skip


def add_small(sketch: Sketch) -> bool:
    """A statement for the body of something."""
    makers: tuple[tuple[Maker, float], ...] = (
        (add_operation, 6),
        (add_write, 5),
        (add_call, 2),
        (add_gradient_use, 0.3),
    )
    return sketch.pick_weighted(makers)(sketch)


def add_body(sketch: Sketch, most: int = 2) -> None:
    """One to a few small statements; tried again as long as there is none."""
    before = len(sketch.lines)
    wanted = sketch.rng.randint(1, most)
    for _ in range(wanted + 3):
        if len(sketch.lines) - before < wanted and sketch.ended is None:
            add_small(sketch)


def add_call(sketch: Sketch) -> bool:
    """A call of something that the program defines."""
    if not sketch.calls:
        return False
    call = sketch.pick(sketch.calls)
    filled = fill(sketch, call.template)
    if filled is None:
        return False
    if call.results == 0 or (call.results == 1 and sketch.chance(0.1)):
        return sketch.add(filled)
    if call.results == 1:
        return sketch.add(f"{sketch.result_name()} = {filled}")
    return sketch.add(f"{', '.join(sketch.new_names(call.results))} = {filled}")


# ------------------------------------------------------------------- branches


def add_branch(sketch: Sketch) -> bool:
    """`if` on something constant; what is not taken is written without being run."""
    condition = _condition(sketch)
    value = sketch.value(condition)
    if value is None:
        return False
    before = len(sketch.lines)
    two_sided = sketch.chance(0.6)
    if value:
        with sketch.block(f"if {condition}:"):
            add_body(sketch)
        if two_sided and len(sketch.lines) > before:
            _write_untaken(sketch, "else:")
    elif not _write_untaken(sketch, f"if {condition}:"):
        return False
    elif two_sided:
        with sketch.block("else:"):
            add_body(sketch)
    return len(sketch.lines) > before


def _condition(sketch: Sketch) -> str:
    if sketch.chance(0.45):
        filled = fill(sketch, sketch.pick(_ASKED))
        if filled is not None:
            return filled
    if sketch.chance(0.6):
        name = sketch.pick(_FLAGS)
        if name not in sketch.names:
            sketch.add(f"{name} = {sketch.chance(0.6)}")
        return name if sketch.chance(0.75) else f"not {name}"
    name = sketch.pick(_COUNTERS)
    if name not in sketch.names:
        sketch.add(f"{name} = {sketch.rng.randint(1, 3)}")
    return f"{name} {sketch.pick(('>', '==', '<', '>='))} {sketch.rng.randint(1, 3)}"


def _write_untaken(sketch: Sketch, header: str) -> bool:
    """A block that does not run: grown on copies."""
    inner = sketch.fork(sketch.copies())
    inner.parts = list(sketch.parts)
    add_body(inner)
    if inner.lines:
        sketch.write("\n".join([header, *textwrap.indent("\n".join(inner.lines), "    ").splitlines()]))
    return bool(inner.lines)


def add_choice(sketch: Sketch) -> bool:
    """`a if flag else b`."""
    condition = _condition(sketch)
    first, second = fill(sketch, sketch.pick(_TERMS)), fill(sketch, sketch.pick(_TERMS))
    return bool(first and second) and sketch.add(f"{sketch.result_name()} = {first} if {condition} else {second}")


_TERMS: Final = (
    "{a}", "{a} * {n}", "{a}.exp()", "torch.tanh({a})", "{a}.detach()", "{a}.clone()", "{a} + {b}", "{a} * {b}", "{a}.sum()",
    "F.relu({a})", "{a}[0]", "{a}.view(-1)", "{a} ** 2", "{a}.sigmoid()", "torch.sqrt({a})", "{a} - {b}", "{a}.mean()",
)  # fmt: skip


# ------------------------------------------------------------------- loops


def add_loop(sketch: Sketch) -> bool:
    """A loop with a known number of rounds."""
    makers: tuple[tuple[Maker, float], ...] = (
        (_range_loop, 5),
        (_tensor_loop, 3),
        (_zip_loop, 1.5),
        (_while_loop, 1.5),
        (_row_loop, 1),
    )
    return sketch.pick_weighted(makers)(sketch)


def _range_loop(sketch: Sketch) -> bool:
    name, rounds = sketch.pick(("i", "j", "step", "_", "k", "epoch")), sketch.rng.randint(2, 4)
    start = sketch.pick(("", "", "", "1, "))
    first = 1 if start else 0
    if name != "_":
        sketch.numbers += [name, f"{name} + 1"]
    done = sketch.repeat(
        f"for {name} in range({start}{rounds + first}):",
        [{name: number} for number in range(first, rounds + first)],
        lambda: add_body(sketch, 3),
    )
    sketch.numbers = [number for number in sketch.numbers if name == "_" or not number.startswith(name)]
    return done


def _tensor_loop(sketch: Sketch) -> bool:
    """Over several tensors: a display, a list, the items of a dict, enumerated."""
    listed = [name for name, value in sketch.names.items() if _is_list_of_tensors(value)]
    name = sketch.new_name(("t", "item", "value", "tensor", "g"))
    if listed and sketch.chance(0.6):
        source = sketch.pick(listed)
        values = list(sketch.names[source])
    else:
        picked = [tensor for tensor in (sketch.pick_tensor() for _ in sketch.some(2, 3)) if tensor is not None]
        source = f"{'[' if sketch.chance(0.4) else '('}{', '.join(picked)}"
        source += "]" if source.startswith("[") else ")"
        values = [sketch.value(each) for each in picked]
        if len(picked) < 2:
            return False
    header, rounds = f"for {name} in {source}:", [{name: value} for value in values]
    if sketch.chance(0.3):
        header = f"for i, {name} in enumerate({source}):"
        rounds = [{"i": number, name: value} for number, value in enumerate(values)]
    elif sketch.chance(0.15):
        header, rounds = f"for {name} in reversed({source}):", rounds[::-1]
    return sketch.repeat(header, rounds, lambda: _add_about(sketch, name))


def _add_about(sketch: Sketch, name: str) -> None:
    """Statements that use `name`, mostly."""
    if sketch.chance(0.8):
        group = sketch.pick_weighted(
            ((AUGMENTED, 3), (TENSOR_WRITES, 3), (INDEX_WRITES, 2), (_ABOUT, 5), (ALIAS_WRITES, 1))
        )
        for _ in range(4):
            template = sketch.pick(group).replace("{a}", name)
            filled = fill(sketch, template)
            if filled and sketch.add(filled):
                break
    else:
        add_body(sketch)
    if sketch.chance(0.4):
        add_small(sketch)


_ABOUT: Final = (
    "total = {a}.sum()", "{b} = {b} + {a}", "{b} += {a}", "out = {a} * {b}", "{b} = {b} * {a}", "{b} *= {a}", "res = torch.tanh({a})",
    "{b} = torch.exp({b} * {a})", "h = {a}.exp() + {b}", "{b} = {b} + {a}.sum()", "{a} = {a} * 2", "{b}[0] = {a}[0]",
    "{a}.sum().backward()", "{a}.mean().backward(retain_graph=True)",
)  # fmt: skip


def _zip_loop(sketch: Sketch) -> bool:
    picked = [sketch.pick_tensor() for _ in range(4)]
    if None in picked:
        return False
    left, right = [str(each) for each in picked[:2]], [str(each) for each in picked[2:]]
    one, two = sketch.new_names(2)
    rounds = [{one: sketch.value(a), two: sketch.value(b)} for a, b in zip(left, right, strict=True)]
    header = f"for {one}, {two} in zip([{', '.join(left)}], [{', '.join(right)}]):"
    forms = (f"{one} += {two}", f"{one}.mul_({two})", f"out = {one} * {two}", f"res = ({one} * {two}).sum()", f"{one}.copy_({two})",
             f"{one} = {one} + {two}", f"{one}[0] = {two}[0]", f"total = ({one} - {two}).pow(2).sum()")  # fmt: skip

    def body() -> None:
        if sketch.add(sketch.pick(forms)):
            add_small(sketch)

    return sketch.repeat(header, rounds, body)


def _while_loop(sketch: Sketch) -> bool:
    name, rounds = sketch.new_name(("count", "steps_done", "turn")), sketch.rng.randint(2, 3)
    if not sketch.add(f"{name} = 0"):
        return False
    header = f"while {name} < {rounds}:"

    def body() -> None:
        add_body(sketch)
        if not sketch.add(f"{name} += 1"):
            sketch.write(f"{name} += 1")

    bound: list[dict[str, Any]] = [{name: number} for number in range(rounds)]
    if not sketch.repeat(header, bound, body):
        sketch.lines.remove(f"{'    ' * sketch.depth}{name} = 0")
        return False
    return True


def _row_loop(sketch: Sketch) -> bool:
    """Over the rows of a tensor, which are views of several outputs."""
    name = sketch.pick_tensor(lambda tensor: tensor.is_floating_point() and tensor.dim() > 0 and len(tensor) < 4)
    if name is None:
        return False
    rounds = [{"row": row} for row in sketch.tensor(name)]
    if not rounds:
        return False
    return sketch.repeat(f"for row in {name}:", rounds, lambda: _add_about(sketch, "row"))


# ------------------------------------------------------------------- containers


def _is_list_of_tensors(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(item, torch.Tensor) for item in value)


def add_container(sketch: Sketch) -> bool:
    """A list, tuple or dict of tensors; its items are tensors to compute with from then on."""
    items = [fill(sketch, sketch.pick(_ITEMS)) for _ in sketch.some(2, 3)]
    if None in items:
        return False
    form = sketch.rng.random()
    if form < 0.35:
        name = sketch.new_name(("states", "outputs", "layers", "parts", "tensors", "history"))
        text, keys = f"[{', '.join(map(str, items))}]", [str(number) for number in range(len(items))] + ["-1"]
    elif form < 0.55:
        name = sketch.new_name(("pair", "group", "both"))
        text, keys = f"({', '.join(map(str, items))})", [str(number) for number in range(len(items))]
    elif form < 0.8:
        name = sketch.new_name(("cache", "params", "batch", "store"))
        keys = [f'"{key}"' for key in sketch.rng.sample(("h", "w", "x", "mean", "out", "bias"), len(items))]
        text = "{" + ", ".join(f"{key}: {item}" for key, item in zip(keys, items, strict=True)) + "}"
    else:
        return _add_comprehension(sketch)
    if not sketch.add(f"{name} = {text}"):
        return False
    sketch.parts += [f"{name}[{key}]" for key in keys]
    return True


_ITEMS: Final = (
    "{a}", "{a}", "{a}", "{a} * {n}", "{a}.exp()", "torch.tanh({a})", "{a}.clone()", "{a}.detach()", "{a}[0]", "{a} + {b}", "{a} ** 2",
    "torch.sigmoid({a})", "{a}.view(-1)",
)  # fmt: skip


def _add_comprehension(sketch: Sketch) -> bool:
    listed = [name for name, value in sketch.names.items() if _is_list_of_tensors(value)]
    forms: Sequence[str] = (
        "[{a} * i for i in range(1, 4)]", "[torch.tanh({a} * k) for k in range(2)]", "[{a}.clone() for _ in range(3)]",
        "[t * {b} for t in ({a}, {b})]", "[row * 2 for row in {a}]", "list({a}.unbind())", "[{a}[i] for i in range(2)]",
        "[{a}.exp() for _ in range(2)]", "[t for t in ({a}, {b}) if t.requires_grad]", "[F.relu({a} + i) for i in range(2)]",
    )  # fmt: skip
    if listed and sketch.chance(0.5):
        source = sketch.pick(listed)
        forms = (f"[t.exp() for t in {source}]", f"[t * 2 for t in {source}]", f"[t.detach() for t in {source}]",
                 f"[t.mul_(2) for t in {source}]", f"[torch.sigmoid(t) for t in {source}]", f"[t + {{a}} for t in {source}]")  # fmt: skip
    filled = fill(sketch, sketch.pick(forms))
    name = sketch.new_name(("outs", "scaled", "rows", "steps_out", "terms"))
    if filled is None or not sketch.add(f"{name} = {filled}"):
        return False
    sketch.parts += [f"{name}[0]", f"{name}[-1]"]
    return True


def add_container_use(sketch: Sketch) -> bool:
    """A statement about a whole list of tensors."""
    listed = [name for name, value in sketch.names.items() if isinstance(value, list) and _is_list_of_tensors(value)]
    if not listed:
        return False
    name = sketch.pick(listed)
    result = sketch.result_name()
    templates = (
        "{r} = torch.stack({l})", "{r} = torch.cat({l})", "{r} = sum({l})", "{r} = sum(t.sum() for t in {l})", "{l}.append({a})",
        "{r} = {l}.pop()", "{l}[0] = {a} * 2", "{l}[0] = {l}[0] * 2", "{l}[-1] += 1", "{r}, *rest = {l}", "first, last = {l}[0], {l}[-1]",
        "{r} = torch.stack([t.mean() for t in {l}]).sum()", "{l}.extend([{a}, {b}])", "{l}[0].mul_({n})", "{r} = {l}[0] * {l}[1]",
        "torch.autograd.backward([t.sum() for t in {l}])", "{r} = max({l}, key=lambda t: t.sum().item())", "{l}.clear()",
        "{r} = [t.detach() for t in {l}]", "total = sum(map(torch.sum, {l}))",
    )  # fmt: skip
    template = sketch.pick(templates).replace("{l}", name).replace("{r}", result)
    filled = fill(sketch, template)
    return filled is not None and sketch.add(filled)


# ------------------------------------------------------------------- try, with


def add_try(sketch: Sketch) -> bool:
    """`try`: around a statement that torch refuses at once, or around one that runs."""
    for _ in range(6):
        filled = fill(sketch, sketch.pick(sketch.pick((AUGMENTED, INDEX_WRITES, TENSOR_WRITES))))
        if filled is None:
            continue
        outcome = sketch.run(filled)
        if outcome.kind is Kind.OTHER:
            continue
        repair = fill(
            sketch, sketch.pick(("{a} = {a} * 2", "{a} = {a}.clone()", "print('refused')", "out = {a} + 1", "pass"))
        )
        if outcome.kind is Kind.REFUSED:
            sketch.run(repair or "pass")
        elif outcome.kind is not Kind.OK:
            continue
        sketch.write(f"try:\n    {filled}\nexcept RuntimeError:\n    {repair}")
        if sketch.chance(0.2):
            sketch.write("finally:\n    print('done')")
        return True
    return False


def add_walrus(sketch: Sketch) -> bool:
    """Less usual bindings."""
    one, two = sketch.new_names(2)
    forms = (
        f"if ({one} := {{a}}.sum()).requires_grad:\n    {two} = {one} * 2",
        f"{one} = {two} = {{a}} * {{n}}", f"{one}, {two} = {{a}}, {{b}}", f"{one}, {two} = {{a}} * 2, {{b}}.exp()",
        f"({one},) = [{{a}}.exp()]", f"[{one}, {two}] = {{a}} + 1, {{b}} * {{a}}", f"{one} = ({two} := {{a}}.sigmoid()) * {{b}}",
        f"{one}: torch.Tensor = {{a}} * {{b}}", f"{one} = {{a}}.exp(); {two} = {one} + 1",
    )  # fmt: skip
    return try_templates(sketch, [sketch.pick(forms)], str)


def add_with(sketch: Sketch) -> bool:
    """A block that changes how gradients are recorded, or does nothing."""
    modes: tuple[tuple[str, Mode], ...] = (
        ("with torch.no_grad():", torch.no_grad),
        ("with torch.no_grad():", torch.no_grad),
        ("with torch.enable_grad():", torch.enable_grad),
        ("with torch.set_grad_enabled(True):", lambda: torch.set_grad_enabled(True)),
        ("with torch.set_grad_enabled(mode=False):", lambda: torch.set_grad_enabled(False)),
        ("with torch.autograd.set_detect_anomaly(False):", lambda: torch.autograd.set_detect_anomaly(False)),
    )
    header, context = sketch.pick(modes)
    before = len(sketch.lines)
    with sketch.block(header, context()):
        add_body(sketch)
    return len(sketch.lines) > before

"""Random straight-line programs: leaves, operations, writes, aliases, gradient modes and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias

import torch

from tests.agreement.generate import templates
from tests.agreement.generate.sketch import LEAVES, Sketch, in_graph

Mode: TypeAlias = Callable[[], AbstractContextManager[Any]]
_TRIES: Final = 6


def straight_program(sketch: Sketch) -> None:
    """A whole program."""
    add_leaves(sketch)
    for _ in sketch.some(3, 11):
        add_statement(sketch)
        if sketch.ended is not None:
            break
    finish(sketch)


def finish(sketch: Sketch) -> None:
    """A last backward; now and then more after it. After a fault it is only written: it will not be reached."""
    if sketch.ended is not None:
        last = sketch.pick_tensor(requires_grad)
        if last and sketch.depth == 0 and sketch.chance(0.4):
            sketch.write(f"{last}.sum().backward()")
        return
    for _ in range(_TRIES):
        if add_backward(sketch):
            break
    while sketch.ended is None and sketch.chance(0.3):
        add_statement(sketch)
        if sketch.chance(0.6):
            add_backward(sketch)


def add_leaves(sketch: Sketch) -> None:
    """One to three leaves that require grad, constants, and at times an index and a mask."""
    for _ in sketch.some(1, 3):
        _add_leaf(sketch)
    for _ in sketch.some(0, 2):
        shape = _shape(sketch)
        sketch.add(f"{sketch.new_name(('c', 'k', 'target', 'const', 'data'))} = {_filled(sketch, shape)}")
    if sketch.chance(0.35):
        sketch.add(f"idx = torch.tensor({sketch.pick(('[0, 1]', '[0, 1, 1]', '[0]', '[1, 0]'))})")
    if sketch.chance(0.25):
        sketch.add(f"mask = torch.tensor({sketch.pick(('[True, False, True]', '[False, True, True]'))})")


def _add_leaf(sketch: Sketch) -> None:
    name, shape = sketch.new_name(LEAVES), _shape(sketch)
    value = _filled(sketch, shape)
    form = sketch.rng.random()
    if form < 0.6 and value.startswith("torch."):
        sketch.add(
            f"{name} = {value[:-1]}{', ' if not value.endswith('(') and value[-2] != '(' else ''}requires_grad=True)"
        )
    elif form < 0.8:
        sketch.add(f"{name} = nn.Parameter({value})")
    else:
        sketch.add(f"{name} = {value}.requires_grad_()")


def _shape(sketch: Sketch) -> str:
    return sketch.shape if sketch.chance(0.75) else sketch.pick(templates.SHAPES)


def _filled(sketch: Sketch, shape: str) -> str:
    if shape == "":
        return f"torch.tensor({sketch.pick(('2.0', '0.5', '1.0', '3.0'))})"
    if shape == "3" and sketch.chance(0.4):
        return f"torch.tensor([{sketch.pick(('1.0, 2.0, 3.0', '0.5, -1.0, 2.0', '4.0, 5.0, 6.0'))}])"
    size = shape if "," in shape else f"{shape},"
    return sketch.pick(templates.LEAF_VALUES).format(s=shape, t=size)


def add_statement(sketch: Sketch) -> None:
    """One statement of a random sort."""
    makers: tuple[tuple[Callable[[Sketch], bool], float], ...] = (
        (add_operation, 10),
        (add_write, 5),
        (add_multiple, 1.2),
        (add_no_grad, 1.2),
        (add_alias, 0.8),
        (add_backward, 0.8),
        (add_gradient_use, 1.0),
        (add_mode, 0.4),
        (add_del, 0.3),
        (add_item, 0.3),
    )
    for _ in range(_TRIES):
        if sketch.pick_weighted(makers)(sketch):
            return


def try_templates(sketch: Sketch, choices: Sequence[str], form: Callable[[str], str], *, near: bool = False) -> bool:
    """Fill and try templates of `choices` until one fits; `form` makes the statement."""
    for _ in range(_TRIES):
        filled = fill(sketch, sketch.pick(choices), near=near)
        if filled and sketch.add(form(filled)):
            return True
    return False


def fill(sketch: Sketch, template: str, *, near: bool = False) -> str | None:
    """The template with names and numbers in place; None if there is nothing to put in."""
    first = sketch.pick_tensor(near=near)
    values = {"a": first, "n": sketch.pick(sketch.numbers), "k": sketch.pick(templates.POSITIVE)}
    if first and ("{b}" in template or "{e}" in template):
        shape = sketch.tensor(first).shape
        values["b"] = partner(sketch, shape)
        values["e"] = partner(sketch, shape)
    values["i"] = sketch.pick_tensor(lambda tensor: tensor.dtype == torch.int64)
    values["m"] = sketch.pick_tensor(lambda tensor: tensor.dtype == torch.bool)
    if any(value is None and f"{{{key}}}" in template for key, value in values.items()):
        return None
    return template.format(**values)


def partner(sketch: Sketch, shape: torch.Size) -> str | None:
    """A second operand: mostly of the same shape."""
    same = sketch.pick_tensor(lambda tensor: tensor.is_floating_point() and tensor.shape == shape)
    return same if same and sketch.chance(0.75) else sketch.pick_tensor()


def add_operation(sketch: Sketch) -> bool:
    """`name = operation`."""
    groups: tuple[tuple[Sequence[str], float], ...] = (
        (templates.ARITHMETIC, 7),
        (_unary(sketch), 5),
        (templates.BINARY, 3),
        (templates.REDUCTIONS, 4),
        (templates.LOSSES, 1),
        (templates.VIEWS, 3),
        (templates.COPIES, 2.5),
        (templates.OTHERS, 0.4),
    )
    choices = sketch.pick_weighted(groups)
    return try_templates(sketch, choices, lambda filled: f"{sketch.result_name()} = {filled}")


def _unary(sketch: Sketch) -> tuple[str, ...]:
    name, activation = sketch.pick(templates.UNARY), sketch.pick(templates.ACTIVATIONS)
    return (f"torch.{name}({{a}})", f"{{a}}.{name}()", f"F.{activation}({{a}})")


def add_multiple(sketch: Sketch) -> bool:
    """`name, name = operation with several results`."""
    for _ in range(_TRIES):
        template, count = sketch.pick(templates.MULTIPLE)
        names = ", ".join(sketch.new_names(count))
        filled = fill(sketch, template)
        if filled and sketch.add(f"{names} = {filled}"):
            return True
    return False


def add_write(sketch: Sketch) -> bool:
    """A statement that writes a tensor."""
    groups: tuple[tuple[Sequence[str], float], ...] = (
        (templates.TENSOR_WRITES, 5),
        (templates.AUGMENTED, 5),
        (templates.INDEX_WRITES, 3.5),
        (templates.FUNCTION_WRITES, 2),
        (templates.ALIAS_WRITES, 2),
        (templates.UNSEEN_WRITES, 1.2),
        (templates.INTEGER_WRITES, 0.6),
    )
    choices = sketch.pick_weighted(groups)
    bind = choices is templates.TENSOR_WRITES and sketch.chance(0.15)
    return try_templates(
        sketch, choices, lambda filled: f"{sketch.result_name()} = {filled}" if bind else filled, near=True
    )


def add_no_grad(sketch: Sketch) -> bool:
    """A block without gradients that writes, and at times computes."""
    modes: tuple[tuple[str, Mode], ...] = (
        ("with torch.no_grad():", torch.no_grad),
        ("with torch.no_grad():", torch.no_grad),
        ("with torch.inference_mode():", torch.inference_mode),
        ("with torch.set_grad_enabled(False):", lambda: torch.set_grad_enabled(False)),
        ("with torch.autograd.no_grad():", torch.no_grad),
    )
    header, context = sketch.pick(modes)
    before = len(sketch.lines)
    with sketch.block(header, context()):
        if sketch.chance(0.8):
            try_templates(sketch, templates.NO_GRAD_WRITES, str)
        if sketch.chance(0.35):
            add_operation(sketch)
        if "inference" not in header and sketch.chance(0.15):
            with sketch.block("with torch.enable_grad():", torch.enable_grad()):
                add_operation(sketch)
    return len(sketch.lines) > before


def add_alias(sketch: Sketch) -> bool:
    """`b = a`: a second name for the same tensor."""
    name = sketch.pick_tensor()
    return name is not None and sketch.add(f"{sketch.new_name()} = {name}")


def requires_grad(tensor: torch.Tensor) -> bool:
    """Whether autograd tracks the tensor."""
    return tensor.requires_grad


def add_backward(sketch: Sketch) -> bool:
    """A backward pass, mostly from recent graph tensors; or `autograd.grad`."""
    fits = requires_grad if sketch.chance(0.95) else torch.is_floating_point
    root, second, leaf = sketch.pick_tensor(fits, near=True), sketch.pick_tensor(fits), sketch.pick_tensor(is_leaf)
    if root is None or second is None:
        return False
    choices = templates.GRADS if leaf and sketch.chance(0.2) else templates.BACKWARDS
    if choices is templates.BACKWARDS and sketch.chance(0.2):
        loss = sketch.new_name(("loss", "total", "cost"))
        if not sketch.add(f"{loss} = {root}.sum() + {second}.mean()"):
            return False
        if sketch.ended is not None:  # torch refused that already
            return True
        root = loss
    statement = sketch.pick(choices).format(r=root, s=second, x=leaf, g=sketch.new_name(("g", "gx", "grads")))
    if _is_vector_backward(sketch, statement, root) and sketch.chance(0.9):
        statement = statement.replace(".backward", ".sum().backward")
    return sketch.add(statement)


def _is_vector_backward(sketch: Sketch, statement: str, root: str) -> bool:
    bare = statement in (f"{root}.backward()", f"{root}.backward(retain_graph=True)")
    return bare and sketch.tensor(root).numel() != 1


def is_leaf(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a leaf that requires grad."""
    return tensor.requires_grad and not in_graph(tensor)


def add_gradient_use(sketch: Sketch) -> bool:
    """A statement about the `.grad` of a leaf that has one."""
    leaf = sketch.pick_tensor(lambda tensor: is_leaf(tensor) and tensor.grad is not None)
    if leaf is None:
        return False
    other = partner(sketch, sketch.tensor(leaf).shape)
    statement = sketch.pick(templates.GRAD_USES).format(x=leaf, b=other, g=sketch.new_name(("g", "grad", "old")))
    return sketch.add(statement)


def add_mode(sketch: Sketch) -> bool:
    """Now and then the mode is switched without a block, and back after a few statements."""
    sketch.add("torch.set_grad_enabled(False)")
    for _ in sketch.some(1, 2):
        add_operation(sketch)
    sketch.run("torch.set_grad_enabled(True)")
    sketch.write("torch.set_grad_enabled(True)")
    return True


def add_del(sketch: Sketch) -> bool:
    """`del name`."""
    names = [name for name in sketch.tensors(in_graph) if name.isidentifier()]
    return len(names) > 2 and sketch.add(f"del {sketch.pick(names)}")


def add_item(sketch: Sketch) -> bool:
    """A read that leaves the graph alone."""
    name = sketch.pick_tensor()
    forms = ("print({}.sum().item())", "print({}.shape)", "print({}.detach().tolist())", "print(float({}.sum()))")
    return name is not None and sketch.add(sketch.pick(forms).format(name))

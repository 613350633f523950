"""The out-of-place form of an in-place write: `h += 1` becomes `h = h + 1`, `h.relu_()` becomes `h = h.relu()`.

It is safe where nothing but the name holds the written tensor, so that nobody can see that it is a new one, and where
the result surely has the dtype that the tensor has: writing in place keeps it, computing anew may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import libcst as cst

from autograd_lint.events import How, Site, Write
from autograd_lint.facts import table
from autograd_lint.finding import Edit, Fix, Range
from autograd_lint.fixing.calls import argument, without_argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.ownership import is_dead, is_new, owns
from autograd_lint.fixing.walk import descendants, target_names

_PLAIN: Final = frozenset(
    ["add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative", "abs", "absolute",
     "relu", "leaky_relu", "elu", "sigmoid", "tanh", "sqrt", "sin", "cos", "clamp", "clamp_min", "clamp_max", "clip"]
)  # fmt: skip
"""Operations whose result has the operand's dtype when all else is a real number, under autocast too."""
_PLAIN_OPERATORS: Final = frozenset({"+", "-", "*", "/"})
_BINDING: Final = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "@": 2, "**": 3}


_READ_ONLY: Final = frozenset({"T", "mT", "H", "mH", "real", "imag"})
"""Attributes of a tensor that are views of it, to which nothing can be assigned."""


@dataclass(frozen=True, slots=True)
class _Rewrite:
    """How the write itself becomes an operation; `written` is what it changes, `plain`: its dtype surely stays."""

    call: cst.Call
    written: cst.BaseExpression
    edits: tuple[Edit, ...]
    plain: bool


def out_of_place(code: Code, event: Write) -> Fix | None:
    """The out-of-place form of a write, where the code has a place for its result."""
    if not event.grad_enabled:
        return None  # without gradients, the tensor keeps the history that a new one would not have
    if event.how is How.MODULE:
        return not_in_place(code, event)
    if event.how is How.AUGMENTED:
        statement = code.find(event.site, cst.AugAssign)
        return None if statement is None else _augmented(code, statement, event.target.made)
    call = code.find(event.site, cst.Call)
    rewrite = None if call is None else _method(code, call) or _function(code, call)
    return None if rewrite is None else _with_result(code, rewrite, event.target.made)


def not_in_place(code: Code, event: Write) -> Fix | None:
    """Build the module without `inplace=True`."""
    call = code.find(event.constructor, cst.Call)
    given = None if call is None else argument(call, "inplace")
    if call is None or given is None:
        return None
    return code.unsafe("build the module without `inplace=True`", without_argument(code, call, given))


def _augmented(code: Code, node: cst.AugAssign, made: Site | None) -> Fix | None:
    target = node.target
    if isinstance(node.value, cst.Yield) or (isinstance(target, cst.Subscript) and not _reads_the_same(target)):
        return None
    name = code.text(target)
    start, end = code.place(node.target).end, code.place(node.value).start
    between = code.source.text_of(Range(start, end))
    sign = between.strip().strip("\\").strip().removesuffix("=")
    if between.count(f"{sign}=") != 1:
        return None
    edits = [code.replace_from(start, end, between.replace(f"{sign}=", f"= {name} {sign}"))]
    if _needs_parentheses(node.value, sign):
        edits += code.wrap(node.value, "(", ")")
    same = sign in _PLAIN_OPERATORS and _is_real_number(node.value)
    local = isinstance(node.target, cst.Name) and owns(code, name, node, made)
    fix = code.safe if same and local else code.unsafe
    return fix(f"use the out-of-place form: `{name} = {name} {sign} …`", *edits)


def _reads_the_same(item: cst.Subscript) -> bool:
    """Whether `item`, of a list or dict, is the same when it is written twice."""
    return not any(isinstance(found, cst.Call | cst.NamedExpr | cst.Await | cst.Yield) for found in descendants(item))


def _method(code: Code, call: cst.Call) -> _Rewrite | None:
    func = call.func
    if not isinstance(func, cst.Attribute) or not func.attr.value.endswith("_") or meaning_of(code, func):
        return None
    name = func.attr.value.removesuffix("_")
    if table.parameters(f"Tensor.{name}") is None:
        return None
    return _Rewrite(call, func.value, (code.replace(func.attr, name),), name in _PLAIN and _has_real_numbers(call.args))


def _function(code: Code, call: cst.Call) -> _Rewrite | None:
    """`torch.relu_(h)` and `F.relu(h, inplace=True)`."""
    name, written = meaning_of(code, call.func), argument(call, "input", 0)
    if written is None or not name:
        return None
    plain = name.rpartition(".")[2].removesuffix("_") in _PLAIN and _has_real_numbers(call.args[1:])
    in_place = argument(call, "inplace")
    if in_place is not None:
        edit = without_argument(code, call, in_place)
        return None if edit is None else _Rewrite(call, written.value, (edit,), plain)
    other = name.removesuffix("_")
    if other == name or table.parameters(other) is None or not isinstance(call.func, cst.Attribute):
        return None
    renamed = code.replace(call.func.attr, other.rpartition(".")[2])
    return _Rewrite(call, written.value, (renamed,), plain)


def _with_result(code: Code, rewrite: _Rewrite, made: Site | None) -> Fix | None:
    """Let the name of the written tensor hold the result, if it is read again."""
    call, written = rewrite.call, rewrite.written
    message = "use the out-of-place form"
    if isinstance(written, cst.Subscript) and not _takes_items(code, written.value):
        return None
    if isinstance(written, cst.Attribute) and written.attr.value in _READ_ONLY:
        return None
    if isinstance(written, cst.Attribute | cst.Subscript) and isinstance(code.parent(call), cst.Expr):
        bound = code.insert(code.place(call).start, f"{code.text(written)} = ")
        return code.unsafe(f"{message}: `{code.text(written)} = …`", bound, *rewrite.edits)
    if not isinstance(written, cst.Name):
        new = is_new(code, written) and code.node(made) is written
        return (code.safe if rewrite.plain else code.unsafe)(message, *rewrite.edits) if new else None
    around, line, name = code.parent(call), code.line(call), written.value
    if line is None or code.in_comprehension(call):
        return None
    fix = code.safe if rewrite.plain and owns(code, name, call, made) else code.unsafe
    if isinstance(around, cst.Expr):
        return fix(f"{message}: `{name} = …`", code.insert(code.place(call).start, f"{name} = "), *rewrite.edits)
    if _rebinds(around, name) or is_dead(code, name, line):
        return fix(message, *rewrite.edits)
    if isinstance(around, cst.Assign) and around.value is call:
        return fix(message, code.insert(code.place(call).start, f"{name} = "), *rewrite.edits)
    return None


def _takes_items(code: Code, container: cst.BaseExpression) -> bool:
    """Whether an element can be put into `container`: all that its name is bound to here are lists or dicts."""
    if not isinstance(container, cst.Name):
        return False
    values = [
        found.value
        for found in descendants(code.scope(container))
        if isinstance(found, cst.Assign) and any(container.value in target_names(to.target) for to in found.targets)
    ]
    return bool(values) and all(
        isinstance(value, cst.List | cst.ListComp | cst.Dict | cst.DictComp) for value in values
    )


def _rebinds(node: cst.CSTNode | None, name: str) -> bool:
    """`name = name.op_()`."""
    if not isinstance(node, cst.Assign):
        return False
    return any(isinstance(target.target, cst.Name) and target.target.value == name for target in node.targets)


def _needs_parentheses(value: cst.BaseExpression, sign: str) -> bool:
    """Whether `value` would fall apart behind a binary operator."""
    if value.lpar:
        return False
    if isinstance(value, cst.BinaryOperation):
        inner = _BINDING.get(_sign_of(value.operator), 0)
        return sign not in _BINDING or inner <= _BINDING[sign]
    return isinstance(
        value,
        cst.Comparison | cst.BooleanOperation | cst.IfExp | cst.Lambda | cst.NamedExpr | cst.Tuple | cst.UnaryOperation,
    ) and not (isinstance(value, cst.UnaryOperation) and not isinstance(value.operator, cst.Not))


def _sign_of(operator: cst.BaseBinaryOp) -> str:
    signs = {
        cst.Multiply: "*",
        cst.Divide: "/",
        cst.FloorDivide: "//",
        cst.Modulo: "%",
        cst.MatrixMultiply: "@",
        cst.Add: "+",
        cst.Subtract: "-",
        cst.Power: "**",
    }
    return signs.get(type(operator), "")


def _has_real_numbers(args: object) -> bool:
    return isinstance(args, list | tuple) and all(not arg.star and _is_real_number(arg.value) for arg in args)


def _is_real_number(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus | cst.Plus):
        return _is_real_number(node.expression)
    return isinstance(node, cst.Integer | cst.Float)

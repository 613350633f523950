"""Arguments kept away from where a derivative is infinite: a norm, a clamp above zero, a second `where`."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.events import InfiniteDerivative, Singularity
from autograd_lint.finding import Fix
from autograd_lint.fixing.calls import argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of, name_for
from autograd_lint.fixing.values import bracketed
from autograd_lint.fixing.walk import assigned_names, descendants, names_read

_SMALL: Final = "1e-12"
"""Well above what a square of float32 can lose, well below what matters."""
_HARMLESS: Final = {"asin": "0.0", "acos": "0.0", "atanh": "0.0", "log1p": "0.0", "acosh": "2.0"}
"""An argument at which the operation has a finite derivative, where that is not 1."""


def away_from_the_edge(code: Code, event: InfiniteDerivative) -> Fix | None:
    """The fix for the kind of edge."""
    match event.kind:
        case Singularity.CLAMP:
            return _clamped(code, event)
        case Singularity.NORM:
            return _norm(code, event) or _raised(code, event)
        case Singularity.WHERE:
            return _guarded(code, event)


def _operand(code: Code, node: cst.CSTNode | None) -> cst.BaseExpression | None:
    """What a function or a power is computed of, or what is divided by: where the derivative is infinite."""
    match node:
        case cst.BinaryOperation(operator=cst.Divide()):
            return node.right
        case cst.BinaryOperation(operator=cst.Power()):
            return node.left
        case cst.Call(func=func) if meaning_of(code, func):
            given = argument(node, "input", 0)
            return None if given is None or len(node.args) != 1 else given.value
        case cst.Call(func=cst.Attribute(value=value), args=()):
            return value
    return None


# --------------------------------------------------------------------- roots


def _clamped(code: Code, event: InfiniteDerivative) -> Fix | None:
    """`clamp(min=0)` becomes `clamp(min=1e-12)`, and so does `relu()`."""
    clamp = code.find(event.inner, cst.Call)
    if clamp is None or not isinstance(clamp.func, cst.Attribute):
        return None
    message = "clamp at a small positive number"
    if clamp.func.attr.value == "relu" and not clamp.args:
        kept = bracketed(code, clamp.func.value)
        return code.unsafe(message, code.replace(clamp, f"{kept}.clamp(min={_SMALL})"))
    least = argument(clamp, "min") or argument(clamp, "min", 1 if meaning_of(code, clamp.func) else 0)
    if least is None or not isinstance(least.value, cst.Integer | cst.Float) or float(code.text(least.value)):
        return None
    return code.unsafe(message, code.replace(least.value, _SMALL))


def _norm(code: Code, event: InfiniteDerivative) -> Fix | None:
    """`(x**2).sum(dim=1).sqrt()` becomes `torch.linalg.vector_norm(x, dim=1)`, whose gradient at zero is zero."""
    root = code.expression(event.site)
    total = _operand(code, root)
    if root is None or not isinstance(total, cst.Call) or not isinstance(total.func, cst.Attribute):
        return None
    given, squares = list(total.args), total.func.value
    if meaning_of(code, total.func) == "torch.sum" and given and given[0].keyword is None:
        squares = given.pop(0).value
    elif meaning_of(code, total.func) or total.func.attr.value != "sum":
        return None
    base = _base(code, squares)
    norm = name_for(code, "torch.linalg.vector_norm", root)
    if base is None or norm is None or norm.imports or any(arg.star for arg in given) or len(given) > 2:
        return None
    names = ("dim", "keepdim")
    rest = [f"{arg.keyword.value if arg.keyword else names[i]}={code.text(arg.value)}" for i, arg in enumerate(given)]
    if any(not text.startswith(("dim=", "keepdim=")) for text in rest):
        return None
    text = f"{norm.text}({', '.join([code.text(base), *rest])})"
    return code.unsafe("use `torch.linalg.vector_norm`", code.replace(root, text))


def _base(code: Code, squares: cst.BaseExpression) -> cst.BaseExpression | None:
    """`x` of `x**2`, `x.pow(2)`, `x.square()`, `torch.square(x)`."""
    match squares:
        case cst.BinaryOperation(left=left, operator=cst.Power(), right=cst.Integer(value="2")):
            return left
        case cst.Call(func=cst.Attribute(value=left, attr=cst.Name(value="square")), args=()):
            return left
        case cst.Call(func=cst.Attribute(attr=cst.Name(value="square")), args=[cst.Arg(value=left)]):
            return left if meaning_of(code, squares.func) == "torch.square" else None
        case cst.Call(func=cst.Attribute(value=left, attr=cst.Name(value="pow")), args=[cst.Arg(value=by)]):
            return left if code.text(by) == "2" and not meaning_of(code, squares.func) else None
        case cst.Call(func=cst.Attribute(attr=cst.Name(value="pow")), args=[cst.Arg(value=left), cst.Arg(value=by)]):
            return left if code.text(by) == "2" and meaning_of(code, squares.func) == "torch.pow" else None
    return None


def _raised(code: Code, event: InfiniteDerivative) -> Fix | None:
    """A small number added to what the root is taken of."""
    root = code.expression(event.site)
    inner = _operand(code, root)
    if root is None or inner is None:
        return None
    text = f"{bracketed(code, inner)} + {_SMALL}"
    alone = isinstance(root, cst.Call) and bool(root.args)
    return code.unsafe("add a small number inside", code.replace(inner, text if alone else f"({text})"))


# --------------------------------------------------------------------- where


def _guarded(code: Code, event: InfiniteDerivative) -> Fix | None:
    """`where(x > 0, x.sqrt(), y)` becomes `where(x > 0, where(x > 0, x, 1.0).sqrt(), y)`."""
    chooser, inner = code.find(event.site, cst.Call), code.expression(event.inner)
    operand = _operand(code, inner)
    where = None if chooser is None else name_for(code, "torch.where", chooser)
    if chooser is None or inner is None or operand is None or where is None or where.imports:
        return None
    condition, taken = _choice(code, chooser)
    if condition is None or taken is None or not _is_known_at(code, condition, inner, chooser):
        return None
    second = any(found is taken[1] for found in (inner, *code.around(inner)))
    if not second and not any(found is taken[0] for found in (inner, *code.around(inner))):
        second = _is_named(code, taken[1], inner)
        if not second and not _is_named(code, taken[0], inner):
            return None
    harmless = _HARMLESS.get(event.op, "1.0")
    kept = code.text(operand)[1:-1] if len(operand.lpar) == 1 else code.text(operand)
    parts = (harmless, kept) if second else (kept, harmless)
    guarded = f"{where.text}({code.text(condition)}, {parts[0]}, {parts[1]})"
    return code.unsafe("keep the argument away from the edge", code.replace(operand, guarded))


Branches = tuple[cst.BaseExpression, cst.BaseExpression]


def _choice(code: Code, chooser: cst.Call) -> tuple[cst.BaseExpression | None, Branches | None]:
    """The condition of a `where` and its two branches."""
    given = [arg.value for arg in chooser.args]
    if any(arg.star or arg.keyword for arg in chooser.args) or not isinstance(chooser.func, cst.Attribute):
        return None, None
    if meaning_of(code, chooser.func) == "torch.where" and len(given) == 3:
        return given[0], (given[1], given[2])
    if not meaning_of(code, chooser.func) and len(given) == 2:
        return given[0], (chooser.func.value, given[1])
    return None, None


def _is_known_at(code: Code, condition: cst.BaseExpression, inner: cst.CSTNode, chooser: cst.CSTNode) -> bool:
    """Whether the condition can be computed where the operation is, with the same result as at the `where`."""
    scope = code.scope(inner)
    if code.scope(chooser) is not scope:
        return False
    names = {read.value for read in names_read(condition)}
    statement = code.statement(inner)
    bound = [
        code.place(found).start
        for found in descendants(scope)
        if isinstance(found, cst.Assign | cst.AugAssign | cst.AnnAssign) and names & set(assigned_names(found))
    ]
    if statement is None:
        return False
    start, end = code.place(statement).start, code.place(chooser).start
    return not any(start <= place < end for place in bound)


def _is_named(code: Code, branch: cst.BaseExpression, inner: cst.CSTNode) -> bool:
    """Whether a branch reads a name that the statement around the operation binds."""
    statement = code.statement(inner)
    made = set() if statement is None else set(assigned_names(statement))
    return any(read.value in made for read in names_read(branch))

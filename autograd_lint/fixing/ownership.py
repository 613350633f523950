"""Whether a local name is all that holds a tensor: then binding it anew is the same as writing to the tensor.

Only what can be read off the code counts: the name is bound to a new tensor before, in the same block or one around it,
and everything in between merely computes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import libcst as cst

from autograd_lint.events import Site
from autograd_lint.facts import table
from autograd_lint.facts.model import Alias
from autograd_lint.finding import Position
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of
from autograd_lint.fixing.walk import descendants, names_read, target_names

_HARMLESS_ATTRIBUTES: Final = frozenset({"shape", "dtype", "device", "ndim", "is_leaf", "requires_grad"})
_HARMLESS_METHODS: Final = frozenset({"backward", "item", "size", "dim", "numel", "tolist", "is_floating_point"})
_HARMLESS_FUNCTIONS: Final = frozenset({"print", "len", "str", "repr", "float", "int", "bool", "isinstance"})
_LOOPS: Final = (cst.For, cst.While)
_JOINS: Final = (cst.BinaryOperation, cst.Comparison, cst.ComparisonTarget)


def is_new(code: Code, value: cst.BaseExpression) -> bool:
    """Whether an expression, if it is a tensor, is one that nothing else holds or shares memory with."""
    match value:
        case cst.BinaryOperation():
            return True
        case cst.UnaryOperation(operator=cst.Minus()):
            return True
        case cst.Call():
            return _operation(code, value) is not None
    return False


def owns(code: Code, name: str, write: cst.CSTNode, made: Site | None) -> bool:
    """Whether only the name `name` holds what the write at `write` changes, a tensor made at `made`."""
    scope = code.scope(write)
    if isinstance(scope, cst.ClassDef | cst.Lambda) or code.in_comprehension(write):
        return False
    if _is_declared(code.tree, name):
        return False
    span = _since_bound(code, name, write)
    if span is None:
        return False
    bound, end = span
    start, maker = code.place(bound).end, code.node(made)
    if maker is None or not code.place(bound).start <= code.place(maker).start < code.place(write).start:
        return False  # another function made it, and may hold it still
    return all(
        _is_harmless(code, read)
        for read in names_read(scope)
        if read.value == name and start <= code.place(read).start < end
    )


def is_dead(code: Code, name: str, after: cst.CSTNode) -> bool:
    """Whether a function reads its local `name` nowhere after a statement."""
    scope = code.scope(after)
    if not isinstance(scope, cst.FunctionDef) or _is_declared(scope, name):
        return False
    if any(isinstance(found, _LOOPS) for found in _around_within(code, after, scope)):
        return isinstance(after, cst.SimpleStatementLine) and isinstance(after.body[-1], cst.Return)
    if any(code.scope(read) is not scope for read in names_read(scope) if read.value == name):
        return False
    end = code.place(after).end
    return all(code.place(read).start < end for read in names_read(scope) if read.value == name)


def _operation(code: Code, call: cst.Call, *, method: bool = False) -> str | None:
    """The torch operation of a call, if every tensor it gives is new; `method`: it surely is one of a tensor's."""
    if any(arg.keyword is not None and arg.keyword.value in ("inplace", "out") for arg in call.args):
        return None
    name = meaning_of(code, call.func)
    if not name and isinstance(call.func, cst.Attribute) and (method or _has_plain_arguments(call)):
        # `self.relu(y)` is a module, in place perhaps: a method of a tensor is known by what it is given.
        name = f"Tensor.{call.func.attr.value}"
    effect = table.effect(name, {}) if name else None
    if effect is None or effect.written or effect.perhaps_written or not effect.outputs:
        return None
    return name if all(output.alias is Alias.FRESH for output in effect.outputs) else None


def _has_plain_arguments(call: cst.Call) -> bool:
    return all(_is_plain(arg.value) for arg in call.args)


def _is_plain(node: cst.BaseExpression) -> bool:
    """A number, a string, None or a flag."""
    if isinstance(node, cst.UnaryOperation):
        return _is_plain(node.expression)
    words = ("None", "True", "False")
    return isinstance(node, cst.BaseNumber | cst.SimpleString) or (isinstance(node, cst.Name) and node.value in words)


def _is_declared(scope: cst.CSTNode, name: str) -> bool:
    return any(
        isinstance(found, cst.Global | cst.Nonlocal) and any(item.name.value == name for item in found.names)
        for found in descendants(scope)
    )


def _since_bound(code: Code, name: str, write: cst.CSTNode) -> tuple[cst.CSTNode, Position] | None:
    """From where `name` is bound to something new until the write, or the end of the loop the write repeats in."""
    current = code.statement(write)
    end = None if current is None else code.place(current).start
    while current is not None and end is not None:
        block = code.parent(current)
        if not isinstance(block, cst.IndentedBlock | cst.Module):
            return None
        bound = _bound_before(name, block.body, current)
        if bound is not None:
            return (bound, end) if _binds_new(code, bound, name) else None
        around = code.parent(block)
        if isinstance(around, cst.Else | cst.Finally | cst.ExceptHandler):
            around = code.parent(around)
        if not isinstance(around, cst.If | cst.For | cst.While | cst.With | cst.Try):
            return None
        if isinstance(around, _LOOPS):
            if name in target_names(getattr(around, "target", around)):
                return None
            end = code.place(around).end
        current = around
    return None


def _bound_before(
    name: str, block: Sequence[cst.BaseStatement | cst.BaseSmallStatement], statement: cst.CSTNode
) -> cst.CSTNode | None:
    """The last statement of a block before `statement` that binds `name`."""
    found = None
    for candidate in block:
        if candidate is statement:
            return found
        if any(isinstance(node, cst.CSTNode) and name in _binds(node) for node in descendants(candidate)):
            found = candidate
    return None


def _binds(node: cst.CSTNode) -> Iterator[str]:
    if isinstance(node, cst.AssignTarget | cst.AnnAssign | cst.For | cst.CompFor | cst.NamedExpr):
        yield from target_names(node.target)
    elif isinstance(node, cst.AsName):
        yield from target_names(node.name)
    elif isinstance(node, cst.Del):
        yield from target_names(node.target)
    elif isinstance(node, cst.FunctionDef | cst.ClassDef | cst.MatchAs | cst.MatchStar):
        yield from () if node.name is None else target_names(node.name)


def _binds_new(code: Code, statement: cst.CSTNode, name: str) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    match statement.body[0]:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=bound))], value=value):
            return bound == name and is_new(code, value)
        case cst.AnnAssign(target=cst.Name(value=bound), value=cst.BaseExpression() as value):
            return bound == name and is_new(code, value)
    return False


def _is_harmless(code: Code, read: cst.Name) -> bool:
    """Whether a name is used so that nothing holds its tensor, or a view of it, afterwards."""
    around = code.parent(read)
    match around:
        case cst.BinaryOperation() | cst.Comparison() | cst.ComparisonTarget() | cst.FormattedStringExpression():
            return True
        case cst.UnaryOperation(operator=operator):
            return not isinstance(operator, cst.Plus)
        case cst.AugAssign(target=target):
            return target is read
        case cst.Attribute():
            return _is_harmless_attribute(code, around)
        case cst.Arg():
            call = code.parent(around)
            return isinstance(call, cst.Call) and _takes_no_hold(code, call)
        case cst.Subscript(value=value) if value is read:
            return isinstance(code.parent(around), (*_JOINS, cst.AssignTarget))
        case cst.AssignTarget():
            statement = code.line(around)
            return statement is not None and _binds_new(code, statement, read.value)
    return False


def _is_harmless_attribute(code: Code, node: cst.Attribute) -> bool:
    call, name = code.parent(node), node.attr.value
    if not isinstance(call, cst.Call) or call.func is not node:
        return name in _HARMLESS_ATTRIBUTES
    if name in _HARMLESS_METHODS or _operation(code, call, method=True) is not None:
        return True
    # What an in-place method returns is the tensor again: thrown away, it holds nothing.
    written = name.endswith("_") and table.parameters(f"Tensor.{name}") is not None
    return written and isinstance(code.parent(call), cst.Expr)


def _takes_no_hold(code: Code, call: cst.Call) -> bool:
    if isinstance(call.func, cst.Name) and call.func.value in _HARMLESS_FUNCTIONS:
        return True
    return bool(meaning_of(code, call.func)) and _operation(code, call) is not None


def _around_within(code: Code, node: cst.CSTNode, scope: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for found in code.around(node):
        if found is scope:
            return
        yield found

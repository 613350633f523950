"""Edits of calls: arguments found, dropped, set and added, and calls put around expressions."""

from __future__ import annotations

import libcst as cst

from autograd_lint.finding import Edit, Position
from autograd_lint.fixing.code import Code


def argument(call: cst.Call, keyword: str, position: int | None = None) -> cst.Arg | None:
    """The argument given by keyword, or at a position; None where it is not there or a `*` hides which one it is."""
    for found in call.args:
        if found.keyword is not None and found.keyword.value == keyword:
            return found
    before = call.args[: position + 1] if position is not None else ()
    if position is None or len(before) <= position or any(arg.star or arg.keyword for arg in before):
        return None
    return before[position]


def without_argument(code: Code, call: cst.Call, unwanted: cst.Arg) -> Edit | None:
    """Drop an argument with its comma."""
    index = next(i for i, arg in enumerate(call.args) if arg is unwanted)
    if index + 1 < len(call.args):
        start, end = code.place(unwanted).start, code.place(call.args[index + 1]).start
    elif index > 0:
        start, end = _end_of(code, call.args[index - 1]), _end_of(code, unwanted)
    else:
        start, end = code.place(unwanted).start, _end_with_comma(code, unwanted)
    return code.replace_from(start, end, "")


def with_keyword(code: Code, call: cst.Call, keyword: str, value: str) -> Edit:
    """Set a keyword argument: its value where it is given, else a new one after the last argument."""
    given = argument(call, keyword)
    if given is not None:
        return code.replace(given.value, value)
    if not call.args:
        end = code.place(call).end
        closing = Position(end.row, end.column - 1 - _closing(call))
        return code.insert(closing, f"{keyword}={value}")
    return code.insert(_end_of(code, call.args[-1]), f", {keyword}={value}")


def needs_parentheses(node: cst.BaseExpression) -> bool:
    """Whether a method call or an attribute put after `node` would belong to only a part of it."""
    if node.lpar:
        return False
    return not isinstance(
        node,
        cst.Name
        | cst.Attribute
        | cst.Call
        | cst.Subscript
        | cst.List
        | cst.Dict
        | cst.Set
        | cst.ListComp
        | cst.SetComp
        | cst.DictComp
        | cst.SimpleString
        | cst.FormattedString,
    )


def receiver(code: Code, node: cst.BaseExpression) -> str:
    """The text of `node` as what a method is called on."""
    text = code.text(node)
    return f"({text})" if needs_parentheses(node) else text


def call_method(code: Code, node: cst.BaseExpression, method: str) -> tuple[Edit, ...]:
    """Put `.method` (written with its arguments) after an expression."""
    if needs_parentheses(node):
        return code.wrap(node, "(", f"){method}")
    return (code.insert(code.place(node).end, method),)


def _end_of(code: Code, arg: cst.Arg) -> Position:
    """Where an argument ends, before its comma."""
    return code.place(arg.value).end


def _end_with_comma(code: Code, arg: cst.Arg) -> Position:
    return code.place(arg.comma).end if isinstance(arg.comma, cst.Comma) else _end_of(code, arg)


def _closing(call: cst.Call) -> int:
    """How many parentheses around a call end after its own."""
    return len(call.rpar)

"""Lowers LibCST expressions: one function a node type, chosen by the type itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import libcst as cst

from autograd_lint.static.syntax import ir, literals
from autograd_lint.static.syntax.context import Context, by_node_type
from autograd_lint.static.syntax.triggers import ATTRIBUTES, KEYWORDS, is_attribute_trigger

BINARY: Final[dict[type[cst.CSTNode], str]] = {
    cst.Add: "+",
    cst.Subtract: "-",
    cst.Multiply: "*",
    cst.Divide: "/",
    cst.FloorDivide: "//",
    cst.Modulo: "%",
    cst.Power: "**",
    cst.MatrixMultiply: "@",
    cst.BitAnd: "&",
    cst.BitOr: "|",
    cst.BitXor: "^",
    cst.LeftShift: "<<",
    cst.RightShift: ">>",
}
UNARY: Final[dict[type[cst.CSTNode], str]] = {cst.Plus: "+", cst.Minus: "-", cst.BitInvert: "~", cst.Not: "not"}
COMPARE: Final[dict[type[cst.CSTNode], str]] = {
    cst.Equal: "==",
    cst.NotEqual: "!=",
    cst.LessThan: "<",
    cst.LessThanEqual: "<=",
    cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
    cst.In: "in",
    cst.NotIn: "not in",
    cst.Is: "is",
    cst.IsNot: "is not",
}
ParamKind: TypeAlias = Literal["posonly", "normal", "vararg", "kwonly", "kwarg"]
CONSTANT_NAMES: Final[dict[str, object]] = {"None": None, "True": True, "False": False}


def expression(ctx: Context, node: cst.BaseExpression) -> ir.Expr:
    """Lower any expression."""
    return EXPRESSIONS[type(node)](ctx, node)  # type: ignore[no-any-return]


def optional(ctx: Context, node: cst.BaseExpression | None) -> ir.Expr | None:
    """Lower an expression that may be absent."""
    return None if node is None else EXPRESSIONS[type(node)](ctx, node)


def annotation(ctx: Context, node: cst.Annotation | None) -> ir.Expr | None:
    """Lower an annotation; it is never executed, so that it calls and triggers nothing."""
    if node is None:
        return None
    return unexecuted(ctx, node.annotation)


def unexecuted(ctx: Context, node: cst.BaseExpression) -> ir.Expr:
    """Lower an expression without noting what it would do."""
    scope = ctx.scope
    ctx.scope = ir.Scope()
    lowered = EXPRESSIONS[type(node)](ctx, node)
    ctx.scope = scope
    return lowered  # type: ignore[no-any-return]


# ------------------------------------------------------------ names, literals


def _name(ctx: Context, node: cst.Name) -> ir.Expr:
    value = node.value
    if value in CONSTANT_NAMES:
        return ir.Const(node, CONSTANT_NAMES[value])
    return ir.Name(node, value)


def _integer(ctx: Context, node: cst.Integer) -> ir.Expr:
    return ir.Const(node, literals.integer(node.value))


def _float(ctx: Context, node: cst.Float) -> ir.Expr:
    return ir.Const(node, float(node.value))


def _imaginary(ctx: Context, node: cst.Imaginary) -> ir.Expr:
    return ir.Const(node, complex(node.value))


def _ellipsis(ctx: Context, node: cst.Ellipsis) -> ir.Expr:
    return ir.Const(node, ...)


def _string(ctx: Context, node: cst.SimpleString) -> ir.Expr:
    return ir.Const(node, literals.string(node.value))


def _concatenated(ctx: Context, node: cst.ConcatenatedString) -> ir.Expr:
    pieces = [expression(ctx, piece) for piece in _string_pieces(node)]
    values = [piece.value for piece in pieces if type(piece) is ir.Const]
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(pieces):
        return ir.Const(node, "".join(texts))
    data = [value for value in values if isinstance(value, bytes)]
    if len(data) == len(pieces):
        return ir.Const(node, b"".join(data))
    return ir.Formatted(node, tuple(part for piece in pieces if type(piece) is ir.Formatted for part in piece.parts))


def _string_pieces(node: cst.ConcatenatedString) -> list[cst.BaseExpression]:
    """The strings side by side; LibCST nests them to the right."""
    pieces: list[cst.BaseExpression] = []
    rest: cst.BaseExpression = node
    while type(rest) is cst.ConcatenatedString:
        pieces.append(rest.left)
        rest = rest.right
    pieces.append(rest)
    return pieces


def _formatted(ctx: Context, node: cst.FormattedString | cst.TemplatedString) -> ir.Expr:
    parts: list[ir.Expr] = []
    _format_parts(ctx, node.parts, parts=parts)
    return ir.Formatted(node, tuple(parts))


def _format_parts(ctx: Context, contents: Sequence[cst.CSTNode], *, parts: list[ir.Expr]) -> None:
    """Collect the expressions of an f-string or t-string, those inside format specifications too."""
    for content in contents:
        inner = getattr(content, "expression", None)
        if inner is None:
            continue
        parts.append(expression(ctx, inner))
        specification = getattr(content, "format_spec", None)
        if specification:
            _format_parts(ctx, specification, parts=parts)


# -------------------------------------------------------- attributes and calls


def _attribute(ctx: Context, node: cst.Attribute) -> ir.Expr:
    name = node.attr.value
    if name in ATTRIBUTES or (name[:9] == "register_" and is_attribute_trigger(name)):
        ctx.scope.triggers = True
    base = node.value
    return ir.Attr(node, EXPRESSIONS[type(base)](ctx, base), name)


def _call(ctx: Context, node: cst.Call) -> ir.Expr:
    func = node.func
    if type(func) is cst.Name:
        ctx.called(func.value)
    elif type(func) is cst.Attribute:
        ctx.called(func.attr.value)
    return ir.Call(node, EXPRESSIONS[type(func)](ctx, func), arguments(ctx, node.args))


def arguments(ctx: Context, nodes: Sequence[cst.Arg]) -> tuple[ir.Arg, ...]:
    """Lower the arguments of a call or the bases of a class."""
    lowered = []
    for node in nodes:
        value = node.value
        keyword = None if node.keyword is None else node.keyword.value
        if keyword in KEYWORDS:
            ctx.scope.triggers = True
            ctx.scope.in_place = ctx.scope.in_place or keyword == "inplace"
        lowered.append(ir.Arg(node, EXPRESSIONS[type(value)](ctx, value), keyword, node.star))
    return tuple(lowered)


def _subscript(ctx: Context, node: cst.Subscript) -> ir.Expr:
    base = node.value
    elements = node.slice
    lowered = EXPRESSIONS[type(base)](ctx, base)
    first = _index(ctx, elements[0].slice)
    # A trailing comma, or a star, makes a tuple of a single index.
    if len(elements) == 1 and type(first) is not ir.Starred and not isinstance(elements[0].comma, cst.Comma):
        return ir.Subscript(node, lowered, first)
    rest = [_index(ctx, element.slice) for element in elements[1:]]
    return ir.Subscript(node, lowered, ir.Sequence(node, "tuple", (first, *rest)))


def _index(ctx: Context, node: cst.BaseSlice) -> ir.Expr:
    if type(node) is cst.Slice:
        return ir.SliceExpr(node, optional(ctx, node.lower), optional(ctx, node.upper), optional(ctx, node.step))
    assert isinstance(node, cst.Index)
    value = expression(ctx, node.value)
    return ir.Starred(node, value) if node.star else value


# ------------------------------------------------------------------- operators


def _binary(ctx: Context, node: cst.BinaryOperation) -> ir.Expr:
    """Walk down the left operands with a loop: sums of thousands of terms are one deep spine."""
    left = node.left
    if type(left) is not cst.BinaryOperation:
        return _binary_of(ctx, node, left=expression(ctx, left))
    spine = [node]
    while type(left) is cst.BinaryOperation:
        spine.append(left)
        left = left.left
    lowered = expression(ctx, left)
    for operation in reversed(spine):
        lowered = _binary_of(ctx, operation, left=lowered)
    return lowered


def _binary_of(ctx: Context, node: cst.BinaryOperation, *, left: ir.Expr) -> ir.Expr:
    right = node.right
    return ir.BinOp(node, BINARY[type(node.operator)], left, EXPRESSIONS[type(right)](ctx, right))


def _boolean(ctx: Context, node: cst.BooleanOperation) -> ir.Expr:
    """Flatten a chain of one operator, which LibCST nests to the left; a change of operator nests it again."""
    spine = [node]
    left = node.left
    while type(left) is cst.BooleanOperation:
        spine.append(left)
        left = left.left
    lowered = expression(ctx, left)
    values = [lowered]
    operations = spine[::-1]
    for operation, following in zip(operations, [*operations[1:], None], strict=True):
        values.append(expression(ctx, operation.right))
        kind = type(operation.operator)
        if following is None or type(following.operator) is not kind:
            values = [ir.BoolOp(operation, "and" if kind is cst.And else "or", tuple(values))]
    return values[0]


def _unary(ctx: Context, node: cst.UnaryOperation) -> ir.Expr:
    return ir.UnaryOp(node, UNARY[type(node.operator)], expression(ctx, node.expression))


def _comparison(ctx: Context, node: cst.Comparison) -> ir.Expr:
    targets = node.comparisons
    left = expression(ctx, node.left)
    ops = [COMPARE[type(target.operator)] for target in targets]
    return ir.Compare(node, left, tuple(ops), tuple([expression(ctx, target.comparator) for target in targets]))


def _conditional(ctx: Context, node: cst.IfExp) -> ir.Expr:
    """`a if t else b if u else …` nests to the right: walked with a loop as well."""
    chain = [node]
    orelse = node.orelse
    while type(orelse) is cst.IfExp:
        chain.append(orelse)
        orelse = orelse.orelse
    lowered = expression(ctx, orelse)
    for link in reversed(chain):
        lowered = ir.IfExp(link, expression(ctx, link.test), expression(ctx, link.body), lowered)
    return lowered


def _walrus(ctx: Context, node: cst.NamedExpr) -> ir.Expr:
    target = expression(ctx, node.target)
    ctx.bind(target)
    return ir.NamedExpr(node, target, expression(ctx, node.value))


def _await(ctx: Context, node: cst.Await) -> ir.Expr:
    return ir.Await(node, expression(ctx, node.expression))


def _yield(ctx: Context, node: cst.Yield) -> ir.Expr:
    ctx.scope.is_generator = True
    value = node.value
    if isinstance(value, cst.From):
        return ir.Yield(node, expression(ctx, value.item), True)
    return ir.Yield(node, optional(ctx, value), False)


# -------------------------------------------------------------------- displays


def _tuple(ctx: Context, node: cst.Tuple) -> ir.Expr:
    return ir.Sequence(node, "tuple", _elements(ctx, node.elements))


def _list(ctx: Context, node: cst.List) -> ir.Expr:
    return ir.Sequence(node, "list", _elements(ctx, node.elements))


def _set(ctx: Context, node: cst.Set) -> ir.Expr:
    return ir.Sequence(node, "set", _elements(ctx, node.elements))


def _elements(ctx: Context, nodes: Sequence[cst.BaseElement]) -> tuple[ir.Expr, ...]:
    lowered: list[ir.Expr] = []
    for node in nodes:
        value = EXPRESSIONS[type(node.value)](ctx, node.value)
        lowered.append(value if type(node) is cst.Element else ir.Starred(node, value))
    return tuple(lowered)


def _dict(ctx: Context, node: cst.Dict) -> ir.Expr:
    items: list[tuple[ir.Expr | None, ir.Expr]] = []
    for element in node.elements:
        key = expression(ctx, element.key) if isinstance(element, cst.DictElement) else None
        items.append((key, expression(ctx, element.value)))
    return ir.DictExpr(node, tuple(items))


def _starred(ctx: Context, node: cst.StarredElement) -> ir.Expr:
    return ir.Starred(node, expression(ctx, node.value))


# -------------------------------------------------------------- comprehensions


def _list_comp(ctx: Context, node: cst.ListComp) -> ir.Expr:
    return ir.Comprehension(node, "list", expression(ctx, node.elt), None, _generators(ctx, node.for_in))


def _set_comp(ctx: Context, node: cst.SetComp) -> ir.Expr:
    return ir.Comprehension(node, "set", expression(ctx, node.elt), None, _generators(ctx, node.for_in))


def _generator_exp(ctx: Context, node: cst.GeneratorExp) -> ir.Expr:
    return ir.Comprehension(node, "generator", expression(ctx, node.elt), None, _generators(ctx, node.for_in))


def _dict_comp(ctx: Context, node: cst.DictComp) -> ir.Expr:
    key = expression(ctx, node.key)
    return ir.Comprehension(node, "dict", key, expression(ctx, node.value), _generators(ctx, node.for_in))


def _starred_dict_comp(ctx: Context, node: cst.StarredDictComp) -> ir.Expr:
    """`{**d for d in ds}`: a dict without a key, whose element is starred."""
    element = ir.Starred(node.value, expression(ctx, node.value))
    return ir.Comprehension(node, "dict", element, None, _generators(ctx, node.for_in))


def _generators(ctx: Context, first: cst.CompFor) -> tuple[ir.Generator, ...]:
    lowered = []
    node: cst.CompFor | None = first
    while node is not None:
        target = expression(ctx, node.target)
        ctx.bind_in_comprehension(target)
        tests = tuple([expression(ctx, test.test) for test in node.ifs])
        lowered.append(ir.Generator(node, target, expression(ctx, node.iter), tests))
        node = node.inner_for_in
    return tuple(lowered)


# --------------------------------------------------------- lambdas, parameters


def _lambda(ctx: Context, node: cst.Lambda) -> ir.Expr:
    params = parameters(ctx, node.params)
    outer = ctx.open()
    body = expression(ctx, node.body)
    return ir.Lambda(node, params, body, ctx.close(outer))


def parameters(ctx: Context, node: cst.Parameters) -> tuple[ir.Param, ...]:
    """Lower parameters in the order of the text; defaults belong to the enclosing scope."""
    lowered = [_parameter(ctx, param, kind="posonly") for param in node.posonly_params]
    lowered += [_parameter(ctx, param, kind="normal") for param in node.params]
    if isinstance(node.star_arg, cst.Param):
        lowered.append(_parameter(ctx, node.star_arg, kind="vararg"))
    lowered += [_parameter(ctx, param, kind="kwonly") for param in node.kwonly_params]
    if node.star_kwarg is not None:
        lowered.append(_parameter(ctx, node.star_kwarg, kind="kwarg"))
    return tuple(lowered)


def _parameter(ctx: Context, node: cst.Param, *, kind: ParamKind) -> ir.Param:
    default = optional(ctx, node.default)
    return ir.Param(node, node.name.value, kind, default, annotation(ctx, node.annotation))


EXPRESSIONS: Final = by_node_type(
    {
        "Name": _name,
        "Integer": _integer,
        "Float": _float,
        "Imaginary": _imaginary,
        "Ellipsis": _ellipsis,
        "SimpleString": _string,
        "ConcatenatedString": _concatenated,
        "FormattedString": _formatted,
        "TemplatedString": _formatted,
        "Attribute": _attribute,
        "Call": _call,
        "Subscript": _subscript,
        "BinaryOperation": _binary,
        "BooleanOperation": _boolean,
        "UnaryOperation": _unary,
        "Comparison": _comparison,
        "IfExp": _conditional,
        "NamedExpr": _walrus,
        "Await": _await,
        "Yield": _yield,
        "Tuple": _tuple,
        "List": _list,
        "Set": _set,
        "Dict": _dict,
        "StarredElement": _starred,
        "ListComp": _list_comp,
        "SetComp": _set_comp,
        "GeneratorExp": _generator_exp,
        "DictComp": _dict_comp,
        "StarredDictComp": _starred_dict_comp,
        "Lambda": _lambda,
    }
)

"""Lowers `match` statements: what each pattern binds, and whether it always matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import libcst as cst

from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.context import Context
from autograd_lint.static.syntax.lower_expr import expression, optional

LowerBlock = Callable[[Context, Sequence[cst.CSTNode]], ir.Block]


def match(ctx: Context, node: cst.Match, *, lower_block: LowerBlock) -> ir.Match:
    """Lower a `match` statement; `lower_block` lowers the body of a case."""
    subject = expression(ctx, node.subject)
    return ir.Match(node, subject, tuple([_case(ctx, case, lower_block=lower_block) for case in node.cases]))


def _case(ctx: Context, node: cst.MatchCase, *, lower_block: LowerBlock) -> ir.Case:
    pattern = node.pattern
    captures = tuple(_captures(pattern))
    ctx.scope.locals.update(captures)
    literal = _literal(ctx, pattern)
    guard = optional(ctx, node.guard)
    body = lower_block(ctx, node.body.body)
    return ir.Case(node, captures, literal, _always_matches(pattern), guard, body)


def _captures(pattern: cst.MatchPattern) -> list[str]:
    """The names a pattern binds, in the order of the text and each once."""
    found: list[str] = []
    pending: list[object] = [pattern]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, cst.CSTNode):
            pending.extend(reversed(_PARTS.get(type(part), _no_parts)(part)))
    return list(dict.fromkeys(found))


def _literal(ctx: Context, pattern: cst.MatchPattern) -> ir.Expr | None:
    while isinstance(pattern, cst.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    if isinstance(pattern, cst.MatchValue | cst.MatchSingleton):
        return expression(ctx, pattern.value)
    return None


def _always_matches(pattern: cst.MatchPattern) -> bool:
    while isinstance(pattern, cst.MatchAs):
        if pattern.pattern is None:
            return True
        pattern = pattern.pattern
    # Python allows an irrefutable alternative in the last place only.
    return isinstance(pattern, cst.MatchOr) and _always_matches(pattern.patterns[-1].pattern)


# What a pattern consists of, in the order of the text: patterns, and names it binds as strings.


def _no_parts(_part: cst.CSTNode) -> list[object]:
    return []


def _as_parts(part: cst.MatchAs) -> list[object]:
    return [part.pattern, part.name.value if part.name is not None else None]


def _star_parts(part: cst.MatchStar) -> list[object]:
    return [part.name.value if part.name is not None else None]


def _sequence_parts(part: cst.MatchList | cst.MatchTuple) -> list[object]:
    return list(part.patterns)


def _mapping_parts(part: cst.MatchMapping) -> list[object]:
    rest = part.rest.value if part.rest is not None else None
    return [*[element.pattern for element in part.elements], rest]


def _class_parts(part: cst.MatchClass) -> list[object]:
    return [*part.patterns, *[element.pattern for element in part.kwds]]


def _or_parts(part: cst.MatchOr) -> list[object]:
    return [element.pattern for element in part.patterns]


def _element_parts(part: cst.MatchSequenceElement) -> list[object]:
    return [part.value]


_PARTS: Final[dict[type[cst.CSTNode], Callable[..., list[object]]]] = {
    cst.MatchAs: _as_parts,
    cst.MatchStar: _star_parts,
    cst.MatchList: _sequence_parts,
    cst.MatchTuple: _sequence_parts,
    cst.MatchMapping: _mapping_parts,
    cst.MatchClass: _class_parts,
    cst.MatchOr: _or_parts,
    cst.MatchSequenceElement: _element_parts,
}

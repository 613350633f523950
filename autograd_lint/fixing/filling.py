"""A tensor that a loop fills row by row becomes a list of rows, stacked after the loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import libcst as cst

from autograd_lint.events import How, Write
from autograd_lint.finding import Edit, Fix, Position
from autograd_lint.fixing.calls import argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import meaning_of, name_for
from autograd_lint.fixing.walk import descendants, names_read, only_one, target_names

_EMPTY: Final = frozenset(
    f"torch.{name}" for name in ("zeros", "ones", "empty", "zeros_like", "empty_like", "ones_like")
)


@dataclass(frozen=True, slots=True)
class _Filled:
    """`name = torch.zeros(…)` (`made`), `name[0] = …` (`first`), and the write of a row in each round of `loop`."""

    name: str
    made: cst.Assign
    first: tuple[cst.Assign, ...]
    loop: cst.For
    write: cst.Assign
    dimension: int


def stacked(code: Code, event: Write) -> Fix | None:
    """`out[i] = row` in a loop over `i` becomes `out.append(row)`, and after the loop `out = torch.stack(out)`."""
    target = code.find(event.site, cst.Subscript)
    write = None if target is None else code.nearest(target, cst.Assign)
    filled = None if target is None or write is None else _filled(code, target, write)
    events = [other for other in code.events_at(event.site) if isinstance(other, Write)]
    if (
        filled is None
        or event.how is not How.INDEX
        or not all(other.value_in_graph and other.fits is not False for other in events)
    ):
        return None
    stack = name_for(code, "torch.stack", filled.loop)
    if stack is None or not _only_filled(code, filled):
        return None
    rows = ", ".join(code.text(assign.value) for assign in filled.first)
    dimension = f", dim={filled.dimension}" if filled.dimension else ""
    gathered = f"{filled.name} = {stack.text}({filled.name}{dimension})"
    edits: list[Edit] = [
        *stack.imports,
        code.replace(filled.made.value, f"[{rows}]"),
        code.replace(filled.write, f"{filled.name}.append({code.text(filled.write.value)})"),
        code.line_after(filled.loop, gathered),
    ]
    edits += [code.without_statement(assign) for assign in filled.first]
    return code.unsafe("collect the rows in a list and stack them", *edits)


def _filled(code: Code, target: cst.Subscript, write: cst.Assign) -> _Filled | None:
    """The loop and what stands before it, where they have this shape."""
    line = code.line(write)
    body = None if line is None else code.parent(line)
    loop = None if body is None else code.parent(body)
    if (
        not isinstance(loop, cst.For)
        or not isinstance(body, cst.IndentedBlock)
        or not isinstance(target.value, cst.Name)
    ):
        return None
    if len(write.targets) != 1 or write.targets[0].target is not target or not _runs_through(code, loop):
        return None
    name, index = target.value.value, _index(target)
    before = _before(code, loop, name)
    if index is None or not before or not isinstance(index[1], cst.Name):
        return None
    dimension, variable = index[0], index[1].value
    made, first = before[0], tuple(before[1:])
    rounds = _rounds(code, loop, variable)
    if rounds is None or not _are_first_rows(code, first, name) or (first and dimension):
        return None
    if rounds[0] != len(first) or not _has_length(code, made.value, dimension, rounds[1]):
        return None
    return _Filled(name, made, first, loop, write, dimension)


def _index(target: cst.Subscript) -> tuple[int, cst.BaseExpression] | None:
    """The only dimension that is indexed, by one value; the others are taken whole."""
    chosen = [(i, part.slice) for i, part in enumerate(target.slice) if not _is_all(part.slice)]
    if len(chosen) != 1 or not isinstance(chosen[0][1], cst.Index) or chosen[0][1].star:
        return None
    return chosen[0][0], chosen[0][1].value


def _is_all(index: cst.BaseSlice) -> bool:
    return isinstance(index, cst.Slice) and index.lower is None and index.upper is None and index.step is None


def _runs_through(code: Code, loop: cst.For) -> bool:
    """Whether each round reaches its end."""
    leaves = (cst.Break, cst.Continue, cst.Return, cst.Yield)
    return (
        loop.orelse is None and loop.asynchronous is None and not any(isinstance(f, leaves) for f in descendants(loop))
    )


def _before(code: Code, loop: cst.For, name: str) -> list[cst.Assign]:
    """The assignments to `name`, and to elements of it, in the block of the loop; from the last that makes it."""
    found: list[cst.Assign] = []
    for statement in getattr(code.parent(loop), "body", ()):
        if statement is loop:
            return found if found and isinstance(found[0].targets[0].target, cst.Name) else []
        small = only_one(statement)
        if not isinstance(small, cst.Assign):
            continue
        if [name] == [found for to in small.targets for found in target_names(to.target)]:
            found = [small]
        elif len(small.targets) == 1 and isinstance(small.targets[0].target, cst.Subscript):
            base = small.targets[0].target.value
            found += [small] if isinstance(base, cst.Name) and base.value == name else []
    return []


def _are_first_rows(code: Code, first: tuple[cst.Assign, ...], name: str) -> bool:
    """`name[0] = …`, `name[1] = …`."""
    return all(code.text(assign.targets[0].target) == f"{name}[{i}]" for i, assign in enumerate(first))


def _rounds(code: Code, loop: cst.For, variable: str) -> tuple[int, tuple[str, ...]] | None:
    """The number of the first round, and how the number of rounds can be written, where `variable` counts them."""
    called = loop.iter
    if not isinstance(called, cst.Call) or any(arg.keyword or arg.star for arg in called.args):
        return None
    given = [code.text(arg.value) for arg in called.args]
    match code.text(called.func), code.text(loop.target), given:
        case "range", name, [count] if name == variable:
            return 0, _lengths(count)
        case "range", name, [start, count] if name == variable and start.isdecimal():
            return int(start), _lengths(count)
        case "enumerate", _, [items] if isinstance(loop.target, cst.Tuple) and loop.target.elements:
            return (0, _lengths(f"len({items})")) if code.text(loop.target.elements[0].value) == variable else None
    return None


def _lengths(count: str) -> tuple[str, ...]:
    """Other ways to write the same number: `len(x)`, `x.shape[0]`, `x.size(0)`."""
    for before, behind in (("len(", ")"), ("", ".shape[0]"), ("", ".size(0)")):
        if count.startswith(before) and count.endswith(behind) and len(count) > len(before) + len(behind):
            item = count[len(before) : len(count) - len(behind)]
            return f"len({item})", f"{item}.shape[0]", f"{item}.size(0)"
    return (count,)


def _has_length(code: Code, value: cst.BaseExpression, dimension: int, counts: tuple[str, ...]) -> bool:
    """Whether a value is a new tensor with as many rows, in that dimension, as there are rounds."""
    if not isinstance(value, cst.Call) or (meaning := meaning_of(code, value.func)) not in _EMPTY:
        return False
    if meaning.endswith("_like"):
        like = argument(value, "input", 0)
        return like is not None and dimension == 0 and f"len({code.text(like.value)})" in counts
    sizes = [arg.value for arg in value.args if arg.keyword is None and not arg.star]
    given = argument(value, "size")
    whole = given.value if given is not None else sizes[0] if len(sizes) == 1 else None
    if isinstance(whole, cst.Tuple | cst.List):
        sizes = [element.value for element in whole.elements]
    return dimension < len(sizes) and code.text(sizes[dimension]) in counts


def _only_filled(code: Code, filled: _Filled) -> bool:
    """Whether, from where it is made until the loop's end, the tensor is but written, and read row by row."""
    start, end = code.place(filled.made).end, code.place(filled.loop).end
    written = {id(assign.targets[0].target) for assign in (*filled.first, filled.write)}
    reads = (read for read in names_read(code.scope(filled.loop)) if read.value == filled.name)
    for read in _between(code, reads, start, end):
        around = code.parent(read)
        if not isinstance(around, cst.Subscript) or around.value is not read:
            return False
        index = None if id(around) in written else _index(around)
        if id(around) not in written and (index is None or len(around.slice) > 1 or not _is_row(index[1])):
            return False
        if id(around) not in written and (filled.dimension or isinstance(code.parent(around), cst.AssignTarget)):
            return False
    return True


def _is_row(index: cst.BaseExpression) -> bool:
    """An index that surely is a number: it is computed of names and numbers."""
    if isinstance(index, cst.BinaryOperation):
        return _is_row(index.left) and _is_row(index.right)
    if isinstance(index, cst.UnaryOperation):
        return _is_row(index.expression)
    return isinstance(index, cst.Name | cst.Integer)


def _between(code: Code, reads: Iterator[cst.Name], start: Position, end: Position) -> Iterator[cst.Name]:
    for read in reads:
        if start <= code.place(read).start < end:
            yield read

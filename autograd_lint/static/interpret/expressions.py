"""Evaluation of expressions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from autograd_lint.static.interpret import questions
from autograd_lint.static.interpret.attributes import filled_in, read_attribute
from autograd_lint.static.interpret.builtin_calls import BUILTIN_NAMES, iterate
from autograd_lint.static.interpret.calls import call_value, make_function
from autograd_lint.static.interpret.generators import drive, evaluate_driven, first_of
from autograd_lint.static.interpret.indexing import read_index
from autograd_lint.static.interpret.rounds import is_open
from autograd_lint.static.interpret.state import Args, Frame, Run, truth
from autograd_lint.static.model.keys import NO_KEY, key_of
from autograd_lint.static.model.values import (
    FALSE,
    NONE,
    TRUE,
    Bound,
    Builtin,
    Class,
    Const,
    Dict,
    Env,
    Foreign,
    Function,
    Generator,
    Negated,
    Seq,
    SliceValue,
    StateDict,
    Tensor,
    TorchName,
    Unknown,
    Value,
    size_met,
)
from autograd_lint.static.operations.tensor_methods import is_attribute
from autograd_lint.static.operations.tensors import binary, compare, known_tensor, unary
from autograd_lint.static.patterns.keeping import note_state_read
from autograd_lint.static.syntax import ir

_MAX_TEXT: Final = 10_000
_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(run: Run, node: ir.Expr) -> Value:
    """The value of an expression."""
    return _DISPATCH[type(node)](run, node)


def _const(run: Run, node: ir.Const) -> Value:
    return Const(node.value)


def _name(run: Run, node: ir.Name) -> Value:
    value = run.env.find(node.id)
    if value is None:
        return lookup_builtin(node.id)
    kind = type(value)
    if kind is Tensor:
        if value.alias_how:  # type: ignore[attr-defined]
            note_alias_read(run, value, node)  # type: ignore[arg-type]
    elif kind is StateDict:
        note_state_read(run, value, node)  # type: ignore[arg-type]
    return value


def lookup_builtin(name: str) -> Value:
    """A name that no scope binds."""
    if name == "__name__":
        return Const("__main__")
    return Builtin(name) if name in BUILTIN_NAMES else Unknown()


def note_alias_read(run: Run, alias: Tensor, node: ir.Node) -> None:
    """An alias made by detach, `.data` or `numpy` is read after the tensor it shares memory with was written."""
    source = alias.alias_of
    if source is None or run.machine.failed or alias.node is not None:  # a write has made it part of a graph
        return
    for record, certain in reversed(alias.memory.writes[alias.alias_version :]):
        if certain and record.alias_read is None and record.tensor is not alias and _meant_for(record.tensor, alias):
            run.machine.note_alias_read(record, alias, run.site(node))


def _meant_for(written: Tensor, alias: Tensor) -> bool:
    """The write went to the graph's side of the memory, after the alias was made."""
    root = written.base or written
    source = alias.alias_of
    return not root.alias_how and source is not None and root is (source.base or source)


def _attr(run: Run, node: ir.Attr) -> Value:
    base = filled_in(run, node.base, evaluate(run, node.base))
    if run.tape is not None and known_tensor(base) is not None and is_attribute(node.name):
        work = partial(read_attribute, run, base, node.name, node)
        return run.tape.record(run, "read", node.name, (base,), node, work)
    value = read_attribute(run, base, node.name, node)
    if type(value) is StateDict:
        note_state_read(run, value, node)
    return value


def arguments(run: Run, node: ir.Call) -> Args:
    """Evaluate the arguments of a call."""
    args = Args([])
    for arg in node.args:
        value = evaluate(run, arg.value)
        if arg.star == "*":
            _spread(run, args, value, arg)
        elif arg.star == "**":
            _spread_keywords(args, value)
        elif arg.keyword is not None:
            args.kw[arg.keyword] = value
            args.nodes[arg.keyword] = arg
        else:
            args.pos.append(value)
    return args


def _spread(run: Run, args: Args, value: Value, node: ir.Arg) -> None:
    if isinstance(value, Seq) and not value.open:
        args.pos.extend(value.items)
    elif isinstance(value, Tensor) and value.layout is not None and value.layout.shape:
        args.pos.extend(iterate(run, value, node))
    else:
        args.open = True
        if isinstance(value, Seq):
            args.pos.extend(value.items)


def _spread_keywords(args: Args, value: Value) -> None:
    if isinstance(value, Dict):
        known = {key: item for key, item in value.items.items() if isinstance(key, str)}
        args.kw.update(known)
        args.open = args.open or value.open or len(known) < len(value.items)
    else:
        args.open = True


def _call(run: Run, node: ir.Call) -> Value:
    run.reached.add(node.cst)
    func = filled_in(run, node.func, evaluate(run, node.func))
    if type(func) is Builtin and func.name == "next" and len(node.args) == 1 and not node.args[0].star:
        source = evaluate_driven(run, node.args[0].value)
        if type(source) is Generator:
            return first_of(run, source) or Unknown()
        return call_value(run, func, Args([source]), node)
    return call_value(run, func, arguments(run, node), node)


def _subscript(run: Run, node: ir.Subscript) -> Value:
    run.reached.add(node.cst)  # of a tuple too: another path may find a tensor here
    base = evaluate(run, node.base)
    return read_item(run, base, evaluate(run, node.index), node)


def read_item(run: Run, base: Value, index: Value, node: ir.Node) -> Value:
    """`base[index]`."""
    if run.tape is not None and known_tensor(base) is not None:
        return run.tape.record(run, "index", "", (base, index), node, partial(read_index, run, base, index, node))
    return read_index(run, base, index, node)


def _slice(run: Run, node: ir.SliceExpr) -> Value:
    parts = [evaluate(run, part) if part is not None else NONE for part in (node.lower, node.upper, node.step)]
    return SliceValue(*parts)


def _sequence(run: Run, node: ir.Sequence) -> Value:
    result = Seq(node.kind, [], loops=run.machine.loops)
    for elt in node.elts:
        if isinstance(elt, ir.Starred):
            value = evaluate(run, elt.value)
            known = isinstance(value, Seq) and not value.open
            result.items.extend(iterate(run, value, elt) if known or isinstance(value, Tensor) else [])
            result.open = result.open or not known
        else:
            result.items.append(evaluate(run, elt))
    result.counted = node.kind == "tuple" and not any(isinstance(elt, ir.Starred) for elt in node.elts)
    return result


def _dict(run: Run, node: ir.DictExpr) -> Value:
    result = Dict({}, loops=run.machine.loops)
    for key, item in node.items:
        value = evaluate(run, item)
        if key is None:
            if isinstance(value, Dict):
                result.items.update(value.items)
                result.open = result.open or value.open
            else:
                result.open = True
            continue
        _put(result, evaluate(run, key), value)
    return result


def _put(entries: Dict, key: Value, value: Value) -> None:
    """An entry of a dict that is being made."""
    known = key_of(key)
    entries.open = entries.open or known is NO_KEY
    if known is not NO_KEY or type(key) is Unknown:
        entries.items[key if known is NO_KEY else known] = value


def _starred(run: Run, node: ir.Starred) -> Value:
    return evaluate(run, node.value)


def _binop(run: Run, node: ir.BinOp) -> Value:
    """Left spines are walked in a loop: a sum of thousands of terms must not exhaust the stack."""
    spine: list[ir.BinOp] = [node]
    while type(spine[-1].left) is ir.BinOp:
        spine.append(spine[-1].left)
    value = evaluate(run, spine[-1].left)
    for part in reversed(spine):
        value = combine(run, part.op, value, evaluate(run, part.right), part)
    return value


def combine(run: Run, op: str, left: Value, right: Value, node: ir.Node) -> Value:
    """`left op right`."""
    if type(left) is Const and type(right) is Const:
        return fold(op, left.value, right.value)
    sizes = size_met(left), size_met(right)
    if None not in sizes:
        return _of_sizes(fold(op, *sizes))
    if run.tape is not None:
        return run.tape.record(run, "binary", op, (left, right), node, partial(binary, run, op, left, right, node))
    return binary(run, op, left, right, node)


def _of_sizes(met: Value) -> Value:
    """What is computed from sizes is as little known as they are."""
    result = Unknown(kind="number")
    result.met = size_met(met)
    return result


def fold(op: str, left: Any, right: Any) -> Value:
    """Constant arithmetic; what raises or grows too large is unknown."""
    if op in ("**", "<<") and not (isinstance(right, int | float) and abs(right) < 64):
        return Unknown(kind="number")
    if op == "*" and (isinstance(left, str | bytes) or isinstance(right, str | bytes)):
        return Unknown()
    if op == "%" and isinstance(left, str | bytes):
        return Unknown()
    try:
        result = _BINARY[op](left, right)
    except (TypeError, ValueError, ArithmeticError):
        return Unknown()
    if isinstance(result, str | bytes) and len(result) > _MAX_TEXT:
        return Unknown()
    return Const(result)


def _unaryop(run: Run, node: ir.UnaryOp) -> Value:
    value = evaluate(run, node.operand)
    if node.op == "not":
        known = truth(value)
        return Unknown() if known is None else (FALSE if known else TRUE)
    if type(value) is Const and isinstance(value.value, int | float):
        number = value.value
        if node.op == "~":
            return Const(~number) if isinstance(number, int) else Unknown()
        return Const(-number if node.op == "-" else +number)
    if run.tape is not None:
        return run.tape.record(run, "unary", node.op, (value,), node, partial(unary, run, node.op, value, node))
    return unary(run, node.op, value, node)


def _boolop(run: Run, node: ir.BoolOp) -> Value:
    """`and`/`or`; an operand that is not known decides the path only when the others differ in kind."""
    stop = node.op == "or"
    last: Value = NONE
    for i, part in enumerate(node.values):
        last = evaluate(run, part)
        if i == len(node.values) - 1:
            return last
        known = truth(last)
        if known is None:
            known = run.path.choose(last, first=not stop)
        if known is stop:
            return last
    return last


def decide(run: Run, node: ir.Expr, *, first: bool = True) -> bool:
    """Which way a condition goes on this path."""
    if type(node) is ir.UnaryOp and node.op == "not":
        return not decide(run, node.operand, first=not first)
    value = evaluate(run, node)
    known = truth(value)
    return run.path.choose(value, first=first) if known is None else known


def _compare(run: Run, node: ir.Compare) -> Value:
    left = evaluate(run, node.left)
    result: Value = TRUE
    for op, part in zip(node.ops, node.rights, strict=True):
        right = evaluate(run, part)
        result = _compare_two(run, op, left, right, node)
        if truth(result) is False:
            return result
        left = right
    return result if len(node.ops) == 1 or truth(result) is not None else Unknown()


def _compare_two(run: Run, op: str, left: Value, right: Value, node: ir.Compare) -> Value:
    if op in ("is", "is not"):
        return _identity(run, op, left, right)
    if type(left) is Const and type(right) is Const and op in _COMPARE:
        try:
            return Const(bool(_COMPARE[op](left.value, right.value)))
        except TypeError:
            return Unknown()
    if op in ("in", "not in"):
        return _membership(run, op, left, right)
    if op in ("==", "!="):
        asked, text = (left, right) if type(left) is Unknown else (right, left)
        if type(asked) is Unknown and type(text) is Const and isinstance(text.value, str):
            return _meant(op, "==", questions.equals(run.path, asked, text.value))
    if isinstance(left, TorchName) and isinstance(right, TorchName) and op in ("==", "!="):
        return Const((left.name == right.name) is (op == "=="))
    if run.tape is not None:
        return run.tape.record(run, "compare", op, (left, right), node, partial(compare, run, op, left, right, node))
    return compare(run, op, left, right, node)


def _identity(run: Run, op: str, left: Value, right: Value) -> Value:
    if type(left) is Tensor or type(right) is Tensor:
        run.pending_read = None
    if type(left) is Const and type(right) is Const:
        same: bool | None = left.value is right.value
    elif type(left) is Unknown or type(right) is Unknown:
        return _symbolic_identity(run, op, left, right)
    else:
        same = left is right
        if not same and Foreign in (type(left), type(right)):
            return Unknown()
    return Const(same is (op == "is"))


def _is_given(run: Run, value: Unknown) -> bool:
    """The caller gives it for an argument that would be None without it: then it is mostly something."""
    frame = run.frame
    defaults = frame.function.defaults if frame.function is not None and value.default is None else {}
    names = [name for name, given in frame.given if given is value] if defaults else []
    return any(isinstance(default := defaults.get(name), Const) and default.value is None for name in names)


def _symbolic_identity(run: Run, op: str, left: Value, right: Value) -> Value:
    """`unknown is None` is one question however often it is asked; what must be a tensor is not None."""
    if left is right:
        return Const(op == "is")
    asked, other = (left, right) if type(left) is Unknown else (right, left)
    if type(asked) is Unknown and type(other) is Const:
        if other.value is None and (
            asked.kind or questions.text_of(run.path, asked) is not None or _is_given(run, asked)
        ):
            return Const(op != "is")
        return asked.attr(f"{op} {other.value!r}") if op == "is" else Negated.of(asked.attr(f"is {other.value!r}"))
    return Unknown()


def _meant(op: str, asked: str, answer: Value) -> Value:
    """The value of `op` when the answer to `asked` is known; the other operator is its negation."""
    if op == asked:
        return answer
    return Const(not answer.value) if type(answer) is Const else Negated.of(answer)


def _membership(run: Run, op: str, left: Value, right: Value) -> Value:
    key = key_of(left)
    if isinstance(right, Dict) and not right.open and key is not NO_KEY:
        return Const((key in right.items) is (op == "in"))
    if type(left) is Unknown and isinstance(right, Seq) and not right.open and right.items:
        texts = [item.value for item in right.items if type(item) is Const and isinstance(item.value, str)]
        if len(texts) == len(right.items):
            return _meant(op, "in", questions.among(run.path, left, texts))
    if type(left) is not Const:
        return Unknown()
    if isinstance(right, Seq) and not right.open and all(type(item) is Const for item in right.items):
        return Const(any(item.value == left.value for item in right.items if type(item) is Const) is (op == "in"))
    if type(right) is Const and isinstance(left.value, str) and isinstance(right.value, str):
        return Const((left.value in right.value) is (op == "in"))
    return Unknown()


def _ifexp(run: Run, node: ir.IfExp) -> Value:
    """`a if test else b`. Where functions are chosen from, another path must take the other one."""
    at = len(run.path.choices)
    taken, other = (node.body, node.orelse) if decide(run, node.test) else (node.orelse, node.body)
    value = evaluate(run, taken)
    if isinstance(value, Function | Bound | Class):
        run.reached.add(taken.cst)
        for choice in range(at, len(run.path.choices)):
            run.path.untaken[choice] = (ir.ExprStmt(other.cst, other),)
    return value


def _lambda(run: Run, node: ir.Lambda) -> Value:
    return make_function(run, node)


def _comprehension(run: Run, node: ir.Comprehension) -> Value:
    run.frame.env = Env(run.env)
    try:
        return _collect(run, node)
    finally:
        parent = run.frame.env.parent
        if parent is not None:
            run.frame.env = parent


def _collect(run: Run, node: ir.Comprehension) -> Value:
    pairs: list[tuple[Value, Value]] = []
    complete = _generate(run, node, 0, pairs)
    if node.kind != "dict":
        kind = "list" if node.kind == "generator" else node.kind
        return Seq(kind, [first for first, _ in pairs], open=not complete, loops=run.machine.loops)
    result = Dict({}, open=not complete, loops=run.machine.loops)
    for key, value in pairs:
        _put(result, key, value)
    return result


def _generate(run: Run, node: ir.Comprehension, depth: int, pairs: list[tuple[Value, Value]]) -> bool:
    """Run the generators from `depth` on; False when the elements are not all known."""
    if depth == len(node.generators):
        first = evaluate(run, node.elt)
        pairs.append((first, evaluate(run, node.value) if node.value is not None else NONE))
        return True
    part = node.generators[depth]
    source = evaluate(run, part.iter)
    complete = not is_open(source)
    for item in iterate(run, source, node):
        run.step()
        run.assign(part.target, item)
        tests = [truth(evaluate(run, test)) for test in part.ifs]
        complete = complete and None not in tests
        if False not in tests:
            complete = _generate(run, node, depth + 1, pairs) and complete
    return complete


def _named(run: Run, node: ir.NamedExpr) -> Value:
    value = evaluate(run, node.value)
    run.assign(node.target, value)
    return value


def _await(run: Run, node: ir.Await) -> Value:
    return evaluate(run, node.value)


def _yield(run: Run, node: ir.Yield) -> Value:
    if node.delegate and node.value is not None:
        return _delegate(run, node.value)
    value = evaluate(run, node.value) if node.value is not None else NONE
    _give(run.frame, value)
    return Unknown()


def _delegate(run: Run, source: ir.Expr) -> Value:
    """`yield from source`."""
    frame = run.frame
    value = evaluate_driven(run, source)
    if type(value) is Generator:

        def pass_on(item: Value) -> bool:
            _give(frame, item)
            return True

        drive(run, value, pass_on)
        return Unknown()
    frame.inexact = frame.inexact or is_open(value)
    for item in iterate(run, value, source):
        _give(frame, item)
    return Unknown()


def _give(frame: Frame, value: Value) -> None:
    if frame.resume is not None:
        frame.resume(value)
    else:
        frame.yields.append(value)


def _formatted(run: Run, node: ir.Formatted) -> Value:
    for part in node.parts:
        run.machine.show(evaluate(run, part))
    return Unknown()


_DISPATCH: Final[dict[type, Callable[[Run, Any], Value]]] = {
    ir.Const: _const,
    ir.Name: _name,
    ir.Attr: _attr,
    ir.Call: _call,
    ir.Subscript: _subscript,
    ir.SliceExpr: _slice,
    ir.Sequence: _sequence,
    ir.DictExpr: _dict,
    ir.Starred: _starred,
    ir.BinOp: _binop,
    ir.UnaryOp: _unaryop,
    ir.BoolOp: _boolop,
    ir.Compare: _compare,
    ir.IfExp: _ifexp,
    ir.Lambda: _lambda,
    ir.Comprehension: _comprehension,
    ir.NamedExpr: _named,
    ir.Await: _await,
    ir.Yield: _yield,
    ir.Formatted: _formatted,
}

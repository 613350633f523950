"""Execution of statements: control flow, bindings, loops and handlers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from autograd_lint.events import AttributeBound, How, LeafLost
from autograd_lint.static.importing.imports import annotation_value, bind_fallbacks, bind_import, bind_import_from
from autograd_lint.static.interpret.attributes import delete_attribute, write_attribute
from autograd_lint.static.interpret.branches import execute_if
from autograd_lint.static.interpret.builtin_calls import iterate
from autograd_lint.static.interpret.calls import enter_context, make_class, make_function
from autograd_lint.static.interpret.containers import delete_item, may_grow
from autograd_lint.static.interpret.escape import escape
from autograd_lint.static.interpret.expressions import combine, decide, evaluate, read_item
from autograd_lint.static.interpret.generators import evaluate_driven, evaluate_iterated, loop_over, run_inside
from autograd_lint.static.interpret.growth import empty_lists, open_unfilled
from autograd_lint.static.interpret.indexing import write_index
from autograd_lint.static.interpret.rounds import MOST_ROUNDS, ROUNDS, is_cut_short, is_open, most_rounds
from autograd_lint.static.interpret.state import (
    BREAK,
    CONTINUE,
    RAISED,
    Lost,
    ProgramRaised,
    Run,
    Signal,
    truth,
)
from autograd_lint.static.model.machine import TorchError
from autograd_lint.static.model.values import (
    Const,
    Dict,
    Env,
    ExpectRaise,
    Generator,
    Instance,
    NNModule,
    RangeValue,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.gradients import flush_pending, note_zero
from autograd_lint.static.operations.holders import is_module_or_loss
from autograd_lint.static.operations.tensors import annotated, augment, describe, known_tensor
from autograd_lint.static.patterns.copies import note_item, note_statement
from autograd_lint.static.patterns.discarded import note_discarded
from autograd_lint.static.patterns.keeping import note_added, note_appended, note_assigned_sum, note_owned_sum
from autograd_lint.static.patterns.registration import HELD, note_bound
from autograd_lint.static.patterns.testing import in_test
from autograd_lint.static.syntax import ir

_CAUGHT_BY: Final = frozenset({"Exception", "BaseException", "RuntimeError"})


def execute(run: Run, block: ir.Block) -> Signal | None:
    """Execute a block; how it ended, when not by its last statement."""
    for statement in block:
        run.step()
        run.reached.add(statement.cst)
        signal = _DISPATCH[type(statement)](run, statement)
        if run.pending_read is not None:
            flush_pending(run)
        if signal is not None:
            return signal
    return None


def _expr_stmt(run: Run, node: ir.ExprStmt) -> Signal | None:
    value = run.discarded = node.value
    before = len(run.machine.writes)
    evaluate(run, value)
    if len(run.machine.writes) > before and type(value) is ir.Call:
        note_statement(run, value, before)
    pure, run.pure = run.pure, None
    if pure is not None and pure.node is value:
        note_discarded(run, pure)
    return None


# ------------------------------------------------------------------ bindings


def assign(run: Run, target: ir.Expr, value: Value, source: ir.Expr | None = None) -> None:
    """Bind a target of any form; `source` is the expression that gave the value, when there is one."""
    if run.tape is not None:
        run.tape.bind(target, value)
    if isinstance(target, ir.Name):
        _bind_name(run, target.id, value)
    elif isinstance(target, ir.Attr):
        _write_attribute(run, evaluate(run, target.base), target, value)
    elif isinstance(target, ir.Subscript):
        base = evaluate(run, target.base)
        index = evaluate(run, target.index)
        grows = isinstance(base, Dict) and may_grow(base, index)
        _write_item(run, base, index, value, target, how=How.INDEX)
        if type(target.base) is not ir.Name:
            note_item(run, target, base, run.site(target))
        if run.watch.made:
            run.watch.store(base, value)
        if run.machine.loops and isinstance(base, Dict) and grows and source is not None:
            note_appended(run, target, base, value, source)
    elif isinstance(target, ir.Sequence):
        _unpack(run, target.elts, value, target)
    elif isinstance(target, ir.Starred):
        assign(run, target.value, value)


def _bind_name(run: Run, name: str, value: Value) -> None:
    if (type(value) is Tensor and not value.name) or (type(value) is Unknown and not value.name):
        value.name = name
    run.env.bind(name, value)


def _unpack(run: Run, targets: tuple[ir.Expr, ...], value: Value, node: ir.Node) -> None:
    run.reached.add(node.cst)  # whatever is unpacked: another path may find a tensor here
    star = next((i for i, t in enumerate(targets) if type(t) is ir.Starred), None)
    items = _unpacked(run, value, len(targets), node) if not is_open(value) or type(value) is Tensor else None
    if items is None and isinstance(value, Seq) and len(value.items) >= len(targets):
        items = value.items[: len(targets)]
    if items is None:
        sources = value.sources if isinstance(value, Unknown) else ()
        for i, target in enumerate(targets):
            part = value.attr(f"[{i}]") if type(value) is Unknown else Unknown(sources)
            assign(run, target, Seq("list", [], open=True) if type(target) is ir.Starred else part)
        return
    if star is None:
        for target, item in zip(targets, items, strict=False):
            assign(run, target, item)
        return
    tail = len(targets) - star - 1
    middle = items[star : len(items) - tail]
    for target, item in zip(targets[:star], items, strict=False):
        assign(run, target, item)
    assign(run, targets[star], Seq("list", list(middle)))
    for target, item in zip(targets[star + 1 :], items[len(items) - tail :], strict=False):
        assign(run, target, item)


def _unpacked(run: Run, value: Value, count: int, node: ir.Node) -> list[Value]:
    return list(iterate(run, value, node, limit=max(count, 1)))


def _assign(run: Run, node: ir.Assign) -> Signal | None:
    run.created.clear()
    value = evaluate(run, node.value)
    if run.machine.loops and type(node.value) is ir.BinOp:
        note_assigned_sum(run, node, value)
    for target in node.targets:
        _judge_binding(run, target, node.value, value)
        assign(run, target, value, node.value)
    return None


def _judge_binding(run: Run, target: ir.Expr, source: ir.Expr, value: Value) -> None:
    """A name or attribute is bound to what was computed from a leaf nobody else can reach."""
    if type(target) is ir.Attr and type(value) in HELD:
        note_bound(run, target, source)
    if type(value) is not Tensor or value.node is None or run.machine.failed:
        return
    leaf, move = _lost_leaf(run, value)
    if leaf is None or leaf.site is None or leaf.revived is not None:
        return
    machine, site = run.machine, run.site(source)
    if type(target) is ir.Attr and leaf.parameter and _in_constructor(run, target):
        owner = run.frame.self
        owner_name = owner.cls.node.name if isinstance(owner, Instance) else ""
        ref = machine.ref(value, describe(target))
        machine.emit(
            AttributeBound(
                site=site,
                attribute=target.name,
                owner=owner_name,
                value=ref,
                parameter=leaf.site,
                op=value.node.op,
                move=move,
            )
        )
    elif not leaf.parameter or type(target) is ir.Name:
        lost = LeafLost(site=site, leaf=leaf.site, name=describe(target), op=value.node.op, move=move)
        result = None if type(target) is ir.Attr else value
        run.lost.append(Lost(lost, leaf, result, machine.failed, in_test(run)))


def _in_constructor(run: Run, target: ir.Attr) -> bool:
    base = run.evaluate(target.base) if type(target.base) is ir.Name else None
    return run.frame.constructing and base is not None and base is run.frame.self


def _lost_leaf(run: Run, value: Tensor) -> tuple[Tensor | None, bool]:
    """The leaf without a name that `value` was computed from in one chain of operations, in which is no module and no
    loss: nobody takes what those return for the leaf."""
    node = value.node
    while node is not None and len(node.edges) == 1 and not is_module_or_loss(node.op):
        edge = node.edges[0]
        if isinstance(edge, Tensor):
            here = edge.site is not None and edge.site.calls == run.calls and any(edge is t for t in run.created)
            lost = here and not edge.name and edge.requires_grad is True
            return (edge if lost else None), value.maybe_of is not None
        node = edge
    return None, False


def _aug_assign(run: Run, node: ir.AugAssign) -> Signal | None:
    target = node.target
    if type(target) is ir.Subscript:
        base, index = evaluate(run, target.base), evaluate(run, target.index)
        old = read_item(run, base, index, target)
        how = How.AUGMENTED if isinstance(base, Dict | Seq) else How.INDEX_AUGMENTED
        new = _augmented(run, node, old, evaluate(run, node.value), how=how)
        if run.machine.loops and node.op == "+" and isinstance(base, Dict | Seq):
            note_added(run, node, target, old, node.value, new)
        _write_item(run, base, index, new, node, how=How.INDEX_AUGMENTED, target=target)
        if type(target.base) is not ir.Name:
            note_item(run, target, base, run.site(node))
        return None
    old = evaluate(run, target)
    if type(target) is ir.Attr and target.name == "grad":
        run.pending_read = None
    value = evaluate(run, node.value)
    if isinstance(old, Tensor) and old.grad_owner is not None and node.op == "*":
        note_zero(run, old, "*=", value, node)
    new = _augmented(run, node, old, value, how=How.AUGMENTED)
    if node.op == "+" and run.machine.loops:
        note_added(run, node, target, old, node.value, new)
    elif node.op == "+" and type(target) is ir.Attr:
        note_owned_sum(run, node, old, new)
    if new is not old or type(target) is ir.Name:
        assign(run, target, new)
    return None


def _augmented(run: Run, node: ir.AugAssign, old: Value, value: Value, *, how: How) -> Value:
    if isinstance(old, Seq) and node.op == "+" and old.kind == "list":
        old.open = old.open or is_open(value)
        if isinstance(value, Seq):
            old.items.extend(value.items)
        return old
    work = partial(augment, run, node, old, value, how=how)
    if run.tape is not None and known_tensor(old) is not None:
        return run.tape.record(
            run, "augment", node.op, (old, value), node, partial(_or_combined, run, node, old, value, work)
        )
    result = work()
    return combine(run, node.op, old, value, node) if result is None else result


def _or_combined(
    run: Run, node: ir.AugAssign, old: Value, value: Value, augmented: Callable[[], Value | None]
) -> Value:
    result = augmented()
    return combine(run, node.op, old, value, node) if result is None else result


def _write_attribute(run: Run, base: Value, target: ir.Attr, value: Value) -> None:
    work = partial(write_attribute, run, base, target.name, value, target)
    if run.tape is not None and (known_tensor(base) is not None or isinstance(base, NNModule)):
        run.tape.record(run, "write", target.name, (base, value), target, partial(_given, work, value))
    else:
        work()


def _write_item(
    run: Run, base: Value, index: Value, value: Value, node: ir.Node, *, how: How, target: ir.Node | None = None
) -> None:
    work = partial(write_index, run, base, index, value, node, how=how, target=target)
    if run.tape is not None and known_tensor(base) is not None:
        run.tape.record(run, "store", "", (base, index, value), node, partial(_given, work, value))
    else:
        work()


def _given(work: Callable[[], None], value: Value) -> Value:
    work()
    return value


def _ann_assign(run: Run, node: ir.AnnAssign) -> Signal | None:
    if node.value is not None:
        value = evaluate(run, node.value)
        if type(value) is Unknown:
            value = annotated(run, value, annotation_value(run, node.annotation))
        _judge_binding(run, node.target, node.value, value)
        assign(run, node.target, value)
    return None


def _delete(run: Run, node: ir.Delete) -> Signal | None:
    for target in node.targets:
        if type(target) is ir.Name:
            run.env.names.pop(target.id, None)
        elif type(target) is ir.Attr:
            delete_attribute(evaluate(run, target.base), target.name)
        elif type(target) is ir.Sequence:
            _delete(run, ir.Delete(node.cst, target.elts))
        elif type(target) is ir.Subscript:
            delete_item(evaluate(run, target.base), evaluate(run, target.index))
    return None


# -------------------------------------------------------------- control flow


def _return(run: Run, node: ir.Return) -> Signal | None:
    run.last_return = node
    return Signal("return", evaluate(run, node.value) if node.value is not None else Const(None))


def _raise(run: Run, node: ir.Raise) -> Signal | None:
    if run.machine.catching:
        raise ProgramRaised
    return RAISED


def _assert(run: Run, node: ir.Assert) -> Signal | None:
    value = evaluate(run, node.test)
    asked = node.test.operand if type(node.test) is ir.UnaryOp else node.test
    holds = truth(value) if type(asked) is ir.Name else None
    if holds is False or run.path.decided(value) is False:
        return RAISED  # what the path hangs on says otherwise: the program does not get here
    return None


def _jump(run: Run, node: ir.Jump) -> Signal | None:
    return BREAK if node.kind == "break" else CONTINUE if node.kind == "continue" else None


def _for(run: Run, node: ir.For) -> Signal | None:
    source = evaluate_iterated(run, node.iter)
    if type(source) is Generator:
        return loop_over(run, node, source)
    limit = most_rounds(source)
    machine = run.machine
    outer = machine.loops
    run.frame.inexact = run.frame.inexact or is_open(source) or is_cut_short(source, limit)
    shortened = run.shortened
    run.shortened = shortened or (type(source) is RangeValue and len(source.values) > limit)
    run.loop_entries += 1
    entry = run.loop_entries
    empty = empty_lists(run)
    try:
        for number, item in enumerate(iterate(run, source, node, limit=limit)):
            if number >= limit:
                break
            machine.loops = (*outer, (entry, number))
            assign(run, node.target, item)
            signal = execute(run, node.body)
            if signal is None or signal is CONTINUE:
                continue
            if signal is BREAK:
                return None
            return signal
    finally:
        machine.loops, run.shortened = outer, shortened
        open_unfilled(node, empty)
    if isinstance(source, Seq):
        for item in source.items[limit:]:
            escape(run, item)
    return execute(run, node.orelse)


def _while(run: Run, node: ir.While) -> Signal | None:
    machine = run.machine
    outer = machine.loops
    run.loop_entries += 1
    entry = run.loop_entries
    unknown_rounds = 0
    try:
        for number in range(MOST_ROUNDS):
            known = truth(evaluate(run, node.test))
            if known is False:
                return execute(run, node.orelse)
            unknown_rounds += known is None or type(node.test) is ir.Const
            run.frame.inexact = run.frame.inexact or unknown_rounds > 0
            if unknown_rounds > ROUNDS:
                return None
            machine.loops = (*outer, (entry, number))
            signal = execute(run, node.body)
            if signal is BREAK:
                return None
            if signal is not None and signal is not CONTINUE:
                return signal
        run.frame.inexact = True
    finally:
        machine.loops = outer
    return None


def _with(run: Run, node: ir.With) -> Signal | None:
    return _within(run, node, 0, expecting=False)


def _within(run: Run, node: ir.With, at: int, *, expecting: bool) -> Signal | None:
    """The block inside its managers from number `at` on."""
    if at == len(node.items):
        return _expecting(run, node.body) if expecting else execute(run, node.body)
    item, target = node.items[at]
    context = evaluate_driven(run, item)
    if type(context) is Generator:
        inner = partial(_within, run, node, at + 1, expecting=expecting)
        return run_inside(run, context, target, inner)
    expecting = expecting or isinstance(context, ExpectRaise)
    value, leave = enter_context(run, context, item)
    try:
        if target is not None:
            assign(run, target, value)
        return _within(run, node, at + 1, expecting=expecting)
    finally:
        leave()


def _expecting(run: Run, body: ir.Block) -> Signal | None:
    run.machine.expecting += 1
    try:
        return execute(run, body)
    except (TorchError, ProgramRaised):
        return None
    finally:
        run.machine.expecting -= 1


def _try(run: Run, node: ir.Try) -> Signal | None:
    catches = any(_catches(handler) for handler in node.handlers)
    signal: Signal | None = None
    depth = len(run.frames)
    calls, loops = run.calls, run.machine.loops
    modes = run.machine.modes
    run.machine.catching += catches
    armed = catches
    try:
        signal = execute(run, node.body)
        run.machine.catching -= armed
        armed = False
        if signal is None:
            bind_fallbacks(run, node)
            signal = execute(run, node.orelse)
    except (TorchError, ProgramRaised):
        if not catches:
            raise
        run.machine.catching -= armed
        armed = False
        del run.frames[depth:]
        run.calls, run.machine.loops, run.machine.modes = calls, loops, modes
        signal = _handle(run, node)
    finally:
        run.machine.catching -= armed
        final = execute(run, node.finalbody) if node.finalbody else None
    return final or signal


def _catches(handler: ir.Handler) -> bool:
    kind = handler.type
    if kind is None:
        return True
    kinds = kind.elts if type(kind) is ir.Sequence else (kind,)
    return any(type(k) is ir.Name and k.id in _CAUGHT_BY for k in kinds)


def _handle(run: Run, node: ir.Try) -> Signal | None:
    handler = next(h for h in node.handlers if _catches(h))
    if handler.name is not None:
        run.env.bind(handler.name, Unknown())
    return execute(run, handler.body)


def _match(run: Run, node: ir.Match) -> Signal | None:
    subject = evaluate(run, node.subject)
    for case in node.cases:
        verdict = _case_matches(run, subject, case)
        for name in case.captures:
            run.env.bind(name, subject if case.irrefutable else Unknown())
        if verdict is not False and case.guard is not None:
            verdict = decide(run, case.guard) and verdict
        if verdict is None:
            verdict = run.path.choose(None)
        if verdict:
            return execute(run, case.body)
    return None


def _case_matches(run: Run, subject: Value, case: ir.Case) -> bool | None:
    if case.irrefutable:
        return True
    if case.literal is None:
        return None
    literal = evaluate(run, case.literal)
    if type(subject) is Const and type(literal) is Const:
        return subject.value == literal.value
    return None


# --------------------------------------------------------------- definitions


def _function_def(run: Run, node: ir.FunctionDef) -> Signal | None:
    run.env.bind(node.name, make_function(run, node))
    return None


def _class_def(run: Run, node: ir.ClassDef) -> Signal | None:
    run.env.bind(node.name, make_class(run, node))
    return None


def _import(run: Run, node: ir.Import) -> Signal | None:
    bind_import(run, node)
    return None


def _import_from(run: Run, node: ir.ImportFrom) -> Signal | None:
    bind_import_from(run, node)
    return None


def _scope_decl(run: Run, node: ir.ScopeDecl) -> Signal | None:
    env = run.env
    if env.nonlocals is None:
        env.nonlocals = {}
    for name in node.names:
        scope: Env | None = env.globals if node.kind == "global" else env.parent
        while node.kind == "nonlocal" and scope is not None and name not in scope.names:
            scope = scope.parent
        if scope is not None:
            env.nonlocals[name] = scope
            if name in scope.names:
                env.names.pop(name, None)
    return None


_DISPATCH: Final[dict[type, Callable[[Run, Any], Signal | None]]] = {
    ir.ExprStmt: _expr_stmt,
    ir.Assign: _assign,
    ir.AugAssign: _aug_assign,
    ir.AnnAssign: _ann_assign,
    ir.Return: _return,
    ir.Raise: _raise,
    ir.Assert: _assert,
    ir.Delete: _delete,
    ir.Jump: _jump,
    ir.If: execute_if,
    ir.For: _for,
    ir.While: _while,
    ir.With: _with,
    ir.Try: _try,
    ir.Match: _match,
    ir.Import: _import,
    ir.ImportFrom: _import_from,
    ir.ScopeDecl: _scope_decl,
    ir.FunctionDef: _function_def,
    ir.ClassDef: _class_def,
}

"""Raw records to the events that rules judge: names, operations and exact ranges come from the user's source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatchmethod
from typing import Final

from autograd_lint.dynamic.note_events import event_of_note
from autograd_lint.dynamic.places import Places
from autograd_lint.dynamic.records import (
    AccumulationNote,
    AliasUse,
    BindingNote,
    GradReadNote,
    GradZeroNote,
    HookNote,
    IndexReadNote,
    LostLeafNote,
    PassNote,
    Place,
    Records,
    RefusedNote,
    StaleSave,
    Via,
    WriteFacts,
)
from autograd_lint.dynamic.syntax import (
    Located,
    Sources,
    base_name,
    name_of,
    word_of,
    word_of_node,
)
from autograd_lint.events import (
    Accumulation,
    AliasRead,
    AttributeBound,
    Backward,
    Event,
    Failure,
    GradRead,
    GradZero,
    HookRegistered,
    How,
    IndexRead,
    LeafLost,
    Refusal,
    Refused,
    Stale,
    TensorRef,
    Write,
)

_HOW: Final = {
    Via.METHOD: How.METHOD,
    Via.FUNCTION: How.FUNCTION,
    Via.OPERATOR: How.AUGMENTED,
    Via.INDEX: How.INDEX,
    Via.OUT: How.OUT,
    Via.MODULE: How.MODULE,
    Via.STATE: How.STATE,
    Via.STEP: How.OPTIMIZER,
    Via.DATA: How.DATA_ASSIGN,
    Via.PASS: How.METHOD,
    Via.FOREIGN: How.METHOD,
}


def to_events(records: Records, sources: Sources) -> list[Event]:
    """The events of one run."""
    return list(_Analysis(sources).events(records))


class _Analysis(Places):
    def events(self, records: Records) -> Iterator[Event]:
        """Every write with what came of it, then everything else in the order in which it happened."""
        told: set[WriteFacts] = set()
        for stale in records.stale:
            told.add(stale.write)
            yield self._write(stale.write, stale=self._stale(stale))
        for use in records.aliases:
            if use.write not in told:
                told.add(use.write)
                yield self._write(use.write, alias=self._alias(use))
        for write in records.writes:
            if write not in told:
                yield self._write(write)
        for note in records.passes:
            yield self._backward(note)
        for item in (*records.notes, *records.kept.values()):
            event = self._event(item)
            if event is not None:
                yield event

    # -------------------------------------------------------------- writes

    def _write(self, facts: WriteFacts, *, stale: Stale | None = None, alias: AliasRead | None = None) -> Write:
        place = facts.spot.place
        node = self.sources.node_at(place)
        parent = self.parent(node, place)
        if isinstance(parent, ast.AugAssign) and parent.target is node and facts.via is Via.INDEX:
            node = parent
        how, op, name = self._form(facts, node)
        site = self.site(place, facts.spot.calls)
        if node is not None:
            site = replace(site, token=self.sources.of(place.filename).range_of(node))
        return Write(
            site=site,
            target=TensorRef(name, in_graph=facts.in_graph, leaf=facts.leaf, parameter=facts.parameter),
            how=how,
            op=op,
            value_in_graph=facts.value_in_graph,
            grad_enabled=facts.grad_enabled,
            through=facts.through,
            origin=None if facts.origin is None else self.site(facts.origin),
            stale=stale,
            refusal=facts.refusal,
            alias_read=alias,
            argument=facts.argument,
        )

    def _form(self, facts: WriteFacts, node: Located | None) -> tuple[How, str, str]:
        """How the write reads in the source, its operation, and the name of what is written."""
        how = _HOW[facts.via]
        if facts.via is Via.FOREIGN:
            return self._foreign(facts.spot.place)
        if facts.via in (Via.STEP, Via.STATE, Via.PASS):
            return how, facts.op, ""
        match node:
            case ast.AugAssign(target=ast.Subscript() as target):
                return How.INDEX_AUGMENTED, word_of(node), base_name(target)
            case ast.AugAssign(target=target):
                return How.AUGMENTED, word_of(node), name_of(target)
            case ast.Subscript():
                return how, "[]=", base_name(node)
            case ast.Attribute(value=value) if facts.via is Via.DATA:
                return how, facts.op, name_of(value)
            case ast.Call():
                return self._called(facts, how, node)
        return how, facts.op, ""

    def _called(self, facts: WriteFacts, how: How, node: ast.Call) -> tuple[How, str, str]:
        if facts.via is Via.OUT:
            return how, word_of(node) or facts.op, name_of(_keyword(node, "out"))
        if facts.via is Via.METHOD and isinstance(node.func, ast.Attribute) and node.func.attr == facts.op:
            receiver = node.func.value
            if isinstance(receiver, ast.Subscript):
                return How.INDEX, facts.op, base_name(receiver)
            return how, facts.op, name_of(receiver)
        first = node.args[0] if node.args else None
        return how, facts.op if facts.via is Via.MODULE else word_of(node) or facts.op, name_of(first)

    def _foreign(self, place: Place) -> tuple[How, str, str]:
        statement = self.sources.of(place.filename).statement_at_row(place.range.start.row)
        match statement:
            case ast.Assign(targets=[ast.Subscript() as target]):
                return How.INDEX, "[]=", base_name(target)
            case ast.AugAssign(target=ast.Subscript() as target):
                return How.INDEX_AUGMENTED, word_of(statement), base_name(target)
            case ast.AugAssign(target=target):
                return How.AUGMENTED, word_of(statement), name_of(target)
            case ast.Expr(value=ast.Call() as call):
                return How.METHOD, word_of(call), ""
        return How.METHOD, "a write", ""

    def _stale(self, stale: StaleSave) -> Stale:
        needed = self.site(stale.needed.place, stale.needed.calls)
        expression = self.node_expression(stale.node)
        return Stale(
            saved=self.node_site(stale.node) or needed,
            saved_by=self.node_word(stale.node),
            saved_name=self._operand(expression, stale),
            needed=needed,
            silent=stale.silent,
            saved_result=stale.attribute.startswith("result"),
            version_saved=stale.version_saved,
            version_found=stale.version_found,
        )

    def _operand(self, node: Located | None, stale: StaleSave) -> str:
        """What the source calls the operand that was saved under `stale.attribute`."""
        attribute = stale.attribute
        if node is None or stale.node.place is None:
            return ""
        if attribute.startswith("result"):
            parent = self.parent(node, stale.node.place)
            return name_of(parent.targets[0]) if isinstance(parent, ast.Assign) else ""
        first = attribute in ("self", "input")
        match node:
            case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
                return name_of(left if first else right) if first or attribute in ("other", "mat2", "vec2") else ""
            case ast.UnaryOp(operand=operand):
                return name_of(operand) if first else ""
            case ast.Call(func=ast.Attribute(value=receiver), args=args):
                operands = [receiver, *args] if _is_method(receiver) else args
                index = 0 if first else 1 if attribute in ("other", "mat2", "target", "weight") else len(operands)
                return name_of(operands[index]) if index < len(operands) else ""
        return ""

    def _alias(self, use: AliasUse) -> AliasRead:
        node = self.sources.node_at(use.made)
        parent = self.parent(node, use.made)
        name = name_of(parent.targets[0]) if isinstance(parent, ast.Assign) else ""
        return AliasRead(self.site(use.made), use.how, name, self.site(use.read))

    # -------------------------------------------------------------- passes

    def _backward(self, note: PassNote) -> Backward:
        node = self.sources.node_at(note.spot.place)
        retain = _keyword(node, "retain_graph") if isinstance(node, ast.Call) else None
        return Backward(
            site=self.site(note.spot.place, note.spot.calls),
            root=self._root(note, node),
            call="autograd.grad" if note.call == "grad" else "backward",
            retain_graph=note.retain_graph,
            create_graph=note.create_graph,
            retain=None if retain is None else self.site_of(retain, note.spot.place),
            failure=note.failure,
            shape=note.shape,
            freed=None if note.freed is None else self.site(note.freed),
            shared=self.node_site(note.shared),
            shared_by=self.node_word(note.shared),
            loop_carried=note.loop_carried,
            in_loop=note.in_loop,
            reused=tuple(self.site(place) for place, _ in note.reused),
            reused_roots=tuple(_root_name(self.sources.node_at(place)) for place, _ in note.reused),
            reused_scalars=tuple(scalar for _, scalar in note.reused),
            stepped=None if note.stepped is None else self.site(note.stepped),
            scalar=None if note.shape is None else all(size == 1 for size in note.shape),
        )

    def _root(self, note: PassNote, node: Located | None) -> TensorRef:
        return TensorRef(
            _root_name(node),
            in_graph=note.failure is not Failure.NO_GRAPH,
            made=self.node_site(note.root),
            made_by=self.node_word(note.root),
        )

    # --------------------------------------------------------------- notes

    @singledispatchmethod
    def _event(self, note: object) -> Event | None:
        return event_of_note(note, self)

    @_event.register
    def _(self, note: AccumulationNote) -> Event:
        return Accumulation(
            site=self.site(note.place),
            first=self.site(note.first),
            leaf=TensorRef(note.name, leaf=True, parameter=note.parameter),
            stepped=None if note.stepped is None else self.site(note.stepped),
            in_loop=note.in_loop,
            partly_cleared=note.partly_cleared,
        )

    @_event.register
    def _(self, note: GradReadNote) -> Event:
        made = self.node_site(note.made)
        return GradRead(
            site=self.site(note.place),
            target=TensorRef(
                name_of(self.sources.node_at(note.place)), in_graph=not note.leaf, leaf=note.leaf, made=made
            ),
            retained=note.retained,
            backwards=tuple(self.site(place) for place in note.passes),
            expected_alone=note.expected_alone,
        )

    @_event.register
    def _(self, note: GradZeroNote) -> Event:
        node = self.sources.node_at(note.place)
        name = ""
        match node:
            case ast.AugAssign(target=written):
                name, op = name_of(written), word_of(node)
            case ast.Call(func=ast.Attribute(value=receiver)):
                name, op = name_of(receiver).removesuffix(".data"), note.op
            case _:
                op = note.op
        leaf = TensorRef(name if name.endswith(".grad") else "", leaf=True)
        return GradZero(site=self.site(note.place), target=leaf, op=op, owner=note.owner)

    @_event.register
    def _(self, note: HookNote) -> Event:
        node = self.sources.node_at(note.place)
        receiver = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        target = TensorRef(name_of(receiver), leaf=True, parameter=note.parameter)
        return HookRegistered(site=self.site(note.place), target=target, method=note.method, repeated=True)

    @_event.register
    def _(self, note: BindingNote) -> Event:
        node = self.sources.node_at(note.place)
        statement = None if node is None else self.sources.of(note.place.filename).statement_of(node)
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        parameter = _made_parameter(value)
        return AttributeBound(
            site=self.site(note.place) if value is None else self.site_of(value, note.place),
            attribute=note.attribute,
            owner=note.owner,
            value=TensorRef(name_of(node), in_graph=True, leaf=False),
            parameter=None if parameter is None else self.site_of(parameter, note.place),
            op=word_of(value) or word_of_node(note.node.name),
        )

    @_event.register
    def _(self, note: LostLeafNote) -> Event | None:
        """A leaf that lost its name to its own result, or never had one; a local variable that is gone is no fault."""
        node, place = self.node_expression(note.node), note.node.place
        parent = None if place is None else self.parent(node, place)
        if place is None or not isinstance(node, ast.expr) or not isinstance(parent, ast.Assign):
            return None
        name = name_of(parent.targets[0])
        leaf = next((part for part in ast.walk(node) if _is_leaf(part, name)), None)
        if not isinstance(leaf, ast.expr):
            return None
        site, made = self.site_of(node, place), self.site_of(leaf, place)
        return LeafLost(site=site, leaf=made, name=name, op=self.node_word(note.node))

    @_event.register
    def _(self, note: RefusedNote) -> Event:
        node = self.sources.node_at(note.place)
        made = self.node_site(note.made)
        target = TensorRef(
            _argument_name(node, note.reason),
            in_graph=made is not None,
            made=made,
            made_by=self.node_word(note.made),
        )
        return Refused(site=self.site(note.place), reason=note.reason, target=target)

    @_event.register
    def _(self, note: IndexReadNote) -> Event | None:
        """Indexing alone: `select`, `narrow` and what a method calls inside make the same nodes."""
        node, place = self.node_expression(note.node), note.node.place
        if place is None or not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
            return None
        return IndexRead(site=self.site_of(node, place), target=TensorRef(base_name(node), in_graph=True))


def _is_leaf(node: ast.AST, name: str) -> bool:
    """Whether an expression makes a leaf that requires grad, or is the variable `name` that was one."""
    if isinstance(node, ast.Call):
        flag = _keyword(node, "requires_grad")
        return word_of(node) == "requires_grad_" or (isinstance(flag, ast.Constant) and flag.value is True)
    return isinstance(node, ast.Name) and node.id == name


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def _is_method(receiver: ast.expr) -> bool:
    """Whether `receiver.name(…)` is a tensor's method rather than a module's function."""
    return name_of(receiver).partition(".")[0] not in ("torch", "F", "nn", "np", "functional")


def _root_name(node: Located | None) -> str:
    match node:
        case ast.Call(func=ast.Attribute(value=receiver, attr="backward")) if name_of(receiver) != "torch.autograd":
            return name_of(receiver)
        case ast.Call(args=[ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]), *_]):
            return name_of(first)
        case ast.Call(args=[first, *_]):
            return name_of(first)
    return ""


def _argument_name(node: Located | None, reason: Refusal) -> str:
    match node:
        case ast.Call(args=[ast.List(elts=[first, *_]), *_]) if reason is Refusal.NON_LEAF_OPTIMIZER:
            return name_of(first)
        case ast.Call(func=ast.Attribute(value=receiver, attr="numpy" | "requires_grad_")):
            return name_of(receiver)
        case ast.Call(args=[first, *_]):
            return name_of(first)
    return ""


def _made_parameter(value: ast.expr | None) -> ast.Call | None:
    """The call inside an expression that makes a Parameter."""
    for node in ast.walk(value) if value is not None else ():
        if isinstance(node, ast.Call) and word_of(node) == "Parameter":
            return node
    return None

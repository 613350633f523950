"""What custom `autograd.Function` classes must keep to: what forward writes and keeps, what backward returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from autograd_lint.events import ContextKept, FunctionReturned, InputWritten, Site
from autograd_lint.static.interpret.binding import bind_parameters
from autograd_lint.static.interpret.classes import find_in_class
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.machine import GraphNode, WriteRecord
from autograd_lint.static.model.traces import origin
from autograd_lint.static.model.values import NONE, Class, Const, Context, Env, Function, Seq, Tensor, Unknown, Value
from autograd_lint.static.operations.tensors import known_tensor, proven_tensor
from autograd_lint.static.syntax import ir


def enter_function_method(run: Run, cls: Class, method: Function, call: Callable[[Env], Value]) -> Value:
    """Run `forward` or `backward` of a custom Function as torch does: with a context, and without gradients."""
    context = Context()
    env = Env(method.env)
    bind_parameters(run, method, Args([context], open=True), env)
    given = [env.names[param.name] for param in method.node.params[1:] if param.name in env.names]
    run.inputs = [value for value in given if isinstance(value, Unknown)]
    forward = _name(method) == "forward"
    if not forward:
        for value in run.inputs:
            proven_tensor(run, value)
    result = call(env)
    if forward:
        _note_forward(run, cls, context, given, result)
    elif _name(method) == "backward":
        _note_returned(run, cls, result)
    return result


def takes_context(cls: Class, method: Function) -> bool:
    """The method is a static one of a custom Function that torch gives a context first."""
    name = _name(method)
    return method.kind == "static" and (
        name == "backward" or (name == "forward" and find_in_class(cls, "setup_context")[0] is None)
    )


def _name(method: Function) -> str:
    return method.node.name if isinstance(method.node, ir.FunctionDef) else ""


# -------------------------------------------------------------------- forward


def _note_forward(run: Run, cls: Class, context: Context, given: Sequence[Value], result: Value) -> None:
    note_kept(run, context, given, result)
    for tensor in _tensors(given):
        record = _write_to(tensor, 0)
        if record is not None and tensor not in context.dirty:
            run.machine.emit(_written(cls, record, None))


def note_kept(run: Run, context: Context, given: Sequence[Value], result: Value) -> None:
    """Inputs and outputs among the attributes of the context."""
    outputs = result.items if isinstance(result, Seq) else [result]
    for name, value, site in context.kept:
        tensor = known_tensor(value)
        if tensor is None or tensor.numpy:
            continue
        role = "input" if _is_among(value, given) else "output" if _is_among(value, outputs) else ""
        if role:
            run.machine.emit(ContextKept(site=site, attribute=name, target=run.machine.ref(tensor), role=role))


def _is_among(value: Value, values: Iterable[Value]) -> bool:
    tensor = known_tensor(value)
    return any(other is value or known_tensor(other) is tensor for other in values)


def watch_written(
    run: Run, cls: Class, context: Context, inputs: Sequence[Tensor], versions: dict[int, int], made: GraphNode
) -> None:
    """Inputs that forward wrote without marking them: wrong for certain once something after it used one."""
    for tensor in inputs:
        record = _write_to(tensor, versions[id(tensor)])
        if record is not None and tensor not in context.dirty:
            edge = origin(tensor)
            run.awaited.append(lambda r=record, e=edge: _written(cls, r, _used_later(run, made, e)))  # type: ignore[misc]


def _write_to(tensor: Tensor, version: int) -> WriteRecord | None:
    writes = tensor.counter.writes[version:]
    return next((record for record, certain in writes if certain and record.certain), None)


def _used_later(run: Run, made: GraphNode, edge: GraphNode | Tensor) -> Site | None:
    """An operation after the function that took the written input, and through which a backward ran."""
    later = (node for node in run.gradients.ran if node.seq > made.seq and any(e is edge for e in node.edges))
    found = next(later, None)
    return found.site if found is not None else None


def _written(cls: Class, record: WriteRecord, used: Site | None) -> InputWritten:
    return InputWritten(
        site=record.site,
        certain=used is not None,
        target=record.target,
        op=record.op,
        function=cls.node.name,
        used=used,
    )


def _tensors(values: Iterable[Value]) -> list[Tensor]:
    return [t for t in (known_tensor(value) for value in values) if t is not None]


# ------------------------------------------------------------------- backward


def _note_returned(run: Run, cls: Class, result: Value) -> None:
    """How many gradients `backward` returned, beside how many inputs `forward` takes."""
    forward, _ = find_in_class(cls, "forward")
    returned = _gradients(result)
    if not isinstance(forward, Function) or returned is None or run.last_return is None:
        return
    if _is_constant(forward):
        return
    taken = _inputs_of(forward, own=find_in_class(cls, "setup_context")[0] is None)
    if taken is None:
        return
    required, accepted = taken
    nones = 0
    while nones < len(returned) and _is_none(returned[-1 - nones]):
        nones += 1
    surplus = returned[accepted:] if accepted is not None else []
    run.machine.emit(
        FunctionReturned(
            site=run.site(run.last_return),
            certain=not any(type(value) is Unknown and not value.kind for value in surplus),
            function=cls.node.name,
            gradients=len(returned),
            nones=nones,
            required=max(required, cls.applied if accepted is None or cls.applied <= accepted else 0),
            accepted=accepted,
            forward=run.site(forward.node),
        )
    )


def _is_constant(forward: Function) -> bool:
    """It ends with one result, and marks something as not differentiable: nothing will run this `backward`."""
    node = forward.node
    last = node.body[-1] if isinstance(node, ir.FunctionDef) and node.body else None
    single = isinstance(last, ir.Return) and isinstance(last.value, ir.Name)
    return single and "mark_non_differentiable" in node.scope.calls


def _gradients(result: Value) -> list[Value] | None:
    """The gradients one by one; None when their number is not known."""
    if isinstance(result, Seq):
        return result.items if result.counted and not result.open else None
    return [result] if isinstance(result, Tensor) or _is_none(result) or known_tensor(result) is not None else None


def _is_none(value: Value) -> bool:
    return value is NONE or (isinstance(value, Const) and value.value is None)


def _inputs_of(forward: Function, *, own: bool) -> tuple[int, int | None] | None:
    """The fewest and the most inputs `forward` takes, without its context."""
    params = forward.node.params[1:] if own else forward.node.params
    if any(param.kind == "kwonly" and param.default is None for param in params):
        return None
    several = any(param.kind == "vararg" for param in params)
    single = [param for param in params if param.kind not in ("vararg", "kwarg", "kwonly")]
    required = sum(param.default is None for param in single)
    return required, None if several else len(single)

"""Calls: user functions are inlined, classes instantiated, torch's names handed to the measured facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from autograd_lint.static.interpret import named_tuples
from autograd_lint.static.interpret.binding import bind_parameters
from autograd_lint.static.interpret.builtin_calls import call_builtin
from autograd_lint.static.interpret.classes import class_chain, find_in_class
from autograd_lint.static.interpret.container_methods import call_container_method
from autograd_lint.static.interpret.duck import as_tensor_method
from autograd_lint.static.interpret.escape import call_unknown, give_away
from autograd_lint.static.interpret.standard_library import call_foreign
from autograd_lint.static.interpret.state import MAX_DEPTH, Args, Frame, PathEnded, ProgramRaised, Run, settled, truth
from autograd_lint.static.model.values import (
    NONE,
    Bound,
    Builtin,
    Class,
    Const,
    Context,
    Dict,
    Distribution,
    Env,
    ExpectRaise,
    Foreign,
    Function,
    Generator,
    GradModeValue,
    Instance,
    Method,
    Native,
    NNModule,
    OptimizerValue,
    Seq,
    SuperValue,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.custom_function import apply_function, call_context_method
from autograd_lint.static.operations.distributions import call_distribution_method
from autograd_lint.static.operations.forward_hooks import run_after, run_before
from autograd_lint.static.operations.modules import (
    call_module,
    call_module_method,
    inherit_builtin_module,
    note_forward_by_name,
)
from autograd_lint.static.operations.optimizers import call_optimizer_method
from autograd_lint.static.operations.tensor_methods import call_tensor_method
from autograd_lint.static.operations.tensors import describe
from autograd_lint.static.operations.torch_calls import call_torch
from autograd_lint.static.patterns.networks import note_forward_of_network
from autograd_lint.static.patterns.registration import note_constructed, note_made
from autograd_lint.static.patterns.validation import note_forward
from autograd_lint.static.syntax import ir

_GRAD_MODES: Final = {
    "torch.no_grad": "no_grad",
    "torch.enable_grad": "enable_grad",
    "torch.inference_mode": "inference",
}
_MODULE_BASES: Final = ("Module", "PreTrainedModel", "LightningModule")
_MOST_RECURSION: Final = 3


def call_value(run: Run, function: Value, args: Args, node: ir.Node) -> Value:
    """Call any value."""
    handler = _CALLERS.get(type(function))
    if handler is None:
        known = settled(run, function)
        if known is not function:
            return call_value(run, known, args, node)
        method = as_tensor_method(run, function, args)
        return call_unknown(run, function, args, node) if method is None else call_value(run, method, args, node)
    if run.tape is not None:
        return run.tape.call(run, function, args, node, partial(handler, run, function, args, node))
    return handler(run, function, args, node)


# ------------------------------------------------------------------ functions


def make_function(run: Run, node: ir.FunctionDef | ir.Lambda) -> Value:
    """The value a `def` or `lambda` gives, decorators applied."""
    defaults = {p.name: run.evaluate(p.default) for p in node.params if p.default is not None}
    owner = run.frame.owner
    function = Function(node, _closure(run.env), defaults, owner=owner, filename=run.filename)
    if isinstance(node, ir.Lambda):
        return function
    value: Value = function
    for decorator in reversed(node.decorators):
        modes = function.modes
        value = _decorate(run, decorator, function, value, node)
        if function.modes is not modes:
            function.off = run.site(decorator)
    return value


def _closure(env: Env) -> Env:
    """Class bodies are no scope for the functions in them."""
    return env.parent if env.names.get("__class_body__") is not None and env.parent is not None else env


def _decorate(run: Run, written: ir.Expr, function: Function, value: Value, node: ir.FunctionDef) -> Value:
    decorator = run.evaluate(written)
    if isinstance(decorator, Builtin) and decorator.name in ("staticmethod", "classmethod", "property"):
        kinds: dict[str, Any] = {"staticmethod": "static", "classmethod": "class", "property": "property"}
        function.kind = kinds[decorator.name]
    elif isinstance(decorator, TorchName) and decorator.name in _GRAD_MODES:
        function.modes = (*function.modes, _GRAD_MODES[decorator.name])
    elif isinstance(decorator, GradModeValue):
        function.modes = (*function.modes, _taken_as_decorator(run, decorator))
    elif isinstance(decorator, Function) and value is function:
        wrapped = run.call(decorator, Args([function]), node)
        return wrapped if isinstance(wrapped, Function) else function
    elif isinstance(decorator, Foreign) and decorator.name == "contextlib.contextmanager":
        function.manager = True
    elif isinstance(decorator, Generator) or (
        isinstance(decorator, Unknown | Foreign) and _may_change_modes(run, written, decorator)
    ):
        function.opaque = True
    return value


def _taken_as_decorator(run: Run, decorator: GradModeValue) -> str:
    """The mode a function is to run in; `set_grad_enabled(…)` takes back what it switched when it was written."""
    if decorator.before is not None:
        run.machine.modes = decorator.before
    return "inference" if decorator.inference else _MODE_NAMES[decorator.mode]


_MODE_NAMES: Final = {True: "enable_grad", False: "no_grad", None: "unknown"}


def _may_change_modes(run: Run, written: ir.Expr, decorator: Value) -> bool:
    """A decorator that is not known could switch gradients off, unless its name says what it is for."""
    made = run.evaluate(written.func) if isinstance(written, ir.Call) else decorator  # `@click.option("--size")`
    name = made.name if isinstance(made, Foreign) else getattr(made, "label", "")
    return name.rpartition(".")[2] not in _HARMLESS and not name.startswith(("pytest.", "hydra.", "click."))


_HARMLESS: Final = frozenset(
    ["property", "wraps", "overload", "abstractmethod", "override", "setter", "getter", "cached_property", "dataclass"]
)


def call_function(run: Run, function: Function, args: Args, node: ir.Node) -> Value:
    """Inline a user function."""
    if function.owner is not None and _is_abstract(function.node):
        return _not_executed(run, function, args, node)
    if function.filename != run.filename and run.filename == run.home:
        return call_imported(run, function, lambda: _inline(run, function, args, node), args, node)
    return _inline(run, function, args, node)


def _is_abstract(node: ir.FunctionDef | ir.Lambda) -> bool:
    """The method is left to subclasses: it does nothing but raise NotImplementedError, or is told to be abstract."""
    if isinstance(node, ir.Lambda) or len(node.body) > 2:
        return False
    body = node.body[1:] if len(node.body) == 2 and _is_constant(node.body[0]) else node.body
    last = body[-1]
    if isinstance(last, ir.Raise) and len(body) == 1:
        return _last_name(last.exc) == "NotImplementedError"
    told = any(_last_name(decorator) == "abstractmethod" for decorator in node.decorators)
    return told and (_is_constant(last) or isinstance(last, ir.Jump))


def _is_constant(statement: ir.Stmt) -> bool:
    return isinstance(statement, ir.ExprStmt) and isinstance(statement.value, ir.Const)


def _last_name(node: ir.Expr | None) -> str:
    if isinstance(node, ir.Call):
        return _last_name(node.func)
    return node.id if isinstance(node, ir.Name) else node.name if isinstance(node, ir.Attr) else ""


def call_imported(run: Run, function: Function, inline: Callable[[], Value], args: Args, node: ir.Node) -> Value:
    """Inline a function of another file, which may not use up the steps of this one."""
    project = run.project
    if project is None:
        return inline()
    granted = project.call_steps()
    if granted <= 0 or id(function.node) in project.barred:
        return _not_executed(run, function, args, node)
    own, run.steps = run.steps, granted
    try:
        return inline()
    except PathEnded:  # too long, or it raised on the path that was tried: from now on it is not known
        project.barred.add(id(function.node))
        run.cut = True
        raise
    finally:
        project.steps -= granted - run.steps
        run.steps = own


def _not_executed(run: Run, function: Function, args: Args, node: ir.Node) -> Value:
    """A call of a function that is not known for want of steps; of a module's method, it may be a forward."""
    result = call_unknown(run, Unknown(), args, node)
    owner = args.pos[0] if function.owner is not None and args.pos else None
    if isinstance(owner, Instance) and owner.module and isinstance(result, Unknown):
        name = describe(node.func) if isinstance(node, ir.Call) else ""
        other = not isinstance(function.node, ir.FunctionDef) or function.node.name != "forward"
        note_forward_of_network(run, owner, args, result, run.site(node), name, other=other)
    return result


def _inline(run: Run, function: Function, args: Args, node: ir.Node) -> Value:
    active = sum(1 for frame in run.frames if frame.function is not None and frame.function.node is function.node)
    if len(run.frames) >= MAX_DEPTH or active >= _MOST_RECURSION:
        return call_unknown(run, Unknown(), args, node)
    env = Env(function.env)
    bind_parameters(run, function, args, env)
    frame = Frame(env, function, function.owner, _self_of(function, env), given=tuple(env.names.items()))
    if isinstance(function.node, ir.FunctionDef):
        frame.constructing = function.node.name == "__init__"
        if function.node.scope.is_generator and (function.manager or node is run.driven):
            return _generator(run, frame, function, node)
    return run_frame(run, frame, node)


def _generator(run: Run, frame: Frame, function: Function, node: ir.Node) -> Generator:
    def start(resume: Callable[[Value], None]) -> Value:
        frame.resume = resume
        return run_frame(run, frame, node)

    return Generator(function.modes, start)


def _self_of(function: Function, env: Env) -> Value | None:
    if function.owner is None or function.kind == "static" or not function.node.params:
        return None
    return env.names.get(function.node.params[0].name)


def run_frame(run: Run, frame: Frame, node: ir.Node | None) -> Value:
    """Execute a function's body in its frame; the value it returns."""
    function = frame.function
    if function is None:
        raise PathEnded
    machine = run.machine
    modes, calls, caller_file = machine.modes, run.calls, run.filename
    run.called.add(id(function.node))
    if function.owner is not None and isinstance(function.node, ir.FunctionDef) and function.node.name == "forward":
        run.forwards.add(id(function.node))
    frame.loops = len(machine.loops)
    run.frames.append(frame)
    if node is not None:
        run.calls = (*calls, run.site(node))
    run.filename = function.filename
    try:
        _enter_modes(run, function)
        return _body(run, function, frame)
    except PathEnded:  # it was not executed to its end: it will be run on its own
        run.called.discard(id(function.node))
        raise
    finally:
        run.frames.pop()
        run.calls, run.filename = calls, caller_file
        if function.modes or function.opaque:
            machine.modes = modes


def _enter_modes(run: Run, function: Function) -> None:
    machine = run.machine
    for mode in function.modes:
        if mode == "inference":
            machine.modes = replace(machine.modes, grad=False, inference=True, off=function.off)
        else:
            wanted = {"no_grad": False, "enable_grad": True}.get(mode)
            machine.modes = replace(machine.modes, grad=wanted, off=function.off)
    if function.opaque and machine.modes.grad:
        machine.modes = replace(machine.modes, grad=None)


def _body(run: Run, function: Function, frame: Frame) -> Value:
    body = function.node
    if isinstance(body, ir.Lambda):
        return run.evaluate(body.body)
    signal = run.execute(body.body)
    if signal is not None and signal.kind == "raise":
        raise ProgramRaised if run.machine.catching else PathEnded
    if body.scope.is_generator:
        return Seq("iterator", frame.yields, open=frame.inexact)
    return signal.value if signal is not None and signal.kind == "return" else NONE


# -------------------------------------------------------------------- classes


def make_class(run: Run, node: ir.ClassDef) -> Class:
    """The value a `class` statement gives: its body is executed in a scope of its own."""
    bases = tuple(run.evaluate(arg.value) for arg in node.bases if arg.keyword is None)
    for decorator in node.decorators:
        run.evaluate(decorator)
    cls = Class(node, bases, {}, filename=run.filename)
    env = Env(run.env)
    env.names["__class_body__"] = cls
    run.frames.append(Frame(env, None, cls))
    try:
        run.execute(node.body)
    finally:
        run.frames.pop()
    del env.names["__class_body__"]
    cls.attrs.update(env.names)
    for value in cls.attrs.values():
        if isinstance(value, Function) and value.env is env:
            value.env = run.env
    cls.opaque = any(b.opaque if isinstance(b, Class) else _is_unknown_base(b) for b in bases)
    return cls


def _is_unknown_base(value: Value) -> bool:
    is_known = isinstance(value, Builtin) and value.name in ("object", "Exception", "dict", "list")
    return not is_known and not isinstance(value, TorchName)


def is_module_class(cls: Class) -> bool:
    """The class derives from `nn.Module`, as far as the bases tell."""
    for link in class_chain(cls):
        if (
            isinstance(link, TorchName)
            and link.name.startswith("torch.nn.")
            and not link.name.startswith("torch.nn.init")
        ):
            return True
        if isinstance(link, Foreign) and link.name.rpartition(".")[2].endswith(_MODULE_BASES):
            return True
    return False


def is_function_class(cls: Class) -> bool:
    """The class derives from `autograd.Function`."""
    return any(isinstance(link, TorchName) and link.name == "torch.autograd.Function" for link in class_chain(cls))


def instantiate(run: Run, cls: Class, args: Args, node: ir.Node) -> Value:
    """`cls(args)`."""
    run.called.add(id(cls.node))
    if named_tuples.is_named_tuple(cls):
        return named_tuples.build(_fields(cls), cls.attrs, args) if not args.open else Unknown()
    instance = Instance(cls, {}, module=is_module_class(cls), site=run.site(node), loops=run.machine.loops)
    init, _ = find_in_class(cls, "__init__")
    if isinstance(init, Function):
        call_function(run, init, Args([instance, *args.pos], args.kw, args.open), node)
    else:
        _default_init(run, instance, args, node)
    if instance.module:
        note_constructed(run, instance, (*run.calls, run.site(node)))
        note_made(run, instance, node)
    return instance


def _default_init(run: Run, instance: Instance, args: Args, node: ir.Node) -> None:
    base = next((b for b in class_chain(instance.cls) if isinstance(b, TorchName)), None)
    _init_base(run, instance, base, args, node)
    for position, name in enumerate(_fields(instance.cls)):
        value = args.get(position, name)
        if value is not None:
            instance.attrs[name] = value


def _init_base(run: Run, instance: Instance, base: TorchName | None, args: Args, node: ir.Node) -> None:
    """A module of torch's gives its parts; any other base class may keep what it is given, as an optimizer does."""
    if base is not None and base.name.startswith("torch.nn."):
        inherit_builtin_module(run, instance, base.name, args, node)
    elif any(isinstance(link, TorchName | Foreign | Unknown) for link in class_chain(instance.cls)):
        give_away(run, args)


def _fields(cls: Class) -> list[str]:
    """The annotated names in a class body: a dataclass's fields."""
    return [s.target.id for s in cls.node.body if isinstance(s, ir.AnnAssign) and isinstance(s.target, ir.Name)]


def _call_nn_module(run: Run, module: NNModule, args: Args, node: ir.Node) -> Value:
    args = run_before(run, module, args, node)
    result = run_after(run, module, args, call_module(run, module, args, node), node)
    if run.watch.evaluated:
        note_forward(run, module, result, node)
    return result


def _call_instance(run: Run, instance: Instance, args: Args, node: ir.Node) -> Value:
    args = run_before(run, instance, args, node)
    result = run_after(run, instance, args, _call_object(run, instance, args, node), node)
    if instance.module and type(result) is Tensor:
        (result.base or result).layer = True
    if run.watch.evaluated and instance.module:
        note_forward(run, instance, result, node)
    return result


def _call_object(run: Run, instance: Instance, args: Args, node: ir.Node) -> Value:
    if instance.module:
        forward, _ = find_in_class(instance.cls, "forward")
        own = instance.attrs.get("forward")
        if isinstance(own, Function | Bound):
            return run.call(own, args, node)
        if isinstance(forward, Function):
            return call_function(run, forward, Args([instance, *args.pos], args.kw, args.open), node)
        inner = instance.attrs.get("__base__")
        if isinstance(inner, NNModule):
            return call_module(run, inner, args, node)
    call, _ = find_in_class(instance.cls, "__call__")
    if isinstance(call, Function):
        return call_function(run, call, Args([instance, *args.pos], args.kw, args.open), node)
    return call_unknown(run, instance, args, node)


def call_hook(run: Run, value: Value, name: str, args: list[Value], node: ir.Node) -> Value:
    """Call the special method `name` of an object, if its class has it."""
    if isinstance(value, Instance):
        method, _ = find_in_class(value.cls, name)
        if isinstance(method, Function):
            return call_function(run, method, Args([value, *args]), node)
    return Unknown()


def _call_class(run: Run, cls: Class, args: Args, node: ir.Node) -> Value:
    return instantiate(run, cls, args, node)


def _call_bound(run: Run, bound: Bound, args: Args, node: ir.Node) -> Value:
    owner = bound.self
    if isinstance(owner, Instance) and owner.module:
        note_forward_by_name(run, owner, node)
    return call_function(run, bound.function, Args([bound.self, *args.pos], args.kw, args.open, args.nodes), node)


def _call_method(run: Run, method: Method, args: Args, node: ir.Node) -> Value:
    owner, name = method.owner, method.name
    if isinstance(owner, Tensor):
        return call_tensor_method(run, owner, name, args, node)
    if isinstance(owner, NNModule | Instance):
        return call_module_method(run, owner, name, args, node)
    if isinstance(owner, OptimizerValue):
        return call_optimizer_method(run, owner, name, args, node)
    if isinstance(owner, Seq | Dict | Const):
        return call_container_method(run, owner, name, args, node)
    if isinstance(owner, Distribution):
        return call_distribution_method(run, owner, name, args, node)
    if isinstance(owner, Context):
        return call_context_method(run, owner, name, args)
    if isinstance(owner, SuperValue):
        return _call_super(run, owner, name, args, node)
    if isinstance(owner, Class) and name == "apply" and is_function_class(owner):
        return apply_function(run, owner, args, node)
    return call_unknown(run, method, args, node)


def _call_super(run: Run, owner: SuperValue, name: str, args: Args, node: ir.Node) -> Value:
    target = owner.self
    if not isinstance(target, Instance):
        return call_unknown(run, owner, args, node)
    base = next((b for b in class_chain(target.cls) if isinstance(b, TorchName)), None)
    if name == "__init__":
        _init_base(run, target, base, args, node)
        return NONE
    inner = target.attrs.get("__base__")
    if name in ("forward", "__call__") and isinstance(inner, NNModule):
        return call_module(run, inner, args, node)
    if name == "__setattr__" and len(args.pos) == 2 and isinstance(args.pos[0], Const):
        target.attrs[str(args.pos[0].value)] = args.pos[1]
        return NONE
    if target.module:
        return call_module_method(run, target, name, args, node)
    return call_unknown(run, owner, args, node)


def _call_super_value(run: Run, function: SuperValue, args: Args, node: ir.Node) -> Value:
    return Unknown()


def _call_native(run: Run, function: Native, args: Args, node: ir.Node) -> Value:
    return function.call(run, args, node)


def _call_torch_name(run: Run, function: TorchName, args: Args, node: ir.Node) -> Value:
    return call_torch(run, function.name, args, node)


def _call_builtin(run: Run, function: Builtin, args: Args, node: ir.Node) -> Value:
    return call_builtin(run, function.name, args, node)


def _call_grad_mode(run: Run, function: GradModeValue, args: Args, node: ir.Node) -> Value:
    """`torch.no_grad()(f)`."""
    target = args.get(0, "func")
    if isinstance(target, Function):
        return replace(target, modes=(*target.modes, _taken_as_decorator(run, function)), off=run.site(node))
    return target if target is not None else function


_CALLERS: Final[dict[type, Callable[[Run, Any, Args, ir.Node], Value]]] = {
    Function: call_function,
    Bound: _call_bound,
    Class: _call_class,
    Instance: _call_instance,
    Method: _call_method,
    NNModule: _call_nn_module,
    TorchName: _call_torch_name,
    Builtin: _call_builtin,
    Native: _call_native,
    GradModeValue: _call_grad_mode,
    SuperValue: _call_super_value,
    Foreign: call_foreign,
}


# ------------------------------------------------------------------- contexts


def enter_context(run: Run, context: Value, node: ir.Node) -> tuple[Value, Callable[[], None]]:
    """Enter a context manager: the value of `as`, and what to do on leaving."""
    machine = run.machine
    modes = machine.modes
    if isinstance(context, TorchName):
        context = call_torch(run, context.name, Args([]), node)
    if isinstance(context, GradModeValue):
        if context.autocast:
            machine.modes = replace(modes, autocast=True)
        elif context.inference:
            machine.modes = replace(modes, grad=False, inference=True, off=run.site(node))
        elif context.mutation:
            machine.modes = replace(modes, mutation_allowed=True)
        elif context.anomaly:
            run.anomaly = None
        elif context.offload:
            machine.modes = replace(modes, offload=True)
        else:
            modes = context.before if context.before is not None else modes
            machine.modes = replace(
                machine.modes,
                grad=context.mode,
                inference=modes.inference,
                off=run.site(node) if context.mode is False else None,
            )

        def restore() -> None:
            machine.modes = modes

        return context, restore
    if isinstance(context, Instance):
        entered = call_hook(run, context, "__enter__", [], node)

        def leave() -> None:
            if not machine.failed:
                call_hook(run, context, "__exit__", [NONE, NONE, NONE], node)

        return (entered if truth(entered) is not None or entered is not NONE else context), leave
    return (context if isinstance(context, ExpectRaise | Tensor | Seq) else Unknown()), _nothing


def _nothing() -> None:
    """Leaving changes nothing."""

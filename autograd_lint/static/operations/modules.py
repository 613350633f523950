"""Torch's own module classes, and the methods every `nn.Module` has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from autograd_lint.events import ForwardCalled, HookRegistered, How, Site, TensorRef
from autograd_lint.facts import table
from autograd_lint.facts.model import ModuleFacts
from autograd_lint.static.interpret.escape import call_unknown, tensor_sources
from autograd_lint.static.interpret.state import Args, Run, truth
from autograd_lint.static.model.order import note_clear
from autograd_lint.static.model.passes import forget_gradient
from autograd_lint.static.model.values import (
    FALSE,
    NONE,
    TRUE,
    Bound,
    Const,
    Dict,
    Function,
    Instance,
    NNModule,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from autograd_lint.static.operations.forward_hooks import add_forward_hook
from autograd_lint.static.operations.registered import (
    is_open_module,
    named_children_of,
    named_parameters_of,
    named_submodules,
    parameters_of,
    submodules,
)
from autograd_lint.static.operations.state_dicts import live_state
from autograd_lint.static.operations.tensors import apply_effect, describe, kind_of, new_record, proven_tensor, receiver
from autograd_lint.static.patterns.networks import note_parameters
from autograd_lint.static.patterns.testing import in_test
from autograd_lint.static.patterns.validation import set_mode
from autograd_lint.static.shapes import layout as layouts
from autograd_lint.static.shapes.shape_arguments import integers
from autograd_lint.static.syntax import ir

_CONTAINERS: Final = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Module"})
_WRAPPERS: Final = frozenset({"DataParallel", "DistributedDataParallel"})


def is_module_name(name: str) -> bool:
    """`name` is one of torch's module classes, containers included."""
    package, _, last = name.rpartition(".")
    known = last in _CONTAINERS or last in _WRAPPERS or table.is_module(name)
    return package.startswith("torch.nn") and last[:1].isupper() and known


def construct_module(run: Run, name: str, args: Args, node: ir.Node) -> NNModule:
    """`nn.Linear(3, 4)`: an object with its parameters and buffers."""
    site = run.site(node)
    last = name.rpartition(".")[2]
    module = NNModule(name, {}, {}, {}, {}, site, loops=run.machine.loops)
    if last in _CONTAINERS or last in _WRAPPERS:
        _fill_container(run, module, last, args, node)
        return module
    names = table.parameters(name) or ()
    module.options = {**dict(zip(names, args.pos, strict=False)), **args.kw}
    facts = _facts(module)
    if facts is None:
        module.open = True
        return module
    for label in facts.parameters:
        module.params[label] = _parameter(run, module, label, site)
    for label in facts.buffers:
        given = module.options.get(label)
        module.buffers[label] = given if isinstance(given, Tensor) else _buffer(run, label, site)
    return module


def _facts(module: NNModule) -> ModuleFacts | None:
    return table.module(module.name, {key: kind_of(value) for key, value in module.options.items()})


def _is_false(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is False


def _buffer(run: Run, label: str, site: Site) -> Tensor:
    tensor = run.machine.tensor(site)
    tensor.name = label
    tensor.dtype = "int64" if label == "num_batches_tracked" else "float32"
    return tensor


def _parameter(run: Run, module: NNModule, label: str, site: Site) -> Tensor:
    tensor = run.machine.tensor(site, requires_grad=True)
    tensor.parameter = True
    tensor.name = label
    tensor.dtype = "float32"
    tensor.layout = _parameter_layout(module, label)
    return tensor


_SIZES: Final = {
    ("Linear", "weight"): ("out_features", "in_features"),
    ("Linear", "bias"): ("out_features",),
    ("Embedding", "weight"): ("num_embeddings", "embedding_dim"),
    ("LayerNorm", "weight"): ("normalized_shape",),
    ("LayerNorm", "bias"): ("normalized_shape",),
    ("RMSNorm", "weight"): ("normalized_shape",),
}
"""Options that are the sizes of a parameter."""


def _parameter_layout(module: NNModule, label: str) -> layouts.Layout | None:
    names = _SIZES.get((module.name.rpartition(".")[2], label))
    found = [integers(module.options.get(name)) for name in names or ()]
    if not found or None in found:
        return None
    return layouts.fresh([size for sizes in found if sizes is not None for size in sizes])


def _fill_container(run: Run, module: NNModule, last: str, args: Args, node: ir.Node) -> None:
    first = args.get(0, "modules")
    if last in _WRAPPERS:
        module.children["module"] = first if first is not None else Unknown()
    elif last == "Sequential" and not isinstance(first, Dict):
        module.children.update({str(i): child for i, child in enumerate(args.pos)})
        module.open = args.open
    elif isinstance(first, Dict):
        module.children.update(
            {key if isinstance(key, str) else f"?{at}": child for at, (key, child) in enumerate(first.items.items())}
        )
        module.open = first.open
    elif isinstance(first, Seq | NNModule):
        items = first.items if isinstance(first, Seq) else list(first.children.values())
        module.children.update({str(i): child for i, child in enumerate(items)})
        module.open = first.open
    else:
        module.open = first is not None
    if last.startswith("Parameter"):
        for child in module.children.values():
            if isinstance(child, Tensor) and child.node is None:
                child.parameter = True


def inherit_builtin_module(run: Run, instance: Instance, name: str, args: Args, node: ir.Node) -> None:
    """`super().__init__(…)` in a class that derives from one of torch's modules: take over its parts."""
    if name == "torch.nn.Module" or not is_module_name(name):
        return
    inner = construct_module(run, name, args, node)
    instance.attrs["__base__"] = inner


# -------------------------------------------------------------------- walking


# -------------------------------------------------------------------- calling


def call_module(run: Run, module: NNModule, args: Args, node: ir.Node) -> Value:
    """`module(args)`."""
    last = module.name.rpartition(".")[2]
    if last == "Sequential":
        return _call_sequential(run, module, args, node)
    if last in _WRAPPERS:
        return run.call(module.children["module"], args, node)
    facts = _facts(module)
    own = module.attrs.get("forward")
    if isinstance(own, Function | Bound):
        return run.call(own, args, node)
    if facts is None:
        return call_unknown(run, module, args, node)
    inputs = {**dict(zip(facts.inputs, args.pos, strict=False)), **args.kw}
    if args.pos:
        proven_tensor(run, args.pos[0])
    operands: dict[str, Value] = {**module.buffers, **module.params, **inputs}
    kinds = {key: kind_of(value) for key, value in {**module.options, **operands}.items()}
    kinds["training"] = kind_of(module.training) if isinstance(module.training, Const) else "?"
    effect = table.module_effect(module.name, kinds)
    if effect is None:
        return Unknown(tuple(tensor_sources(args.pos[0])) if args.pos else ())
    block: Value = Seq("list", list(module.params.values()))
    settings = {key: value for key, value in module.options.items() if _is_plain(value)}
    params: dict[str, Value] = {**settings, **operands, "*": block}
    target = describe(node.args[0].value) if isinstance(node, ir.Call) and node.args else ""
    inner = frozenset(module.params) | frozenset(module.buffers)
    name = f"{module.name}"
    return apply_effect(
        run, name, effect, params, node, how=How.MODULE, target=target, constructor=module.site, inner=inner
    )


def _is_plain(value: Value) -> bool:
    """An option that is no tensor: a number, a size, a string."""
    if isinstance(value, Seq):
        return not value.open and all(type(item) is Const for item in value.items)
    return type(value) is Const


def _call_sequential(run: Run, module: NNModule, args: Args, node: ir.Node) -> Value:
    value = args.get(0, "input")
    if value is None or module.open:
        return call_unknown(run, module, args, node)
    for child in module.children.values():
        value = run.call(child, Args([value]), node)
    return value


# -------------------------------------------------------------------- methods

_Method = Callable[[Run, "NNModule | Instance", Args, ir.Node], Value]


def call_module_method(run: Run, owner: NNModule | Instance, name: str, args: Args, node: ir.Node) -> Value:
    """`module.name(args)` for the methods of `nn.Module`."""
    handler = _METHODS.get(name)
    if handler is not None and (isinstance(owner, NNModule) or owner.module):
        return handler(run, owner, args, node)
    if name in _HOOKS:
        handle = register_hook(run, owner, name, node)
        add_forward_hook(owner, name, args, handle)
        return handle
    return call_unknown(run, owner, args, node)


def register_hook(run: Run, owner: NNModule | Instance | Tensor, name: str, node: ir.Node) -> Unknown:
    """A hook is registered; repeated when a loop that began after `owner` was made does it to `owner` again."""
    machine = run.machine
    handle = Unknown()
    site = run.site(node)
    earlier = run.watch.hooked.setdefault(site.key, [])
    again = any(other is owner and loops != machine.loops for other, loops in earlier)
    earlier.append((owner, machine.loops))
    repeated = again and owner.loops != machine.loops
    outlives = not isinstance(owner, Tensor) or owner.node is None
    label = receiver(node)
    if isinstance(owner, Tensor):
        owner.hooks += 1
    parameter = isinstance(owner, Tensor) and owner.parameter
    target = TensorRef(label, leaf=True, parameter=parameter)
    event = HookRegistered(site=site, target=target, method=name, repeated=repeated and outlives)
    run.hooks.append((handle, event))
    if not isinstance(owner, Tensor):
        owner.hooks += 1
    return handle


def _self(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return owner


def _parameters(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    items: list[Value] = list(parameters_of(owner))
    result = Seq("list", items, open=is_open_module(owner))
    note_parameters(run, owner, result)
    return result


def _named_parameters(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return Seq("list", named_parameters_of(owner), open=is_open_module(owner))


def _modules(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return Seq("list", list(submodules(owner)), open=is_open_module(owner))


def _named_modules(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    if args.pos or args.kw:  # `prefix=`, which the names begin with
        return _named(owner, [(Unknown(), module) for module in submodules(owner)])
    return _named(owner, [(Const(name), module) for name, module in named_submodules(owner)])


def _children(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return Seq("list", [child for _, child in named_children_of(owner)], open=is_open_module(owner))


def _named_children(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return _named(owner, [(Const(name), child) for name, child in named_children_of(owner)])


def _named(owner: NNModule | Instance, found: Sequence[tuple[Value, Value]]) -> Value:
    return Seq("list", [Seq("tuple", list(pair)) for pair in found], open=is_open_module(owner))


def _train(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    mode = args.get(0, "mode")
    return _set_training(run, owner, TRUE if mode is None else mode, node)


def _eval(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return _set_training(run, owner, FALSE, node)


def _set_training(run: Run, owner: NNModule | Instance, value: Value, node: ir.Node) -> Value:
    set_mode(run, owner, list(submodules(owner)), truth(value) is not False, node)
    for module in submodules(owner):
        module.training = value
        if isinstance(module, Instance):
            module.attrs["training"] = value
    return owner


def _zero_grad(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    keep = args.get(0, "set_to_none")
    clear_gradients(run, owner, parameters_of(owner), keep, node)
    return NONE


def clear_gradients(run: Run, owner: Value, params: list[Tensor], set_to_none: Value | None, node: ir.Node) -> None:
    """`zero_grad` of `owner`: gradients become None, or zeros in place with `set_to_none=False`."""
    note_clear(run, run.site(node), owner, params)
    for tensor in params:
        if _is_false(set_to_none) and isinstance(tensor.grad, Tensor):
            write_inside(run, tensor.grad, node, op="zero_grad", how=How.METHOD)
            forget_gradient(tensor, True)
        else:
            forget_gradient(tensor, False if set_to_none is None or not isinstance(set_to_none, Unknown) else None)


def write_inside(
    run: Run,
    tensor: Tensor,
    node: ir.Node,
    *,
    op: str,
    how: How,
    bumps: bool = True,
    certain: bool = True,
    overlaps: bool = False,
) -> None:
    """A write torch's own code does under `no_grad`; `overlaps` as for `Machine.perform`."""
    machine = run.machine
    modes = machine.modes
    machine.modes = replace(modes, grad=False)
    try:
        record = new_record(run, tensor, run.site(node), how=how, op=op)
        record.bumps, record.certain = bumps, certain
        machine.write(record, [], None, overlaps=overlaps)
    finally:
        machine.modes = modes


def _load_state_dict(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    assign = args.get(2, "assign")
    if assign is None or _is_false(assign):
        for tensor in parameters_of(owner):
            write_inside(run, tensor, node, op="load_state_dict", how=How.STATE)
    return Unknown()


def _reset(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    for module in submodules(owner):
        if isinstance(module, NNModule):
            for tensor in (*module.params.values(), *module.buffers.values()):
                write_inside(run, tensor, node, op="reset_parameters", how=How.STATE)
    return NONE


def _reset_stats(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    if isinstance(owner, NNModule):
        for tensor in owner.buffers.values():
            write_inside(run, tensor, node, op="reset_running_stats", how=How.STATE)
    return NONE


def _requires_grad(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    flag = args.get(0, "requires_grad")
    wanted = True if flag is None else (bool(flag.value) if isinstance(flag, Const) else None)
    for tensor in parameters_of(owner):
        tensor.requires_grad = wanted
    run.watch.frozen = run.watch.frozen or (wanted is False and is_open_module(owner))
    return owner


def _apply(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    function = args.get(0, "fn")
    for module in list(submodules(owner)):
        if function is not None:
            run.call(function, Args([module]), node)
    return owner


def _register(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    name, value = args.get(0, "name"), args.pos[1] if len(args.pos) > 1 else next(iter(args.kw.values()), None)
    if isinstance(name, Const) and value is not None:
        place = owner.attrs if isinstance(owner, Instance) or isinstance(value, Tensor) else owner.children
        place[str(name.value)] = value
    elif isinstance(owner, NNModule) and value is not None and not isinstance(value, Tensor):
        owner.children[f"?{len(owner.children)}"] = value
    elif value is not None:
        owner.attrs[f"?{len(owner.attrs)}"] = value
    if value is not None:
        run.watch.store(owner, value)
    return NONE


def _append(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    if isinstance(owner, NNModule) and args.pos:
        owner.children[str(len(owner.children))] = args.pos[-1]
        run.watch.store(owner, args.pos[-1])
    return owner


def _extend(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    items = args.pos[0].items if args.pos and isinstance(args.pos[0], Seq) else []
    if isinstance(owner, NNModule):
        owner.children.update({str(len(owner.children) + i): item for i, item in enumerate(items)})
        owner.open = owner.open or not items
    return owner


def _values(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return Seq(
        "list", list(owner.children.values()) if isinstance(owner, NNModule) else [], open=isinstance(owner, Instance)
    )


def _items(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    children = owner.children if isinstance(owner, NNModule) else {}
    rows: list[Value] = [Seq("tuple", [Const(key), child]) for key, child in children.items()]
    return Seq("list", rows, open=isinstance(owner, Instance))


def _forward(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    note_forward_by_name(run, owner, node)
    return call_module(run, owner, args, node) if isinstance(owner, NNModule) else run.call(owner, args, node)


def _call(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return run.call(owner, args, node)


def note_forward_by_name(run: Run, owner: NNModule | Instance, node: ir.Node) -> None:
    """`module.forward(…)`, written so: the hooks that `module(…)` runs are left out."""
    if not isinstance(node, ir.Call) or not isinstance(node.func, ir.Attr) or node.func.name != "forward":
        return
    if any(frame.self is owner for frame in run.frames):
        return
    own, tested = _is_own(run, owner, node.func.base), in_test(run)
    if own and tested:
        return
    name = describe(node.func.base)
    run.machine.emit(ForwardCalled(site=run.site(node), name=name, hooks=owner.hooks > 0, own=own, tested=tested))


def _is_own(run: Run, owner: NNModule | Instance, receiver: ir.Expr) -> bool:
    """The function at work has made the module itself and gave it to nobody, so that all of its hooks are known."""
    frame = run.frame
    if frame.function is None or owner.hooks or id(owner) in run.watch.given or owner.site is None:
        return False
    if owner.site.calls[: len(run.calls)] != run.calls or _is_part_of_the_program(run, owner.site):
        return False
    if isinstance(receiver, ir.Name):
        return frame.env.names.get(receiver.id) is owner and (receiver.id, owner) not in frame.given
    return isinstance(receiver, ir.Call)


def _is_part_of_the_program(run: Run, made: Site) -> bool:
    """It was made by the constructor of the object whose method is the program."""
    first = next(iter(made.calls), None)
    return isinstance(run.owner, Instance) and first is not None and first.token is run.owner.cls.node.cst


def _unknown(run: Run, owner: NNModule | Instance, args: Args, node: ir.Node) -> Value:
    return Unknown()


_METHODS: Final[dict[str, _Method]] = {
    **dict.fromkeys(
        ("to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type", "share_memory", "compile"), _self
    ),
    "parameters": _parameters,
    "named_parameters": _named_parameters,
    "modules": _modules,
    "named_modules": _named_modules,
    "children": _children,
    "named_children": _named_children,
    "train": _train,
    "eval": _eval,
    "zero_grad": _zero_grad,
    "load_state_dict": _load_state_dict,
    "reset_parameters": _reset,
    "reset_running_stats": _reset_stats,
    "requires_grad_": _requires_grad,
    "apply": _apply,
    **dict.fromkeys(("register_parameter", "register_buffer", "add_module", "register_module"), _register),
    "append": _append,
    "extend": _extend,
    "values": _values,
    "items": _items,
    "forward": _forward,
    "__call__": _call,
    "state_dict": live_state,
    **dict.fromkeys(("buffers", "named_buffers", "keys", "extra_repr"), _unknown),
}
_HOOKS: Final = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_backward_hook",
)
MODULE_METHODS: Final = frozenset(_METHODS) | frozenset(_HOOKS)

"""Reading, writing and deleting attributes of abstract values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from autograd_lint.events import How, Refusal
from autograd_lint.static.interpret.classes import find_in_class
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.by_hand import note_moved
from autograd_lint.static.model.order import note_doubt
from autograd_lint.static.model.passes import forget_gradient
from autograd_lint.static.model.values import (
    NONE,
    Bound,
    Builtin,
    Class,
    Const,
    Context,
    DataSet,
    Dict,
    Distribution,
    Foreign,
    Function,
    Instance,
    LocalModule,
    Method,
    NNModule,
    OptimizerValue,
    Seq,
    SuperValue,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.modules import MODULE_METHODS
from autograd_lint.static.operations.tensor_methods import read_tensor_attribute
from autograd_lint.static.operations.tensors import describe, is_in_place, known_tensor, new_record, proven_tensor
from autograd_lint.static.operations.torch_names import canonical
from autograd_lint.static.patterns.flags import is_misspelt_flag, note_flag
from autograd_lint.static.patterns.revivals import flag
from autograd_lint.static.syntax import ir


def read_attribute(run: Run, base: Value, name: str, node: ir.Node) -> Value:
    """`base.name`."""
    reader = _READERS.get(type(base))
    if reader is not None:
        return reader(run, base, name, node)
    return Method(base, name)


def _of_tensor(run: Run, base: Tensor, name: str, node: ir.Node) -> Value:
    return read_tensor_attribute(run, base, name, node)


def _of_unknown(run: Run, base: Unknown, name: str, node: ir.Node) -> Value:
    if name == "grad":
        note_doubt(run)
        _prove_leaf(run, base)
    if base.attrs is not None and name in base.attrs and not (name == "grad" and base.kind == "tensor"):
        return base.attrs[name]
    if base.kind == "tensor" and base.tensor is not None:
        return read_tensor_attribute(run, base.tensor, name, node)
    if base in run.inputs and is_in_place(name):
        proven_tensor(run, base)
        return _of_unknown(run, base, name, node)
    value = base.attr(name)
    if type(value) is Unknown and not value.name:
        value.name = describe(node)
    return value


def _prove_leaf(run: Run, base: Unknown) -> None:
    """What was told to require grad, and has a gradient that it was not told to retain, is a leaf."""
    attrs = base.attrs or {}
    told = attrs.get("requires_grad")
    if base.kind or type(told) is not Const or told.value is not True or not attrs.keys().isdisjoint(_NO_LEAF):
        return
    tensor = proven_tensor(run, base)
    if tensor is not None and tensor.node is None:
        tensor.requires_grad = True
        tensor.grad = Unknown()


_NO_LEAF: Final = ("retain_grad", "parameters", "zero_grad", "train", "eval")


def bind_method(run: Run, value: Value, owner: Value, node: ir.Node) -> Value:
    """What reading a class attribute through an object gives."""
    if not isinstance(value, Function) or value.kind == "static":
        return value
    if value.kind == "class":
        return Bound(value, owner.cls if isinstance(owner, Instance) else owner)
    if value.kind == "property":
        return run.call(Bound(value, owner), Args([]), node)
    return Bound(value, owner)


def _of_instance(run: Run, base: Instance, name: str, node: ir.Node) -> Value:
    value = base.attrs.get(name)
    if value is not None:
        return value
    found, _ = find_in_class(base.cls, name)
    if found is not None:
        return bind_method(run, found, base, node)
    if name == "__class__":
        return base.cls
    if base.module and name in MODULE_METHODS:
        return Method(base, name)
    if base.module and name == "training":
        if type(base.training) is not Const:
            return base.training
        value = base.attrs["training"] = Unknown(kind="flag")
        return value
    inner = base.attrs.get("__base__")
    if isinstance(inner, NNModule):
        return read_attribute(run, inner, name, node)
    value = base.attrs[name] = Unknown()
    value.name = describe(node)
    return value


def _of_nn_module(run: Run, base: NNModule, name: str, node: ir.Node) -> Value:
    for place in (base.params, base.buffers, base.children, base.attrs):
        if name in place:
            return place[name]
    if name == "training":
        return base.training
    if name in MODULE_METHODS:
        return Method(base, name)
    if name in base.options:
        return base.options[name]
    value = base.attrs[name] = Unknown()
    if name == "__class__":
        value.put("__name__", Const(base.name.rpartition(".")[2]))
    return value


def _of_optimizer(run: Run, base: OptimizerValue, name: str, node: ir.Node) -> Value:
    if name in base.attrs:
        return base.attrs[name]
    if name == "param_groups":
        group = Dict({"params": Seq("list", list(base.params), open=base.open)}, open=True)
        base.attrs[name] = Seq("list", [group])
        return base.attrs[name]
    if name in ("state", "defaults"):
        base.attrs[name] = Unknown()
        return base.attrs[name]
    return Method(base, name)


def _of_torch_name(run: Run, base: TorchName, name: str, node: ir.Node) -> Value:
    return TorchName(canonical(f"{base.name}.{name}"))


def _of_foreign(run: Run, base: Foreign, name: str, node: ir.Node) -> Value:
    return Foreign(f"{base.name}.{name}")


def _of_local_module(run: Run, base: LocalModule, name: str, node: ir.Node) -> Value:
    found = run.project.member(base.place, name) if run.project is not None else None
    return found if found is not None else read_attribute(run, base.fallback, name, node)


def _of_class(run: Run, base: Class, name: str, node: ir.Node) -> Value:
    found, _ = find_in_class(base, name)
    if isinstance(found, Function) and found.kind == "class":
        return Bound(found, base)
    if found is not None:
        return found
    if name == "__name__":
        return Const(base.node.name)
    return Method(base, name)


def _of_super(run: Run, base: SuperValue, name: str, node: ir.Node) -> Value:
    owner = base.self.cls if isinstance(base.self, Instance) else base.self
    if isinstance(owner, Class):
        found, _ = find_in_class(owner, name, after=base.owner)
        if found is not None:
            return bind_method(run, found, base.self, node)
    return Method(base, name)


def _of_seq(run: Run, base: Seq, name: str, node: ir.Node) -> Value:
    if name in base.fields and base.fields.index(name) < len(base.items):
        return base.items[base.fields.index(name)]
    return Method(base, name)


def _of_function(run: Run, base: Function, name: str, node: ir.Node) -> Value:
    return base.attrs.setdefault(name, Unknown())


def _of_context(run: Run, base: Context, name: str, node: ir.Node) -> Value:
    if name in ("saved_tensors", "saved_variables"):
        return Seq("tuple", list(base.saved), open=not base.saved)
    if name in base.attrs:
        return base.attrs[name]
    if name in ("save_for_backward", "mark_dirty", "mark_non_differentiable", "set_materialize_grads"):
        return Method(base, name)
    return base.attrs.setdefault(name, Unknown())


def _of_distribution(run: Run, base: Distribution, name: str, node: ir.Node) -> Value:
    """A parameter as it was given (`loc`, `scale`), or something computed from them."""
    given = base.params.get(name)
    if given is not None and name not in ("probs", "logits"):  # these are normalized first
        return given
    return Unknown(tuple(base.params.values())) if name in _COMPUTED else Method(base, name)


_COMPUTED: Final = frozenset({"probs", "logits", "mean", "mode", "variance", "stddev", "batch_shape", "event_shape"})


def _of_data_set(run: Run, base: DataSet, name: str, node: ir.Node) -> Value:
    if name == "tensors" and base.tensors and base.whole:
        return Seq("tuple", list(base.tensors))
    if name == "dataset" and not base.whole and base.origin is not None:
        return base.origin
    return Unknown()


def _of_builtin(run: Run, base: Builtin, name: str, node: ir.Node) -> Value:
    return Unknown()


_READERS: Final[dict[type, Callable[[Run, Any, str, ir.Node], Value]]] = {
    Tensor: _of_tensor,
    Unknown: _of_unknown,
    Instance: _of_instance,
    NNModule: _of_nn_module,
    OptimizerValue: _of_optimizer,
    TorchName: _of_torch_name,
    Foreign: _of_foreign,
    LocalModule: _of_local_module,
    Class: _of_class,
    SuperValue: _of_super,
    Seq: _of_seq,
    Function: _of_function,
    Context: _of_context,
    Distribution: _of_distribution,
    Builtin: _of_builtin,
    DataSet: _of_data_set,
}


def filled_in(run: Run, node: ir.Expr, value: Value) -> Value:
    """`value`, read by `node` to be called or to have its attributes read.

    An attribute that the constructor has left None, of the object whose method is the program, was set by other code.
    """
    if (
        type(value) is not Const
        or value.value is not None
        or type(node) is not ir.Attr
        or type(node.base) is not ir.Name
    ):
        return value
    owner = run.owner
    if not isinstance(owner, Instance) or run.env.find(node.base.id) is not owner:
        return value
    made = owner.attrs[node.name] = Unknown()
    made.name = describe(node)
    return made


# -------------------------------------------------------------------- writing


def write_attribute(run: Run, base: Value, name: str, value: Value, node: ir.Attr) -> None:
    """`base.name = value`."""
    if name == "requires_grad" or is_misspelt_flag(name):
        note_flag(run, base, name, node)
    tensor = known_tensor(base)
    if tensor is not None:
        _write_tensor(run, tensor, name, value, node)
    elif isinstance(base, Instance):
        base.attrs[name] = value
        _name_tensor(value, node)
    elif isinstance(base, NNModule):
        _write_nn_module(base, name, value)
        _name_tensor(value, node)
    elif isinstance(base, Unknown):
        if name == "grad":
            note_doubt(run)
        elif name == "requires_grad":
            run.watch.frozen = True
        if base.attrs is None:
            base.attrs = {}
        base.attrs[name] = value
        _name_tensor(value, node)
        if name == "requires_grad":
            flag(run, base, value, node, assigned=True)
    elif isinstance(base, Class | OptimizerValue | Function | Context):
        base.attrs[name] = value
        if isinstance(base, Context):
            base.kept.append((name, value, run.site(node)))
    if run.watch.made:
        run.watch.store(base, value)


def _name_tensor(value: Value, node: ir.Attr) -> None:
    if isinstance(value, Tensor | Unknown) and not value.name:
        value.name = describe(node)


def _write_nn_module(base: NNModule, name: str, value: Value) -> None:
    if isinstance(value, Tensor) and value.parameter:
        base.params[name] = value
    elif name in base.children or isinstance(value, NNModule | Instance):
        base.children[name] = value
    else:
        base.params.pop(name, None)
        base.attrs[name] = value


def _write_tensor(run: Run, tensor: Tensor, name: str, value: Value, node: ir.Attr) -> None:
    if name == "grad":
        note_doubt(run)
        _write_grad(tensor, value)
    elif name == "data":
        assign_data(run, tensor, value, node)
    elif name == "requires_grad":
        _write_flag(run, tensor, value, node)


def _write_flag(run: Run, tensor: Tensor, value: Value, node: ir.Attr) -> None:
    if tensor.node is not None and tensor.node.certain:
        run.machine.refuse(run.site(node), Refusal.NON_LEAF_FLAG, tensor)
        return
    flag(run, tensor, value, node, assigned=True)
    if tensor.node is None:
        known = value.value if type(value) is Const else None
        tensor.requires_grad = bool(known) if known is not None else None


def _write_grad(tensor: Tensor, value: Value) -> None:
    if value is NONE or (type(value) is Const and value.value is None):
        forget_gradient(tensor, False)
        return
    forget_gradient(tensor, True)
    tensor.grad = value if isinstance(value, Tensor) else Unknown()


def assign_data(run: Run, tensor: Tensor, value: Value, node: ir.Node) -> None:
    """`x.data = v`: the tensor gets other memory, and no version counter moves."""
    source = known_tensor(value)
    record = new_record(run, tensor, run.site(node), how=How.DATA_ASSIGN, op=".data =", name=tensor.name)
    record.bumps = False
    run.machine.keep(record)
    fresh = source if source is not None else run.machine.tensor()
    note_moved(run, tensor, fresh, record.site)
    if fresh.memory is not tensor.memory:
        record.certain = source is not None and source.node is None  # what was computed may have the same values
        tensor.reseated = record
        tensor.memory = fresh.memory
    tensor.layout = fresh.layout


def delete_attribute(base: Value, name: str) -> None:
    """`del base.name`."""
    if isinstance(base, Tensor) and name == "grad":
        forget_gradient(base, False)
    elif isinstance(base, Instance | NNModule):
        base.attrs.pop(name, None)

"""`torch.func`: functions that are differentiated with respect to what they are given, and mapped over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from autograd_lint.events import Site
from autograd_lint.facts.model import Alias, Output
from autograd_lint.static.interpret.escape import call_unknown, tensor_sources
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.passes import Request, run_backward
from autograd_lint.static.model.values import (
    Const,
    Dict,
    Native,
    Seq,
    Tensor,
    TorchName,
    Unknown,
    Value,
)
from autograd_lint.static.operations.tensors import known_tensor
from autograd_lint.static.syntax import ir


def differentiate(*, valued: bool) -> Callable[[Run, Args, ir.Node], Value]:
    """`grad(function)`, or `grad_and_value(function)`: a function that runs it and a backward pass of its own."""

    def transform(run: Run, args: Args, node: ir.Node) -> Value:
        function, places = args.get(0, "func"), _places(args.get(1, "argnums"))
        if function is None or places is None or args.open:
            return call_unknown(run, TorchName("torch.func.grad"), args, node)
        return Native(partial(_run, function, places, valued))

    return transform


def map_rows(run: Run, args: Args, node: ir.Node) -> Value:
    """`vmap(grad(function))` runs the function on rows; other functions are looked at by themselves."""
    function = args.get(0, "func")
    if type(function) is not Native:
        return call_unknown(run, TorchName("torch.func.vmap"), args, node)

    def mapped(run: Run, given: Args, node: ir.Node) -> Value:
        return run.call(function, Args([_row(run, value, node) for value in given.pos], open=given.open), node)

    return Native(mapped)


def _row(run: Run, value: Value, node: ir.Node) -> Value:
    """A row of the argument, or all of it: its shape is not known."""
    if isinstance(value, Dict):
        return Dict({key: _row(run, part, node) for key, part in value.items.items()}, open=value.open)
    tensor = known_tensor(value)
    if tensor is None:
        return value
    row = run.machine.output(Output(Alias.SHARED, differentiable=False), tensor, None, site=run.site(node))
    row.requires_grad, row.dtype, row.alias_how = run.machine.requires(tensor), tensor.dtype, ""
    return row


def _places(given: Value | None) -> tuple[int, ...] | None:
    if given is None:
        return (0,)
    parts = given.items if isinstance(given, Seq) and not given.open else [given]
    numbers = tuple(part.value for part in parts if type(part) is Const and isinstance(part.value, int))
    return numbers if len(numbers) == len(parts) else None


def _run(function: Value, places: tuple[int, ...], valued: bool, run: Run, args: Args, node: ir.Node) -> Value:
    machine, modes = run.machine, run.machine.modes
    leaves: list[Tensor] = []
    given = [_leaf(run, v, leaves, node) if at in places else v for at, v in enumerate(args.pos)]
    machine.modes = replace(modes, grad=True, off=None)
    try:
        result = run.call(function, Args(given, args.kw, args.open), node)
        root = result.items[0] if isinstance(result, Seq) and result.items else result
        if type(root) is Tensor and root.node is not None and leaves and not machine.failed:
            site = run.site(node)
            request = Request(
                site,
                (root,),
                (root.name,),
                seeded=True,
                retain=True,
                create=False,
                inputs=tuple(leaves),
                accumulate=False,
            )
            run_backward(machine, run.gradients, request)
    finally:
        machine.modes = modes
    gradient = Unknown(tuple(source for value in args.all() for source in tensor_sources(value))[:4])
    return Seq("tuple", [gradient, Unknown(gradient.sources)]) if valued else gradient


def _request(root: Tensor, leaves: list[Tensor], site: Site) -> Request:
    names, inputs = (root.name,), tuple(leaves)
    return Request(site, (root,), names, seeded=True, retain=True, create=False, inputs=inputs, accumulate=False)


def _leaf(run: Run, value: Value, leaves: list[Tensor], node: ir.Node) -> Value:
    """The argument as the function gets it: leaves that share its memory."""
    if isinstance(value, Seq) and not value.open:
        return Seq(value.kind, [_leaf(run, part, leaves, node) for part in value.items], fields=value.fields)
    if isinstance(value, Dict):
        return Dict({key: _leaf(run, part, leaves, node) for key, part in value.items.items()}, open=value.open)
    tensor = known_tensor(value)
    if tensor is None:
        return value
    leaf = run.machine.output(Output(Alias.SHARED, differentiable=False), tensor, None, site=run.site(node))
    leaf.layout, leaf.dtype, leaf.device = tensor.layout, tensor.dtype, tensor.device
    leaf.requires_grad, leaf.alias_how = True, ""
    leaves.append(leaf)
    return leaf

"""Binds the arguments of a call to the parameters of a function of the program."""

from __future__ import annotations

from autograd_lint.static.importing.imports import annotation_value
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.model.values import Dict, Env, Function, Seq, Unknown, Value
from autograd_lint.static.operations.tensors import annotated
from autograd_lint.static.syntax import ir


def bind_parameters(run: Run, function: Function, args: Args, env: Env) -> None:
    """Bind arguments to parameters; what is missing is its default, else unknown."""
    pos = list(args.pos)
    keywords = dict(args.kw)
    for param in function.node.params:
        if param.kind == "vararg":
            env.names[param.name] = Seq("tuple", pos, open=args.open)
            pos = []
        elif param.kind == "kwarg":
            entries: dict[object, Value] = {}
            entries.update(keywords)
            env.names[param.name] = Dict(entries, open=args.open)
        else:
            env.names[param.name] = _argument(run, function, param, pos, keywords, args)


def _argument(
    run: Run, function: Function, param: ir.Param, pos: list[Value], keywords: dict[str, Value], args: Args
) -> Value:
    if pos and param.kind != "kwonly":
        given = pos.pop(0)
        # Given twice, as Python forbids: it is another function that is called here.
        return given if keywords.pop(param.name, None) is None else Unknown()
    if param.name in keywords:
        return keywords.pop(param.name)
    if not args.open and param.name in function.defaults:
        return function.defaults[param.name]
    value: Value = Unknown()
    if isinstance(value, Unknown):
        value.name = param.name
        value.default = function.defaults.get(param.name)
        if isinstance(function.node, ir.FunctionDef) and function.node.name == "__init__":
            run.settings[id(value)] = value
        if param.annotation is not None:
            value = _annotated(run, value, param.annotation)
    return value


def _annotated(run: Run, value: Unknown, annotation: ir.Expr) -> Value:
    """`value` with what its annotation says of it; of a `Tuple[int, int]`, of its items."""
    if type(annotation) is ir.Subscript and type(annotation.index) is ir.Sequence:
        if isinstance(annotation.base, ir.Name) and annotation.base.id in ("Tuple", "tuple"):
            for i, part in enumerate(annotation.index.elts):
                item = value.attr(f"[{i}]")
                if isinstance(item, Unknown):
                    annotated(run, item, annotation_value(run, part))
        return value
    return annotated(run, value, annotation_value(run, annotation))

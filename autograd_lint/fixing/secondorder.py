"""`backward(create_graph=True)` becomes `torch.autograd.grad`, where the function reads the gradients itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import libcst as cst

from autograd_lint.events import Backward
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.calls import argument
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.walk import assigned_names, descendants, dotted_name, names_read

_OTHER_USES: Final = frozenset({"step", "unscale_", "clip_grad_norm_", "clip_grad_value_", "retain_grad"})
"""Names of what needs the gradients in `.grad`."""
_PASSES: Final = frozenset({"backward", "grad"})


@dataclass(frozen=True, slots=True)
class _Read:
    """A read of `x.grad`: of a tensor, or of the variable of a loop over `module.parameters()`."""

    node: cst.Attribute
    name: str
    loop: cst.CompFor | cst.For | None = None


def returned_gradients(code: Code, event: Backward) -> Fix | None:
    """`loss.backward(create_graph=True)`, and the reads of `.grad` after it, by `torch.autograd.grad`."""
    call = code.find(event.site, cst.Call)
    line = None if call is None else code.line(call)
    if call is None or line is None or not isinstance(code.parent(call), cst.Expr):
        return None
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "backward" or event.call != "backward":
        return None
    given = [arg.keyword.value if arg.keyword else "" for arg in call.args]
    grad = name_for(code, "torch.autograd.grad", call)
    if grad is None or grad.imports or not set(given) <= {"create_graph", "retain_graph"}:
        return None
    reads = _reads(code, call)
    if not reads:
        return None
    root = code.text(call.func.value).replace("{", "{{").replace("}", "}}")
    graph = argument(call, "create_graph")
    flag = "True" if graph is None else code.text(graph.value)
    form = f"{grad.text}({root}, {{}}, create_graph={flag}{{}})"
    return _of_tensors(code, call, reads, form) or _of_parameters(code, call, reads, form)


def _reads(code: Code, call: cst.Call) -> Sequence[_Read]:
    """All uses of `.grad` in the function after the pass; none where one of them is no plain read."""
    scope, end = code.scope(call), code.place(call).end
    found: list[_Read] = []
    for node in descendants(scope):
        if not isinstance(node, cst.Attribute) or code.place(node).start < end:
            continue
        if node.attr.value in _OTHER_USES or (node.attr.value in _PASSES and _is_called(code, node)):
            return ()
        if node.attr.value != "grad":
            continue
        read = _read(code, node, call)
        if read is None:
            return ()
        found.append(read)
    return found


def _is_called(code: Code, node: cst.Attribute) -> bool:
    around = code.parent(node)
    return isinstance(around, cst.Call) and around.func is node


def _read(code: Code, node: cst.Attribute, call: cst.Call) -> _Read | None:
    around, name = code.parent(node), dotted_name(node.value)
    written = isinstance(around, cst.AssignTarget | cst.AugAssign | cst.Del)
    method = isinstance(around, cst.Attribute) and (around.attr.value == "data" or around.attr.value.endswith("_"))
    if not name or written or method or code.scope(node) is not code.scope(call):
        return None
    return _Read(node, name, _loop_of(code, node, name))


def _loop_of(code: Code, node: cst.Attribute, name: str) -> cst.CompFor | cst.For | None:
    """The loop or comprehension whose variable `name` is."""
    for found in code.around(node):
        if isinstance(found, cst.For) and code.text(found.target) == name:
            return found
        if isinstance(found, cst.ListComp | cst.GeneratorExp | cst.SetComp) and code.text(found.for_in.target) == name:
            return found.for_in
    return None


def _is_free(code: Code, name: str, at: cst.CSTNode) -> bool:
    scope = code.scope(at)
    return name not in {read.value for read in names_read(scope)} | set(assigned_names(scope))


# ------------------------------------------------------------------- tensors


def _of_tensors(code: Code, call: cst.Call, reads: Sequence[_Read], form: str) -> Fix | None:
    """`(w_grad,) = torch.autograd.grad(loss, w, create_graph=True)`."""
    if any(read.loop is not None for read in reads):
        return None
    leaves = list(dict.fromkeys(read.name for read in reads))
    names = {leaf: f"{leaf.rpartition('.')[2]}_grad" for leaf in leaves}
    if len(set(names.values())) < len(leaves) or not all(_is_free(code, name, call) for name in names.values()):
        return None
    targets = ", ".join(names.values())
    of = leaves[0] if len(leaves) == 1 else f"({', '.join(leaves)})"
    bound = f"({targets},)" if len(leaves) == 1 else targets
    edits = [code.replace(read.node, names[read.name]) for read in reads]
    made = code.replace(call, f"{bound} = {form.format(of, '')}")
    return code.unsafe("let `torch.autograd.grad` return the gradients", made, *edits)


# ---------------------------------------------------------------- parameters


def _of_parameters(code: Code, call: cst.Call, reads: Sequence[_Read], form: str) -> Fix | None:
    """`grads = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)`."""
    loops = {id(read.loop): read.loop for read in reads if read.loop is not None}
    iterated = {code.text(loop.iter) for loop in loops.values()}
    if any(read.loop is None for read in reads) or len(iterated) != 1:
        return None
    parameters = iterated.pop()
    if not parameters.endswith(".parameters()") or not all(_is_free(code, name, call) for name in ("grads", "grad")):
        return None
    edits: list[Edit] = []
    tested = False
    for loop in loops.values():
        here = [read for read in reads if read.loop is loop]
        edits += _with_gradients(code, loop, here)
        tested = tested or any(isinstance(code.parent(read.node), cst.Comparison) for read in here)
    made = form.format(f"list({parameters})", ", allow_unused=True" if tested else "")
    return code.unsafe("let `torch.autograd.grad` return the gradients", code.replace(call, f"grads = {made}"), *edits)


def _with_gradients(code: Code, loop: cst.CompFor | cst.For, reads: Sequence[_Read]) -> list[Edit]:
    """A loop over parameters made one over gradients, or over both where the parameters are used too."""
    whole = loop if isinstance(loop, cst.For) else code.parent(loop)
    variable = code.text(loop.target)
    used = sum(read.value == variable for read in names_read(whole)) if whole is not None else 0
    if isinstance(whole, cst.ListComp) and [read.node for read in reads] == [whole.elt] and not whole.for_in.ifs:
        return [code.replace(whole, "list(grads)")]
    edits = [code.replace(read.node, "grad") for read in reads]
    if used == len(reads) + 1:
        return [*edits, code.replace(loop.target, "grad"), code.replace(loop.iter, "grads")]
    both = f"zip({code.text(loop.iter)}, grads)"
    return [*edits, code.replace(loop.target, f"{variable}, grad"), code.replace(loop.iter, both)]

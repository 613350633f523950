"""What a Module is to train, registered with it: as a Parameter, or in a container of `torch.nn`."""

from __future__ import annotations

from typing import Final

import libcst as cst

from autograd_lint.events import Holder, Unregistered
from autograd_lint.finding import Edit, Fix
from autograd_lint.fixing.code import Code
from autograd_lint.fixing.names import name_for
from autograd_lint.fixing.values import without_flag, wrapped
from autograd_lint.fixing.walk import assigned_names, descendants, dotted_name, only_one

_CONTAINERS: Final = {Holder.LIST: "List", Holder.TUPLE: "List", Holder.DICT: "Dict"}


def contained(code: Code, event: Unregistered) -> Fix | None:
    """`nn.ModuleList`, `nn.ModuleDict` or their like for Parameters, around a plain container of such."""
    value, kind = code.expression(event.site), _CONTAINERS.get(event.holder)
    if value is None or kind is None or not _holds_members(code, value):
        return None
    container = ("Parameter" if event.member == "Parameter" else "Module") + kind
    edits = wrapped(code, value, f"torch.nn.{container}")
    return None if edits is None else code.unsafe(f"use `{container}`", *edits)


def _holds_members(code: Code, value: cst.BaseExpression) -> bool:
    """Whether the container is written out here and holds what it holds itself, not in containers of its own."""
    match value:
        case cst.List(elements=elements):
            return not any(isinstance(element.value, _DISPLAYS) for element in elements)
        case cst.Tuple(elements=elements):
            return bool(value.lpar) and not any(isinstance(element.value, _DISPLAYS) for element in elements)
        case cst.Dict(elements=elements):
            return not any(isinstance(element.value, _DISPLAYS) for element in elements)
        case cst.ListComp(elt=elt):
            return not isinstance(elt, _DISPLAYS)
        case cst.DictComp(value=elt):
            return not isinstance(elt, _DISPLAYS)
        case cst.Name(value=name):
            return _is_filled_with_members(code, value, name)
    return False


def _is_filled_with_members(code: Code, value: cst.Name, name: str) -> bool:
    """Whether `name` is one list in this function, and what is appended to it is no container."""
    scope = code.scope(value)
    bound = [found for found in descendants(scope) if isinstance(found, cst.Assign) and name in assigned_names(found)]
    if len(bound) != 1 or not isinstance(bound[0].value, cst.List | cst.ListComp):
        return False
    added = (found for found in descendants(scope) if isinstance(found, cst.Call))
    given = [call.args[0].value for call in added if dotted_name(call.func) == f"{name}.append" and len(call.args) == 1]
    return _holds_members(code, bound[0].value) and not any(isinstance(item, _DISPLAYS) for item in given)


_DISPLAYS: Final = (cst.List, cst.Tuple, cst.Dict, cst.ListComp, cst.DictComp)


def registered(code: Code, event: Unregistered) -> Fix | None:
    """`nn.Parameter(…)` around the value, without its flag, or `nn.ParameterList()` in place of an empty list."""
    value = code.expression(event.site)
    if value is None:
        return None
    if event.holder is Holder.LIST:
        return _listed(code, value)
    parameter = name_for(code, "torch.nn.Parameter", value)
    if event.holder is not Holder.ATTRIBUTE or parameter is None or not isinstance(value, cst.Call):
        return None
    plain = without_flag(code, value) or code.text(value)
    made = code.replace(value, f"{parameter.text}({plain})")
    return code.unsafe("make it a Parameter", *parameter.imports, made, *_flags(code, value, event.attribute))


def _listed(code: Code, value: cst.BaseExpression) -> Fix | None:
    container = name_for(code, "torch.nn.ParameterList", value)
    if container is None or not isinstance(value, cst.List) or value.elements:
        return None
    return code.unsafe("use `ParameterList`", *container.imports, code.replace(value, f"{container.text}()"))


def _flags(code: Code, value: cst.CSTNode, attribute: str) -> list[Edit]:
    """`self.w.requires_grad_()` in the same function, which a Parameter does not need."""
    found = []
    for line in descendants(code.scope(value)):
        small = only_one(line)
        call = small.value if isinstance(small, cst.Expr) else None
        if not isinstance(call, cst.Call) or call.args or len(getattr(code.parent(line), "body", ())) < 2:
            continue
        if dotted_name(call.func) == f"self.{attribute}.requires_grad_":
            found.append(code.without_statement(line))
    return found

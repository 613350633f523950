"""What a Module holds and does not register, and what its `forward` makes anew on each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from autograd_lint.events import Holder, MadeInForward, Site, Unregistered
from autograd_lint.static.interpret.classes import find_in_class
from autograd_lint.static.interpret.state import Frame, Run
from autograd_lint.static.model.values import Class, Dict, Function, Instance, NNModule, Seq, Tensor, Value
from autograd_lint.static.model.watch import Candidate, Made
from autograd_lint.static.operations.registered import parameters_of, submodules
from autograd_lint.static.syntax import ir
from autograd_lint.static.syntax.walk import subtree

HELD: Final = frozenset({Seq, Dict, Tensor})
"""What an attribute may hold that a Module does not look into."""
_OWN_WAYS: Final = ("parameters", "named_parameters", "__setattr__", "__getattr__", "_apply")
"""A class that defines one of these may look after what it holds by itself."""
_DEPTH: Final = 3


# ------------------------------------------------------------------- holding


def note_bound(run: Run, target: ir.Attr, source: ir.Expr) -> None:
    """An attribute is bound to a container or a tensor; where, in case it is not registered."""
    base = run.env.find(target.base.id) if type(target.base) is ir.Name else None
    if isinstance(base, Instance) and base.module and any(f.constructing and f.self is base for f in run.frames):
        if base.bound is None:
            base.bound = {}
        base.bound[target.name] = run.site(source)


def note_constructed(run: Run, instance: Instance, inside: tuple[Site, ...]) -> None:
    """A Module's constructor has ended: tell apart what it registered and what it only holds."""
    if instance.bound is None or any(find_in_class(instance.cls, name)[0] is not None for name in _OWN_WAYS):
        return
    parameters = parameters_of(instance)
    modules = list(submodules(instance))
    if any(isinstance(module, NNModule) and module.open and _holds_parameters(module) for module in modules):
        return
    registered = {id(module) for module in modules} | {id(t) for t in parameters}
    memories = {id(t.memory) for t in parameters}
    for name, site in instance.bound.items():
        value = instance.attrs.get(name)
        if value is None or id(value) in run.watch.given:
            continue
        members = [
            member
            for member in _members(value)
            if id(member) not in registered and id(member) not in run.watch.given and _made_inside(member, inside)
        ]
        tensors = [m for m in members if _is_lost_tensor(m, memories)]
        for group in (_trained(members, registered), tensors if tensors and not _hands_out(instance, tensors) else []):
            if group:
                run.watch.candidates.append(_candidate(run, instance, name, site, value, group))


def _holds_parameters(module: NNModule) -> bool:
    """A `ParameterList` or `ParameterDict`."""
    return module.name.rpartition(".")[2].startswith("Parameter")


def _members(value: Value, depth: int = 0) -> Iterator[NNModule | Instance | Tensor]:
    if isinstance(value, Tensor) or (isinstance(value, NNModule | Instance) and depth):
        yield value
    elif depth < _DEPTH and isinstance(value, Seq):
        for item in value.items:
            yield from _members(item, depth + 1)
    elif depth < _DEPTH and isinstance(value, Dict):
        for item in value.items.values():
            yield from _members(item, depth + 1)


def _made_inside(member: NNModule | Instance | Tensor, inside: tuple[Site, ...]) -> bool:
    """The constructor made it: what it was given, its caller may look after."""
    return member.site is not None and member.site.calls[: len(inside)] == inside


def _trained(members: list[NNModule | Instance | Tensor], registered: set[int]) -> list[NNModule | Instance | Tensor]:
    """Modules with parameters that require grad and are registered nowhere, and such parameters."""
    return [m for m in members if any(t.requires_grad is True and id(t) not in registered for t in _parameters(m))]


def _parameters(member: Value) -> list[Tensor]:
    if isinstance(member, Tensor):
        return [member] if member.parameter and member.node is None else []
    return parameters_of(member) if isinstance(member, NNModule) or getattr(member, "module", False) else []


def _is_lost_tensor(member: Value, memories: set[int]) -> bool:
    """A plain leaf that requires grad; not the memory of a Parameter that is registered."""
    if not isinstance(member, Tensor) or member.parameter or member.numpy:
        return False
    return member.node is None and member.requires_grad is True and id(member.memory) not in memories


def _hands_out(instance: Instance, tensors: list[NNModule | Instance | Tensor]) -> bool:
    """A method gives them away in a list, as `parameters()` gives the Parameters: for an optimizer of their own."""
    lists = {name for name, value in instance.attrs.items() if isinstance(value, Seq) and value.items}
    given = {id(item) for name in lists & _returned(instance.cls) for item in _members(instance.attrs[name])}
    return all(id(tensor) in given for tensor in tensors)


def _returned(cls: Class) -> set[str]:
    """The attributes that methods of a class return as they are."""
    found = set()
    for method in cls.attrs.values():
        for node in subtree(method.node.cst) if isinstance(method, Function) else ():
            value = node.value if isinstance(node, cst.Return) else None
            if isinstance(value, cst.Attribute) and isinstance(value.value, cst.Name):
                found.add(value.attr.value)
    return found


def _candidate(
    run: Run, instance: Instance, name: str, site: Site, value: Value, members: list[NNModule | Instance | Tensor]
) -> Candidate:
    first = members[0]
    event = Unregistered(
        site=site,
        attribute=name,
        owner=instance.cls.node.name,
        holder=_holder(value),
        member=class_name(first),
        parameter=not isinstance(first, Tensor) or first.parameter,
        made=first.site,
        count=len(members),
    )
    return Candidate(event, tuple(members), run.machine.failed)


def _holder(value: Value) -> Holder:
    if isinstance(value, Seq):
        return Holder(value.kind)
    return Holder.DICT if isinstance(value, Dict) else Holder.ATTRIBUTE


def class_name(value: Value) -> str:
    """The class of a Module, or what a tensor is called."""
    if isinstance(value, NNModule):
        return value.name.rpartition(".")[2]
    if isinstance(value, Instance):
        return value.cls.node.name
    return "Parameter" if isinstance(value, Tensor) and value.parameter else "tensor"


# ------------------------------------------------------------ made in forward


def note_made(run: Run, value: Tensor | NNModule | Instance, node: ir.Node) -> None:
    """A Parameter or a Module was made; remember it when a `forward` did it, and no constructor of a Module."""
    if run.machine.modes.grad is False or not any(t.requires_grad is True for t in _parameters(value)):
        return
    frame = _forward_frame(run)
    if frame is None or not isinstance(frame.self, Instance) or frame.function is None:
        return
    depth = sum(f.function is not None for f in run.frames[run.frames.index(frame) :]) - 1
    watch = run.watch
    watch.made.append(
        Made(value, class_name(value), run.site(node), depth, frame.function, frame.self, run.machine.failed)
    )


def _forward_frame(run: Run) -> Frame | None:
    for frame in reversed(run.frames):
        if not isinstance(frame.self, Instance) or not frame.self.module:
            continue
        if frame.constructing:
            return None
        node = frame.function.node if frame.function is not None else None
        if isinstance(node, ir.FunctionDef) and node.name == "forward":
            return frame
    return None


def _kept_each_time(made: Made) -> bool:
    """`forward` itself stores it in its own Module, and nothing it asks first could keep it from doing so."""
    return made.own and made.depth == 0 and _is_unconditional(made.function.node, made.site)


def _is_unconditional(function: ir.FunctionDef | ir.Lambda, site: Site) -> bool:
    if isinstance(function, ir.Lambda):
        return False
    for statement in function.body:
        if isinstance(statement, ir.Assign | ir.AnnAssign | ir.ExprStmt) and _contains(statement, site):
            return True
        if isinstance(statement, ir.If | ir.For | ir.While | ir.Try | ir.With | ir.Match):
            return False
    return False


def _contains(statement: ir.Node, site: Site) -> bool:
    return any(node is site.token for node in subtree(statement.cst))


# ----------------------------------------------------------------- conclusion


def conclude(run: Run) -> None:
    """At the end of a path: what is still looked after by nobody."""
    watch, events = run.watch, run.machine.events
    for candidate in watch.candidates:
        if not any(_is_looked_after(run, member) for member in candidate.members):
            events.append((candidate.event, candidate.late))
    held = _held_below(watch.made)
    for made in watch.made:
        kept = _kept_each_time(made)
        if (made.stored and not kept) or id(made.value) in held:
            continue
        if _is_looked_after(run, made.value) or _has_set_values(made.value):
            continue
        event = MadeInForward(site=made.site, owner=made.owner.cls.node.name, made=made.name, kept=kept)
        events.append((event, made.late))


def _held_below(made: list[Made]) -> set[int]:
    """What is part of something that was made and is held, perhaps until the next call and longer."""
    held: set[int] = set()
    for each in made:
        if each.stored and not _kept_each_time(each):
            held.update(map(id, (*submodules(each.value), *parameters_of(each.value))))
    return held


def _is_looked_after(run: Run, member: Value) -> bool:
    """An optimizer has its parameters, or code that is not known was given it."""
    watch = run.watch
    tensors = [member] if isinstance(member, Tensor) else _parameters(member)
    return id(member) in watch.given or any(id(t) in watch.optimized or id(t) in watch.given for t in tensors)


def _has_set_values(value: Value) -> bool:
    """Its parameters were given values by hand: they are constants rather than something to learn."""
    return any(t.memory.writes for t in _parameters(value))

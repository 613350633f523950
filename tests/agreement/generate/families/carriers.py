"""What a piece of a script moves into: functions, methods, closures, generators, context managers, comprehensions."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Sequence
from typing import Final

from tests.agreement.generate.families.pieces import Piece
from tests.agreement.generate.training.script import Script

_NAMES: Final = ("update", "advance", "compute", "apply_step", "run_one", "transform", "perform")


def _new_name(script: Script, pool: Sequence[str] = _NAMES) -> str:
    text = "\n".join([*script.definitions, *script.lines()])
    free = [name for name in pool if name not in text]
    if free:
        return script.pick(free)
    number = 2
    while f"{pool[0]}{number}" in text:
        number += 1
    return f"{pool[0]}{number}"


def _function(script: Script, piece: Piece) -> list[str]:
    name = _new_name(script)
    script.define(f"def {name}({', '.join(piece.read)}):\n{piece.body()}")
    return [piece.call(name)]


def _keywords(script: Script, piece: Piece) -> list[str]:
    name = _new_name(script)
    if not piece.read:
        return []
    script.define(f"def {name}(*, {', '.join(piece.read)}):\n{piece.body()}")
    return [piece.call(name, [f"{each}={each}" for each in piece.read])]


def _starred(script: Script, piece: Piece) -> list[str]:
    """All that is read, in one tuple."""
    name = _new_name(script)
    if len(piece.read) < 2:
        return []
    script.define(f"def {name}(*args):\n    {', '.join(piece.read)} = args\n{piece.body()}")
    return [f"args = ({', '.join(piece.read)})", piece.call(name, ["*args"])]


def _global(script: Script, piece: Piece) -> list[str]:
    """A function that reads, and perhaps binds, the names as globals."""
    name = _new_name(script)
    script.uses_globals = True
    if piece.bound and (script.chance(0.5) or set(piece.bound) & set(piece.read)):
        declared = f"    global {', '.join(piece.bound)}\n"
        script.define(f"def {name}():\n{declared}{textwrap.indent(piece.text, '    ')}")
        return [f"{name}()"]
    script.define(f"def {name}():\n{piece.body()}")
    return [piece.call(name, [])]


def _closure(script: Script, piece: Piece) -> list[str]:
    """A function defined where it is used."""
    if set(piece.bound) & set(piece.read):
        return []
    name = _new_name(script)
    return [f"def {name}():\n{piece.body()}", piece.call(name, [])]


def _default(script: Script, piece: Piece) -> list[str]:
    """A function whose defaults are bound where it is defined."""
    if not piece.read:
        return []
    name = _new_name(script)
    given, kept = piece.read[:-1], piece.read[-1]
    return [f"def {name}({', '.join([*given, f'{kept}={kept}'])}):\n{piece.body()}", piece.call(name, given)]


def _factory(script: Script, piece: Piece) -> list[str]:
    """A function that makes the function."""
    if not piece.read or set(piece.bound) & set(piece.read[:1]):
        return []
    name = _new_name(script)
    first, rest = piece.read[0], piece.read[1:]
    inner = textwrap.indent(f"def inner({', '.join(rest)}):\n{piece.body()}\n\nreturn inner", "    ")
    script.define(f"def make_{name}({first}):\n{inner}")
    return [f"{name} = make_{name}({first})", piece.call(name, rest)]


def _decorated(script: Script, piece: Piece) -> list[str]:
    """A function behind a decorator that passes everything on, or changes the mode."""
    name = _new_name(script)
    decorator, text = script.pick_weighted(
        (
            (("traced", "def traced(fn):\n    def wrapper(*args, **kwargs):\n        return fn(*args, **kwargs)\n\n    return wrapper"), 3),
            (("timed", "def timed(fn):\n    @wraps(fn)\n    def wrapper(*args, **kwargs):\n        start = time.perf_counter()\n        result = fn(*args, **kwargs)\n        print(time.perf_counter() - start)\n        return result\n\n    return wrapper"), 2),
            (("named('step')", "def named(label):\n    def decorate(fn):\n        def wrapper(*args):\n            print(label)\n            return fn(*args)\n\n        return wrapper\n\n    return decorate"), 1.5),
            (("torch.enable_grad()", ""), 0.7), (("torch.no_grad()", ""), 0.7), (("cache_calls", "class cache_calls:\n    def __init__(self, fn):\n        self.fn, self.calls = fn, 0\n\n    def __call__(self, *args):\n        self.calls += 1\n        return self.fn(*args)"), 1),
            (("staticmethod", ""), 0.3),
        )
    )  # fmt: skip
    if "wraps" in text:
        script.imports += ["from functools import wraps", "import time"]
    if text:
        script.define(text)
    script.definitions.append(f"@{decorator}\ndef {name}({', '.join(piece.read)}):\n{piece.body()}")
    return [piece.call(name)]


def _method(script: Script, piece: Piece) -> list[str]:
    """A method of an object that holds some of what is read."""
    kept = [name for name in piece.read if script.chance(0.6) and _is_steady(script, name)]
    given = [name for name in piece.read if name not in kept]
    cls, instance = _new_name(script, ("Runner", "Worker", "Engine")), _new_name(script, ("runner", "worker", "engine"))
    text = _renamed(piece.text, {name: f"self.{name}" for name in kept})
    bound = [name for name in piece.bound if name not in kept]
    base, first = script.pick((("", ""), ("", ""), ("(nn.Module)", "        super().__init__()\n")))
    lines = "".join(f"        self.{name} = {name}\n" for name in kept) or "        self.count = 0\n"
    method = "forward" if base and script.chance(0.6) else script.pick(("step", "run", "__call__"))
    inner = textwrap.indent(
        f"def {method}(self, {', '.join(given)}):\n{Piece(text, (), tuple(bound)).body(text)}", "    "
    )
    constructor = f"    def __init__(self{''.join(f', {name}' for name in kept)}):\n{first}{lines}"
    script.define(f"class {cls}{base}:\n{constructor}\n{inner}")
    made = f"{instance} = {cls}({', '.join(kept)})"
    call = f"{', '.join(bound)} = " if bound else ""
    name = instance if method in ("forward", "__call__") else f"{instance}.{method}"
    if (
        script.header
        and all(any(f"{each} = " in line or f"{each}, " in line for line in script.setup) for each in kept)
        and script.chance(0.6)
    ):
        script.setup.append(made)
        return [f"{call}{name}({', '.join(given)})"]
    return [made, f"{call}{name}({', '.join(given)})"]


def _is_steady(script: Script, name: str) -> bool:
    """The body does not bind the name anew."""
    tree = ast.parse("\n".join(script.body))
    return not any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in ast.walk(tree)
    )


def _renamed(text: str, new: dict[str, str]) -> str:
    """The text with names replaced by expressions."""

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.parse(new[node.id], mode="eval").body if node.id in new else node

    return ast.unparse(Rename().visit(ast.parse(text)))


def _lambda(script: Script, piece: Piece) -> list[str]:
    if not piece.is_expression:
        return []
    name = _new_name(script)
    made = f"{name} = lambda {', '.join(piece.read)}: {piece.expression}"
    return [made, piece.call(name)]


def _partial(script: Script, piece: Piece) -> list[str]:
    if not piece.read:
        return []
    name = _new_name(script)
    script.imports.append("from functools import partial")
    script.define(f"def {name}({', '.join(piece.read)}):\n{piece.body()}")
    return [f"bound_{name} = partial({name}, {piece.read[0]})", piece.call(f"bound_{name}", piece.read[1:])]


def _comprehension(script: Script, piece: Piece) -> list[str]:
    if not piece.is_expression:
        return []
    target = f"({piece.bound[0]},) = " if piece.bound else ""
    form = script.pick(("[{e} for _ in range(1)]", "list({e} for _ in (0,))", "tuple([{e} for _ in range(1)])"))
    return [target + form.format(e=piece.expression)]


def _generator(script: Script, piece: Piece) -> list[str]:
    """A generator that does it when it is asked for the value."""
    name = _new_name(script)
    yielded = f"yield {', '.join(piece.bound)}" if piece.bound else "yield"
    script.define(f"def {name}({', '.join(piece.read)}):\n{textwrap.indent(piece.text, '    ')}\n    {yielded}")
    arguments = ", ".join(piece.read)
    if not piece.bound:
        return [f"for _ in {name}({arguments}):\n    pass"]
    if script.chance(0.5):
        return [f"{', '.join(piece.bound)} = next({name}({arguments}))"]
    return [f"for {', '.join(piece.bound)} in {name}({arguments}):\n    pass"]


def _manager(script: Script, piece: Piece) -> list[str]:
    """A context manager that does it on the way out, or in."""
    if piece.bound:
        return _function(script, piece)
    name, text = _new_name(script), piece.text
    script.imports.append("from contextlib import contextmanager")
    inside = f"yield\n{text}" if script.chance(0.5) else f"{text}\nyield"
    if script.chance(0.4):
        inside = f"try:\n    yield\nfinally:\n{textwrap.indent(text, '    ')}"
    script.define(f"@contextmanager\ndef {name}({', '.join(piece.read)}):\n{textwrap.indent(inside, '    ')}")
    return [f"with {name}({', '.join(piece.read)}):\n    print('inside')"]


def _local_class(script: Script, piece: Piece) -> list[str]:
    """A class made where it is used."""
    name = _new_name(script, ("Local", "Task", "Job"))
    text = f"class {name}:\n    @staticmethod\n    def run({', '.join(piece.read)}):\n{textwrap.indent(piece.body(), '    ')}"
    return [text, piece.call(f"{name}.run")]


def _returned_dict(script: Script, piece: Piece) -> list[str]:
    """What is bound comes back in a dict or a namespace."""
    if not piece.bound:
        return []
    name = _new_name(script)
    items = ", ".join(f'"{each}": {each}' for each in piece.bound)
    script.define(
        f"def {name}({', '.join(piece.read)}):\n{textwrap.indent(piece.text, '    ')}\n    return {{{items}}}"
    )
    return [f"result = {name}({', '.join(piece.read)})", *(f'{each} = result["{each}"]' for each in piece.bound)]


CARRIERS: Final[tuple[tuple[Callable[[Script, Piece], list[str]], float], ...]] = (
    (_function, 3), (_keywords, 1), (_starred, 1), (_global, 2), (_closure, 2), (_default, 1), (_factory, 1), (_decorated, 2.5),
    (_method, 4), (_lambda, 1.2), (_partial, 1), (_comprehension, 1.2), (_generator, 2), (_manager, 2), (_local_class, 1), (_returned_dict, 1),
)  # fmt: skip

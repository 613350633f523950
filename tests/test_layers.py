"""Imports point one way: no modules import each other in a circle, and no layer imports one above it."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join((place, *path.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(".__init__"): path
    for place, folder in (("autograd_lint", "autograd_lint"), ("autograd_lint.rules", "rules"))
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imports(name: str) -> set[str]:
    """The modules of ours that a module imports when it runs, at the top or in a function."""
    found = set(_imported(ast.parse(MODULES[name].read_text(encoding="utf-8"))))
    return {module for module in found if module in MODULES} - {name}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module
        yield from _imported(node)


GRAPH = {name: imports(name) for name in MODULES}


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        order = list(graphlib.TopologicalSorter(GRAPH).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))
    assert len(order) == len(MODULES)


@pytest.mark.parametrize(
    ("layer", "above"),
    [
        ("autograd_lint.rules", ("static", "dynamic", "confirm", "engine", "cli", "report")),
        ("autograd_lint.static", ("dynamic", "confirm", "rules", "rule", "engine", "cli", "report", "fixing")),
        ("autograd_lint.dynamic.observer", ("static", "confirm", "engine", "cli", "report", "fixing")),
        ("autograd_lint.facts", ("static", "dynamic", "confirm", "rules", "rule", "engine", "cli", "report", "events")),
        ("autograd_lint.events", ("static", "dynamic", "confirm", "rules", "rule", "engine", "cli", "report")),
        ("autograd_lint.static.syntax", ("static.model", "static.shapes", "static.interpret", "static.operations")),
        ("autograd_lint.static.model", ("static.interpret", "static.operations", "static.importing")),
        ("autograd_lint", ("cli",)),
    ],
)
def test_layer_imports_none_above_it(layer: str, above: tuple[str, ...]) -> None:
    forbidden = tuple(f"autograd_lint.{name}" for name in above)
    own = [name for name in MODULES if _within(name, layer) and not _within(name, "autograd_lint.__main__")]
    assert own
    wrong = {
        (name, module) for name in own for module in GRAPH[name] if any(_within(module, place) for place in forbidden)
    }
    assert wrong == set()


def _within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")

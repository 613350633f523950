"""The output formats, one module each, found by walking this package: adding a format is adding a file.

A format `some-name` is the module `some_name` with a function `render(view: View) -> str`. Modules that begin with an
underscore are helpers.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from autograd_lint.report._view import View


@cache
def format_names() -> tuple[str, ...]:
    """Every format, by name."""
    names = [info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")]
    return tuple(sorted(name.replace("_", "-") for name in names))


def render(name: str, view: View) -> str:
    """The report in the format `name`, one of `format_names()`."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    renderer: Callable[[View], str] = module.render
    return renderer(view)

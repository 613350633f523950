"""`pytest --autograd-lint`: the observer around each test.

Imported by every pytest run of an environment that has autograd-lint, so neither torch nor anything else heavy is
imported unless the flag is given.
"""

from __future__ import annotations

import importlib.util
import sys

import pytest

from autograd_lint.dynamic.pytest_marker import MARKER


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flags."""
    group = parser.getgroup("autograd-lint", "autograd pitfalls of PyTorch programs")
    group.addoption(
        "--autograd-lint", action="store_true", help="Watch what each test does to autograd, and report findings."
    )
    group.addoption(
        "--autograd-lint-fail", action="store_true", help="The same, and a test with findings of the fail level fails."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker; with a flag, watch."""
    config.addinivalue_line("markers", f"{MARKER}(*rules): autograd-lint says nothing of these rules; without, of any")
    if config.getoption("--autograd-lint") or config.getoption("--autograd-lint-fail"):
        config.pluginmanager.register(_watch(config), "autograd-lint-watch")


def _watch(config: pytest.Config) -> object:
    from autograd_lint.dynamic.pytest_watch import TestWatch
    from autograd_lint.errors import AutogradLintError

    if importlib.util.find_spec("torch") is None:
        raise pytest.UsageError(f"--autograd-lint watches torch, and {sys.executable} has none")
    try:
        return TestWatch(config, fail=bool(config.getoption("--autograd-lint-fail")))
    except AutogradLintError as error:
        raise pytest.UsageError(f"--autograd-lint: {error}") from error

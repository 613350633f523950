"""`@pytest.mark.autograd_lint_allow(…)`: the rules that a test is allowed to break.

Imported by every pytest run of an environment that has autograd-lint: it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

MARKER: Final = "autograd_lint_allow"


def allowed_rules(item: pytest.Item) -> Sequence[str] | None:
    """The selectors that markers of a test allow; None when a marker without arguments allows everything."""
    selectors: list[str] = []
    for marker in item.iter_markers(MARKER):
        if not marker.args:
            return None
        selectors += [str(argument) for argument in marker.args]
    return selectors

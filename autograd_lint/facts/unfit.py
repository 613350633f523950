"""Calls that cannot be measured: torch does not take these arguments."""

from __future__ import annotations

from typing import Final


class NotMeasured(Exception):
    """The call cannot be measured with these arguments."""


UNFIT: Final = (
    *(NotMeasured, RuntimeError, TypeError, ValueError),
    *(LookupError, ArithmeticError, AttributeError, AssertionError),
)
"""What torch raises for arguments that do not fit a name."""

"""Runs a function of torch so that its warnings name the user's line, not the wrapper's."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

NAME: Final = "<autograd-lint>"
"""What the frame's function is called, by which tracebacks can leave it out."""

_CALL: Final[CodeType] = (lambda function, args, kwargs: function(*args, **kwargs)).__code__.replace(co_name=NAME)


def call_from(frame: FrameType, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`function(*args, **kwargs)`, called from a frame that looks like `frame`.

    A warning of torch's C++ code is attributed to the innermost Python frame: its file, its line, its module's registry
    of what was shown before.
    """
    code = _CALL.replace(co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno)
    return FunctionType(code, frame.f_globals)(function, args, kwargs)

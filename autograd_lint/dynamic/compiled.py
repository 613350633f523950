"""Makes compiled code run eagerly while the observer is on: kernels that a compiler wrote have no lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from autograd_lint.dynamic.patches import Patches
from autograd_lint.dynamic.records import Records


def run_eagerly(records: Records, patches: Patches) -> None:
    """From the first use of `torch.compile` on, compiled functions run as they are written; the records say so."""
    original: Callable[..., Any] = torch.compile

    def compile_eagerly(*args: Any, **kwargs: Any) -> Any:
        if not records.ran_eagerly:
            records.ran_eagerly = True
            torch.compiler.set_stance("force_eager")
            patches.on_undo(lambda: torch.compiler.set_stance("default"))
        return original(*args, **kwargs)

    compile_eagerly.__wrapped__ = original  # type: ignore[attr-defined]
    compile_eagerly.__doc__ = original.__doc__
    patches.set(torch, "compile", compile_eagerly)

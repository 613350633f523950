"""Runs a program under torch and tells what autograd did to it: torch's own verdict, and the places that explain it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from types import CodeType
from typing import Any, Final

import torch

from tests.agreement.ledger import Ledger, keeping
from tests.agreement.limits import time_limit
from tests.agreement.outcome import Kind, Outcome, sort_error
from tests.agreement.watch import PROGRAM, Watch, same_bits, watching

_UNSEEN_WRITES: Final = re.compile(
    r"\.data\b|numpy|asarray|as_tensor|dlpack|_storage\(|\bfused=|BatchNorm|batch_norm|InstanceNorm|instance_norm|"
    r"vector_to_parameters|\.(?:apply_|map_|set_|double|float|half|to|type|cpu|cuda)\(|swap_tensors|copy\.copy|GradScaler|_amp_|torch\.ops"
)
"""What can change memory without moving a version: only a program that has any of it is watched for wrong gradients."""


class OracleError(Exception):
    """The watched run of a program did not end as the plain one: the watch disturbed it."""


def run_program(text: str) -> Outcome:
    """The outcome of the program `text`, run in this process. Raises OracleError if the runs contradict each other."""
    try:
        code = compile(text, PROGRAM, "exec")
    except SyntaxError as error:
        return Outcome(Kind.OTHER, error.lineno, f"SyntaxError: {error.msg}")
    ledger = Ledger()
    plain = run_code(code, keeping(ledger))
    plain = dataclasses.replace(
        plain, summed=tuple(ledger.sums.values()), unregistered=ledger.unregistered(), idle=tuple(ledger.idle)
    )
    if plain.kind is Kind.STALE:
        return _explain_stale(code, plain)
    if plain.kind is Kind.OK and _UNSEEN_WRITES.search(text):
        return _find_silent(code, plain)
    return plain


def gradients_of(text: str) -> list[torch.Tensor | None]:
    """Every gradient that the backward passes of a program leave, in order."""
    watch = Watch()
    run_code(compile(text, PROGRAM, "exec"), watching(watch))
    return watch.gradients


def same_gradients(one: list[torch.Tensor | None], other: list[torch.Tensor | None]) -> bool:
    """Whether two runs left the same gradients, bit for bit."""
    return len(one) == len(other) and all(same_bits(a, b) for a, b in zip(one, other, strict=True))


@cache
def _ready() -> None:
    """Torch imports much when it is first watched: that is not the program's time."""
    with watching(Watch()):
        torch.ones(1).add(1)


def _explain_stale(code: CodeType, plain: Outcome) -> Outcome:
    _ready()
    watch = Watch()
    watched = run_code(code, watching(watch))
    if watched.kind is not Kind.STALE or watch.stale is None:
        # Checkpoint and the like put hooks of their own around what they save: torch's verdict stands, unexplained.
        return plain
    if watched.line != plain.line:
        raise OracleError(f"plain run: {plain}; watched run: {watched}")
    write = watch.stale.bumped_by
    return dataclasses.replace(
        plain,
        saved_line=watch.stale.line,
        write_line=write.line if write else None,
        write_op=write.op if write else "",
    )


def _find_silent(code: CodeType, plain: Outcome) -> Outcome:
    """`plain`, or the first use of a value that changed unseen, if the gradients come out different for it."""
    _ready()
    watch = Watch()
    watched = run_code(code, watching(watch))
    if watched.kind is not Kind.OK:
        raise OracleError(f"plain run: ok; watched run: {watched}")
    if not watch.silent:
        return plain
    protected = Watch(protect=True)
    ended = run_code(code, watching(protected))
    if ended.kind is Kind.OK and same_gradients(watch.gradients, protected.gradients):
        return plain
    if watch.silent[0].saved.changed_by is None:
        watch = Watch()
        run_code(code, watching(watch, lines=True))
    first = watch.silent[0]
    write = first.saved.changed_by
    return dataclasses.replace(
        plain,
        kind=Kind.SILENT,
        line=first.line,
        message="the gradient is wrong",
        saved_line=first.saved.line,
        write_line=write.line if write else None,
        write_op=write.op if write else "",
    )


def run_code(code: CodeType, around: AbstractContextManager[None]) -> Outcome:
    """How a run of `code` ends, inside `around`: what torch raises, and where; nothing it did to torch remains."""
    with _quiet(), _clean_torch():
        try:
            with time_limit(), around:
                exec(code, {"__name__": "__main__"})
        except Exception as error:
            return dataclasses.replace(sort_error(error, line_of(error)), in_backward=_is_from_backward(error))
    return Outcome(Kind.OK)


def line_of(error: BaseException) -> int | None:
    """The innermost line of the program, not counting what a backward pass calls (a custom Function, a hook)."""
    line: int | None = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == PROGRAM:
            line = number
        elif frame.f_code.co_name == "_engine_run_backward":
            break
    return line


def _is_from_backward(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_name == "_engine_run_backward" for frame, _ in frames)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings, and nothing printed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _clean_torch() -> Iterator[None]:
    """Every run starts from the same random state and modes, whatever the program before it left behind."""
    torch.default_generator.manual_seed(0)
    register_hook = torch.Tensor.register_hook
    torch.Tensor.register_hook = _register_hook  # type: ignore[method-assign]
    with torch.enable_grad():
        try:
            yield
        finally:
            torch.Tensor.register_hook = register_hook  # type: ignore[method-assign]
            torch.set_default_dtype(torch.float32)
            torch.autograd.set_detect_anomaly(False)


def _register_hook(tensor: torch.Tensor, hook: Any, _original: Any = torch.Tensor.register_hook) -> Any:
    """As torch's; but that ends the process for a view whose base was written, unless its `grad_fn` was read since."""
    _ = tensor.grad_fn
    return _original(tensor, hook)

"""Runs a program under torch and tells what autograd did to it: torch's own verdict, and the places that explain it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import traceback
import warnings
from collections.abc import Iterator
from types import CodeType

import torch

from tests.agreement.outcome import Kind, Outcome, sort_error
from tests.agreement.watch import PROGRAM, Watch, same_bits, watching


class OracleError(Exception):
    """The watched run of a program did not end as the plain one: the watch disturbed it."""


def run_program(text: str) -> Outcome:
    """The outcome of the program `text`, run in this process. Raises OracleError if the runs contradict each other."""
    try:
        code = compile(text, PROGRAM, "exec")
    except SyntaxError as error:
        return Outcome(Kind.OTHER, error.lineno, f"SyntaxError: {error.msg}")
    plain = _run(code)
    if plain.kind is Kind.STALE:
        return _explain_stale(code, plain)
    if plain.kind is Kind.OK:
        return _find_silent(code) or plain
    return plain


def gradients_of(text: str) -> list[torch.Tensor | None]:
    """Every gradient that the backward passes of a program leave, in order."""
    watch = Watch()
    _run(compile(text, PROGRAM, "exec"), watch)
    return watch.gradients


def same_gradients(one: list[torch.Tensor | None], other: list[torch.Tensor | None]) -> bool:
    """Whether two runs left the same gradients, bit for bit."""
    return len(one) == len(other) and all(same_bits(a, b) for a, b in zip(one, other, strict=True))


def _explain_stale(code: CodeType, plain: Outcome) -> Outcome:
    watch = Watch()
    watched = _run(code, watch)
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


def _find_silent(code: CodeType) -> Outcome | None:
    """The first use of a value that changed unseen, if the gradients come out different for it."""
    watch = Watch()
    watched = _run(code, watch)
    if watched.kind is not Kind.OK:
        raise OracleError(f"plain run: ok; watched run: {watched}")
    if not watch.silent:
        return None
    protected = Watch(protect=True)
    if _run(code, protected).kind is Kind.OK and same_gradients(watch.gradients, protected.gradients):
        return None
    if watch.silent[0].saved.changed_by is None:
        watch = Watch()
        _run(code, watch, lines=True)
    first = watch.silent[0]
    write = first.saved.changed_by
    return Outcome(
        Kind.SILENT,
        first.line,
        "the gradient is wrong",
        saved_line=first.saved.line,
        write_line=write.line if write else None,
        write_op=write.op if write else "",
    )


def _run(code: CodeType, watch: Watch | None = None, *, lines: bool = False) -> Outcome:
    with _quiet(), _clean_torch():
        try:
            with watching(watch, lines=lines) if watch is not None else contextlib.nullcontext():
                exec(code, {"__name__": "__main__"})
        except Exception as error:
            return sort_error(error, _line_of(error))
    return Outcome(Kind.OK)


def _line_of(error: BaseException) -> int | None:
    """The innermost line of the program, not counting what a backward pass calls (a custom Function, a hook)."""
    line: int | None = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == PROGRAM:
            line = frame.lineno
        elif frame.name == "_engine_run_backward":
            break
    return line


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings, and nothing printed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _clean_torch() -> Iterator[None]:
    """Every run starts from the same random state and modes, whatever the program before it left behind."""
    torch.manual_seed(0)
    with torch.enable_grad():
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)
            torch.autograd.set_detect_anomaly(False)

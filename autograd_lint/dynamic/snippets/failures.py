"""An exception as data: its type, its message, where it passed; and what kind of end it is."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from autograd_lint.dynamic.sandbox.guards import Refused
from autograd_lint.dynamic.snippets.jobs import Failure, Frame, Status

_LONGEST_MESSAGE: Final = 20_000
_FRAMES_AT_EACH_END: Final = 50
_CHAIN: Final = 20
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC})
_NOT_PERMITTED: Final = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})
_TORCH_WANTS_MEMORY: Final = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def describe(error: BaseException) -> Failure:
    """`error` as data, without the frames of the package itself."""
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    return Failure(name, message_of(error), tuple(_frames(error.__traceback__)))


def message_of(error: BaseException) -> str:
    """The text of `error`, bounded; an exception's own `__str__` may do anything."""
    try:
        return str(error)[:_LONGEST_MESSAGE]
    except BaseException as second:  # the program's code runs here, and any end of it is an answer
        return f"<its text cannot be had: {type(second).__qualname__}>"


def classify(error: BaseException) -> tuple[Status, str]:
    """What kind of end `error` is, and the sentence that says so."""
    if isinstance(error, SystemExit):
        return _classify_exit(error)
    chain = list(_chain(error))
    refused = next((link for link in chain if isinstance(link, Refused)), None)
    if refused is not None:
        return Status.REFUSED, str(refused.strerror)
    if any(_wants_memory(link) for link in chain):
        return Status.OUT_OF_MEMORY, f"ran out of memory: {_headline(error)}"
    numbers = {number for link in chain for number in _error_numbers(link)}
    if numbers & _NO_ROOM:
        return Status.DISK_LIMIT, f"filled its scratch folder: {_headline(error)}"
    if numbers & _NOT_PERMITTED:
        return Status.REFUSED, f"was not permitted by the kernel: {_headline(error)}"
    return Status.RAISED, _headline(error)


def _classify_exit(error: SystemExit) -> tuple[Status, str]:
    if error.code is None or error.code == 0:
        return Status.FINISHED, "called sys.exit()"
    return Status.EXITED, f"called sys.exit({message_of(error)[:200]!r})"


def _wants_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in message_of(error) for text in _TORCH_WANTS_MEMORY)


def _error_numbers(error: BaseException) -> Iterator[int]:
    """The kernel's reasons in `error`: its own, or those that a library written in C++ put into the text."""
    if isinstance(error, OSError) and error.errno is not None:
        yield error.errno
    elif isinstance(error, RuntimeError):
        text = message_of(error)
        yield from (number for number in _NO_ROOM | _NOT_PERMITTED if os.strerror(number) in text)


def _headline(error: BaseException) -> str:
    first = message_of(error).strip().splitlines()
    return f"{type(error).__qualname__}: {first[0][:300]}" if first else type(error).__qualname__


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(_CHAIN):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def _frames(traceback: TracebackType | None) -> list[Frame]:
    """The frames of others' code; of very many, the first and the last ones."""
    first: list[Frame] = []
    last: deque[Frame] = deque(maxlen=_FRAMES_AT_EACH_END)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OWN_FOLDER):
            kept = first if len(first) < _FRAMES_AT_EACH_END else last
            kept.append(Frame(code.co_filename, traceback.tb_lineno or 0, code.co_qualname))
        traceback = traceback.tb_next
    return [*first, *last]


_OWN_FOLDER: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep

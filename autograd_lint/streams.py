"""Writing to the standard streams: whatever their encoding, and in silence when nobody reads any more."""

from __future__ import annotations

import os
import sys
from typing import IO

from autograd_lint.errors import OutputError


def print_out(text: str) -> None:
    """Write to standard output; what its encoding cannot say is written as escapes."""
    if sys.stdout is None:  # closed before the start (`>&-`): nobody wants to hear
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
    except OSError as error:
        raise _cannot_write(sys.stdout, error) from error


def print_bytes(data: bytes) -> None:
    """Write to standard output, whatever its encoding."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
    except OSError as error:
        raise _cannot_write(sys.stdout, error) from error


def print_error(text: str) -> None:
    """Write lines to standard error."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether `stream` shows colours and obeys cursor movements; None is a closed stream."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def flush() -> None:
    """Write what is buffered; who stopped reading (`| head`) does not want to hear about it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            # A program that ran in this process may have closed it.
            if stream is not None and not stream.closed:
                stream.flush()
        except BrokenPipeError:
            _to_nowhere(stream)
        except OSError as error:
            raise _cannot_write(stream, error) from error


def _cannot_write(stream: IO[str], error: OSError) -> OutputError:
    _to_nowhere(stream)
    name = "standard error" if stream is sys.stderr else "standard output"
    return OutputError(f"cannot write to {name}: {error.strerror or error}")


def _to_nowhere(stream: IO[str]) -> None:
    # The interpreter flushes the stream again when it ends: let that go well.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

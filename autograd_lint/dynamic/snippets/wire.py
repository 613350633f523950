"""How messages travel: a length, then JSON. Never pickle: one side may be hostile."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Final

_dumps: Final = json.dumps  # programs replace it by quicker ones
_LENGTH: Final = struct.Struct("!Q")
LONGEST_RESULT: Final = 16 << 20
"""Bytes. More than any observation needs, and nothing that would hurt the linter."""


def encode(message: dict[str, Any]) -> bytes:
    """The bytes of `message`."""
    body = _dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Messages from the bytes that arrive, in whatever pieces."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, arrived: bytes) -> Iterator[dict[str, Any]]:
        """The messages that `arrived` completes."""
        self._bytes += arrived
        while len(self._bytes) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._bytes)[0]
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[_LENGTH.size : end])
            del self._bytes[:end]
            yield json.loads(body)


class ResultReader:
    """One message behind a secret mark, from a process that may write anything: bounded, and nothing beside it."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._bytes = bytearray()

    def take(self, arrived: bytes) -> bool:
        """Whether there is no use in reading on: the message is complete, or what came is none."""
        self._bytes += arrived
        return self._is_damaged() or len(self._bytes) >= self._end()

    def message(self) -> dict[str, Any] | None:
        """The message, if that and nothing else arrived."""
        if not self._bytes or self._is_damaged() or len(self._bytes) != self._end():
            return None
        try:
            message = json.loads(bytes(self._bytes[len(self._mark) + _LENGTH.size :]))
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing arrived at all."""
        return not self._bytes

    def _end(self) -> int:
        head = len(self._mark) + _LENGTH.size
        return head if len(self._bytes) < head else head + int(_LENGTH.unpack_from(self._bytes, len(self._mark))[0])

    def _is_damaged(self) -> bool:
        expected = self._mark[: len(self._bytes)]
        return not self._bytes.startswith(expected) or self._end() > LONGEST_RESULT

"""One file as text: reads it, decodes it as Python would, and says where and why that fails."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import sys
import tokenize
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from autograd_lint.errors import SourceError
from autograd_lint.finding import Range
from autograd_lint.layout import Layout, Offsets, read_layout, split_lines
from autograd_lint.suppress import Suppressions, read_suppressions

STDIN_NAME: Final = "-"


@dataclass(frozen=True)
class SourceFile:
    """The text of one file. `path` is absolute, or `-` for standard input without a name.

    `text` has no byte order mark and keeps its line ends. Not slotted, for its lazy properties.
    """

    path: str
    text: str
    encoding: str = "utf-8"
    has_bom: bool = False
    newline: str = "\n"

    @cached_property
    def layout(self) -> Layout:
        """Where logical lines and comments are."""
        return read_layout(self.text)

    @cached_property
    def offsets(self) -> Offsets:
        """Where its rows and columns are in the text."""
        return Offsets(self.text)

    def text_of(self, place: Range) -> str:
        """What stands at `place`."""
        return self.text[self.offsets.at(place.start) : self.offsets.at(place.end)]

    @cached_property
    def suppressions(self) -> Suppressions:
        """The suppression comments; costs a tokenization only where the text has any."""
        return read_suppressions(self)


def read_source(path: str) -> SourceFile:
    """The file at `path`. Raises SourceError, with the reason, when it cannot be read or decoded."""
    try:
        data = _read_bytes(path)
    except (OSError, ValueError) as error:
        raise SourceError(_reason(error)) from error
    return decode_source(data, path)


def read_stdin(name: str | None) -> SourceFile:
    """Standard input, called `name` in reports. Raises SourceError when it cannot be read or decoded."""
    if sys.stdin is None:
        raise SourceError("cannot read standard input: it is closed")
    try:
        data = sys.stdin.buffer.read()
    except OSError as error:
        raise SourceError(f"cannot read standard input: {error.strerror or error}") from error
    return decode_source(data, os.path.abspath(name) if name else STDIN_NAME)


_FOREIGN_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def decode_source(data: bytes, path: str) -> SourceFile:
    """`data` decoded as Python would: byte order mark, then encoding declaration (PEP 263), then UTF-8."""
    if data.startswith(_FOREIGN_BOMS):
        raise SourceError("the file is encoded in UTF-16 or UTF-32, which Python does not read; save it as UTF-8")
    encoding, has_bom = _declared_encoding(data)
    body = data[len(codecs.BOM_UTF8) :] if has_bom else data
    text = _decode(body, encoding)
    if not encoding.startswith("utf-8"):
        _require_sane(text, encoding)
    if "\0" in text:
        row, column = _place(text[: text.index("\0")])
        raise SourceError("source code cannot contain null bytes; is this a binary file?", row=row, column=column)
    return SourceFile(path, text, encoding, has_bom, _newline(text))


# Names that only a program near torch uses. Generous: a false hit costs one parse, a miss costs a finding.
_TORCH_NAMES: Final = ("lightning", "accelerate", "transformers", "fastai", "ignite", "timm", "diffusers", "peft")
_TORCH_USES: Final = (".backward", "requires_grad", "require_grad", "retain_graph", "zero_grad", "no_grad", "nn.")
_TORCH_SIGN: Final = re.compile(
    rf"\b(?:{'|'.join(_TORCH_NAMES)})\b|\.backward\s*\(|\b(?:requires?_grad|retain_graph|zero_grad|no_grad|nn\.\w)"
)


def has_torch_sign(text: str) -> bool:
    """Whether `text` can matter to a rule at all; cheap enough to ask before parsing."""
    if "torch" in text:
        return True
    # Plain searches are a hundred times faster than the expression, which only confirms them.
    return any(word in text for word in (*_TORCH_NAMES, *_TORCH_USES)) and _TORCH_SIGN.search(text) is not None


def _read_bytes(path: str) -> bytes:
    """All bytes of a regular file. Anything else is refused unopened, so that a pipe or device never blocks."""
    kind = os.stat(path).st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(0, "it is a folder")
    if not stat.S_ISREG(kind):
        raise ValueError(f"it is {_KINDS.get(stat.S_IFMT(kind), 'no regular file')}, not a regular file")
    # The file may have been replaced by a pipe since: never wait for one.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as stream:
        return stream.read()


_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "cannot read the file: it does not exist"
    if isinstance(error, PermissionError):
        return "cannot read the file: permission denied"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot read the file: {text[:1].lower()}{text[1:]}"


def _declared_encoding(data: bytes) -> tuple[str, bool]:
    """The encoding and whether a byte order mark precedes the text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        # Raised for an unknown encoding, for a mark that contradicts the declaration, and for bad UTF-8 up there.
        message = error.msg
        if "unknown encoding" not in message:
            _decode(data.removeprefix(codecs.BOM_UTF8), "utf-8")
            if data.startswith(codecs.BOM_UTF8):
                message = "it begins with a UTF-8 byte order mark and declares another encoding"
        raise SourceError(f"cannot decode the file: {message}", row=_cookie_row(data)) from error
    has_bom = data.startswith(codecs.BOM_UTF8)
    return ("utf-8" if encoding == "utf-8-sig" else encoding), has_bom


_COOKIE: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=]")


def _cookie_row(data: bytes) -> int:
    return 2 if not _COOKIE.match(data.removeprefix(codecs.BOM_UTF8)) and b"\n" in data else 1


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row, column = _place(_decode_anyhow(data[: error.start], encoding))
        byte = data[error.start]
        raise SourceError(
            f"cannot decode the file as {encoding}: {error.reason} (byte 0x{byte:02x}); "
            "save it as UTF-8 or declare its encoding in the first line",
            row=row,
            column=column,
        ) from error
    except (LookupError, UnicodeError) as error:
        raise SourceError(f"cannot decode the file as {encoding}: {error}") from error


def _require_sane(text: str, encoding: str) -> None:
    """Refuse what a rare encoding makes of the file when no parser could read that."""
    surrogate = _SURROGATE.search(text)
    if surrogate:
        row, column = _place(text[: surrogate.start()])
        raise SourceError(f"decoded as {encoding}, the file holds half a character", row=row, column=column)
    if "coding" not in "".join(split_lines(text)[:2]):
        raise SourceError(f"cannot decode the file as {encoding}: its own declaration would not be readable")


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _decode_anyhow(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding, errors="replace")
    except UnicodeError:  # some encodings know no replacement
        return data.decode("latin-1")


def _place(before: str) -> tuple[int, int]:
    """Row and column of what follows `before`."""
    lines = split_lines(before + "x")
    return len(lines), len(lines[-1])


_NEWLINE: Final = re.compile(r"\r\n|\r|\n")


def _newline(text: str) -> str:
    found = _NEWLINE.search(text)
    return found.group() if found else "\n"

"""Reading files: encodings, byte order marks, what cannot be read and why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograd_lint.errors import SourceError
from autograd_lint.source import decode_source, has_torch_sign, read_source


def test_utf8_is_the_default() -> None:
    source = decode_source("x = 'é'\n".encode(), "f.py")
    assert (source.text, source.encoding, source.has_bom, source.newline) == ("x = 'é'\n", "utf-8", False, "\n")


def test_byte_order_mark_is_removed_and_remembered() -> None:
    source = decode_source(b"\xef\xbb\xbfx = 1\r\n", "f.py")
    assert (source.text, source.encoding, source.has_bom, source.newline) == ("x = 1\r\n", "utf-8", True, "\r\n")


@pytest.mark.parametrize("prefix", [b"", b"#!/usr/bin/python\n"], ids=["first line", "second line"])
def test_declared_encoding_is_used(prefix: bytes) -> None:
    source = decode_source(prefix + b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "f.py")
    assert source.text.endswith("x = 'é'\n")
    assert source.encoding == "iso-8859-1"


def test_line_ends_are_kept() -> None:
    text = "a = 1\r\nb = 2\rc = 3\n"
    assert decode_source(text.encode(), "f.py").text == text


def test_empty_file() -> None:
    assert decode_source(b"", "f.py").text == ""


@pytest.mark.parametrize(
    ("data", "row", "column", "message"),
    [
        pytest.param(b"x = 1\ny = '\xff'\n", 2, 6, "invalid start byte", id="bad UTF-8 in the second line"),
        pytest.param(b"a\nb\nc\n" + "é".encode() + b"\xff", 4, 2, "byte 0xff", id="columns are code points"),
        pytest.param(b"x = 1\r\ny = \x00\r\n", 2, 5, "null bytes", id="null byte"),
        pytest.param(b"\0", 1, 1, "null bytes", id="only a null byte"),
        pytest.param(b"# coding: klingon\n", 1, 1, "klingon", id="unknown encoding"),
        pytest.param(b"#!/bin/x\n# coding: klingon\n", 2, 1, "klingon", id="unknown encoding in the second line"),
        pytest.param(
            b"\xef\xbb\xbf# coding: latin-1\n", 1, 1, "declares another encoding", id="mark contradicts declaration"
        ),
        pytest.param(b"# coding: ascii\nx = '\xe9'\n", 2, 6, "ascii", id="not in the declared encoding"),
        pytest.param(b"# coding: hex\nx\n", 1, 1, "hex", id="a codec that is no text encoding"),
        pytest.param("x = 1".encode("utf-16"), 1, 1, "UTF-16", id="UTF-16"),
    ],
)
def test_undecodable(data: bytes, row: int, column: int, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        decode_source(data, "f.py")
    assert (caught.value.row, caught.value.column) == (row, column)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_source(str(tmp_path / "none.py"))


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is a folder"):
        read_source(str(tmp_path))


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(SourceError, match="a named pipe, not a regular file"):
        read_source(str(tmp_path / "pipe.py"))


def test_device_is_refused() -> None:
    with pytest.raises(SourceError, match="a device, not a regular file"):
        read_source("/dev/zero")


def test_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.py"
    path.write_text("x = 1\n")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError, match="permission denied"):
        read_source(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "import torch\n",
        "from torch import nn\n",
        "import os, torch\n",
        "import pytorch_lightning as pl\n",
        "from lightning import Trainer\n",
        "from helpers import net\nloss.backward()\n",
        "x.requires_grad = True\n",
        "x.require_grad = True\n",
        "importlib.import_module('torch')\n",
    ],
)
def test_torch_sign(text: str) -> None:
    assert has_torch_sign(text)


@pytest.mark.parametrize("text", ["", "import os\n", "x = [1]\nx[0] += 2\n", "import numpy as np\nnp.add(1, 2)\n"])
def test_no_torch_sign(text: str) -> None:
    assert not has_torch_sign(text)

"""Whatever a file holds, and whatever it is, the run tells about it and goes on; through the real engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Found = dict[str, Any]

FAULT = "import torch\nx = torch.ones(3, requires_grad=True)\ny = x.exp()\ny.mul_(2)\ny.sum().backward()\n"
"""`exp` saves its result: a sure AGL101 in the fourth row."""


@pytest.fixture
def check(command: Command, project: Path) -> Callable[..., list[Found]]:
    """Checks `bad.py`, written from the bytes given, beside a file with a known fault, which must still be found."""

    def run(data: bytes | None, *, status: int = 1) -> list[Found]:
        if data is not None:
            (project / "bad.py").write_bytes(data)
        (project / "fault.py").write_text(FAULT)
        outcome = command("--output-format=json", "--isolated", ".")
        assert outcome.status == status, outcome
        found = json.loads(outcome.out)
        assert [item["code"] for item in found if item["filename"].endswith("fault.py")] == ["AGL101"]
        return [item for item in found if not item["filename"].endswith("fault.py")]

    return run


Check = Callable[..., list[Found]]


def places(found: list[Found]) -> list[tuple[str, int, int]]:
    return [(item["code"], item["location"]["row"], item["location"]["column"]) for item in found]


def test_empty_file(check: Check) -> None:
    assert check(b"") == []


def test_only_comments(check: Check) -> None:
    assert check(b"# torch\n\n# noqa") == []


@pytest.mark.parametrize(
    ("data", "row"),
    [
        pytest.param(b"import torch\nx = (1,\n", None, id="open bracket"),
        pytest.param(b"import torch\ndef f(:\n    pass\n", 2, id="bad parameter"),
        pytest.param(b"import torch\nif 1:\nx = 1\n", None, id="no body"),
        pytest.param(b"import torch\n\nprint 'x'\n", 3, id="Python 2"),
        pytest.param(b"import torch\nif 1:\n        a = 1\n    b = 2\n", 4, id="wrong dedent"),
    ],
)
def test_syntax_error(check: Check, data: bytes, row: int | None) -> None:
    (found,) = check(data)
    assert found["code"] == "AGL000"
    assert 1 <= found["location"]["row"] <= data.count(b"\n") + 1
    assert row is None or found["location"]["row"] == row
    assert found["message"]


def test_undecodable_bytes(check: Check) -> None:
    assert places(check(b"import torch\nx = '\xff'\n")) == [("AGL000", 2, 6)]


def test_null_bytes(check: Check) -> None:
    assert places(check(b"import torch\nx = 1\0\n")) == [("AGL000", 2, 6)]


def test_binary_file(check: Check) -> None:
    assert [item["code"] for item in check(bytes(range(256)) * 100)] == ["AGL000"]


def test_declared_latin_1(check: Check) -> None:
    text = "# coding: latin-1\n" + FAULT.replace("y.mul_(2)", "'\xe9'; y.mul_(2)")
    assert places(check(text.encode("latin-1"))) == [("AGL101", 5, 6)]


def test_byte_order_mark(check: Check) -> None:
    assert places(check(b"\xef\xbb\xbf" + FAULT.encode())) == [("AGL101", 4, 1)]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(check: Check, end: str) -> None:
    assert places(check(FAULT.replace("\n", end).encode())) == [("AGL101", 4, 1)]


def test_mixed_line_ends(check: Check) -> None:
    assert places(check(FAULT.replace("\n", "\r\n", 2).encode())) == [("AGL101", 4, 1)]


def test_no_newline_at_the_end(check: Check) -> None:
    assert places(check(FAULT.rstrip().encode())) == [("AGL101", 4, 1)]


def test_form_feeds(check: Check) -> None:
    found = check(FAULT.replace("y = x", "\x0cy = x").replace("y.mul_", "\x0c\ny.mul_").encode())
    assert places(found) == [("AGL101", 5, 1)]


def test_tabs(check: Check) -> None:
    text = "import torch\ndef f(x):\n\ty = x.exp()\n\ty.mul_(2)\n\ty.sum().backward()\n"
    text += "f(torch.ones(3, requires_grad=True))\n"
    assert places(check(text.encode())) == [("AGL101", 4, 2)]


def test_characters_beyond_the_basic_plane(check: Check) -> None:
    text = FAULT.replace("y.mul_", "'\U0001f600\u4f60'; y.mul_")
    assert places(check(text.encode())) == [("AGL101", 4, 7)]


def test_five_megabytes(check: Check) -> None:
    row = "    [" + "0.123456, " * 98 + "],\n"
    text = "import torch\nTABLE = [\n" + row * (5_000_000 // len(row)) + "]\n"
    started = time.monotonic()
    found = check(text.encode())
    assert [item["code"] for item in found] == []
    assert time.monotonic() - started < 120


@pytest.mark.parametrize("operator", ["+", "and", "<"])
def test_expression_of_2000_terms(check: Check, operator: str) -> None:
    text = FAULT + "z = " + f" {operator} ".join(["x"] * 2000) + "\n"
    assert ("AGL101", 4, 1) in places(check(text.encode()))


def test_calls_chained_500_times(check: Check) -> None:
    assert ("AGL101", 4, 1) in places(check((FAULT + "z = x" + ".abs()" * 500 + "\n").encode()))


NESTS = {
    "brackets": lambda depth: "z = " + "(" * depth + "x" + ")" * depth + "\n",
    "lists": lambda depth: "z = " + "[" * depth + "x" + "]" * depth + "\n",
    "calls": lambda depth: "z = " + "torch.exp(" * depth + "x" + ")" * depth + "\n",
    "minus": lambda depth: "z = " + "-" * depth + "x\n",
}


@pytest.mark.parametrize("kind", NESTS)
def test_nesting_of_300(check: Check, kind: str) -> None:
    # CPython itself refuses more than about 200 brackets: an AGL000 is as good as a judgement, a crash is not.
    found = check((FAULT + NESTS[kind](300)).encode())
    assert found
    assert {item["code"] for item in found} <= {"AGL000", "AGL101"}


def test_blocks_nested_90_deep(check: Check) -> None:
    text = FAULT + "".join(" " * depth + "if x:\n" for depth in range(90)) + " " * 90 + "pass\n"
    assert {item["code"] for item in check(text.encode())} <= {"AGL000", "AGL101"}


def test_unreadable_file(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: str, flags: int, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("bad.py"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, flags, *arguments, **options)

    (Path.cwd() / "bad.py").write_text(FAULT)
    monkeypatch.setattr(os, "open", refuse)
    (found,) = check(None)
    assert found["code"] == "AGL000"
    assert "permission denied" in found["message"]


def test_unreadable_folder(check: Check, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "closed").mkdir()
    (project / "closed" / "a.py").write_text(FAULT)
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (found,) = check(None)
    assert (found["code"], Path(found["filename"]).name) == ("AGL000", "closed")


def test_dangling_link(check: Check, project: Path) -> None:
    (project / "bad.py").symlink_to("nowhere.py")
    (found,) = check(None)
    assert found["code"] == "AGL000"
    assert "link to nowhere.py" in found["message"]


def test_loops_of_links(check: Check, project: Path) -> None:
    (project / "bad.py").symlink_to("worse.py")
    (project / "worse.py").symlink_to("bad.py")
    (project / "folder").mkdir()
    (project / "folder" / "again").symlink_to(project)
    assert [item["code"] for item in check(None)] == ["AGL000", "AGL000"]


def test_pipe(check: Check, command: Command, project: Path) -> None:
    os.mkfifo(project / "bad.py")
    assert check(None) == []
    named = command("--output-format=concise", "--isolated", "bad.py")
    assert named.out == "bad.py:1:1: AGL000 cannot read the file: it is a named pipe, not a regular file\n"


def test_file_that_vanishes(check: Check, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd_lint import runner

    found_files = runner.discover

    def then_delete(*arguments: Any) -> Any:
        targets = list(found_files(*arguments))
        (project / "bad.py").unlink()
        return targets

    monkeypatch.setattr(runner, "discover", then_delete)
    (found,) = check(FAULT.encode())
    assert (found["code"], found["message"]) == ("AGL000", "cannot read the file: it does not exist")


def test_file_name_that_is_no_text(check: Check, project: Path) -> None:
    (project / os.fsdecode(b"b\xff\n.py")).write_text(FAULT)
    assert places(check(None)) == [("AGL101", 4, 1)]


def test_suppression_in_a_file_that_cannot_be_parsed(check: Check) -> None:
    assert check(b"# autograd-lint: file-ignore[AGL000] -- Python 2\nimport torch\nprint 'x'\n") == []

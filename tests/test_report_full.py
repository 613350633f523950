"""The `full` format: frames, marks under the right cells, colours."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from autograd_lint.finding import Finding, Position, Range, Related, Severity, SuppressionKind
from autograd_lint.report import render
from autograd_lint.report._view import Texts, View
from autograd_lint.source import SourceFile

FOLDER = "/project"
MAIN = "/project/train.py"
OTHER = "/project/lib/ops.py"


def span(row: int, column: int, end_column: int, *, end_row: int | None = None) -> Range:
    return Range(Position(row, column), Position(end_row or row, end_column))


def finding(where: Range, *related: Related, **changes: object) -> Finding:
    values: dict[str, object] = {
        "code": "AGL101",
        "name": "inplace-on-saved-tensor",
        "severity": Severity.ERROR,
        "message": "`h` is changed after `*` saved it",
        "filename": MAIN,
        "range": where,
        "related": related,
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def full(text: str, *findings: Finding, other: str = "", colour: bool = False, files: int = 1) -> str:
    texts = Texts([SourceFile(MAIN, text), SourceFile(OTHER, other)])
    view = View(findings=findings, files=(MAIN,) * files, root=FOLDER, texts=texts, colour=colour, folder=FOLDER)
    return render("full", view)


def lines(text: str) -> str:
    return dedent(text).lstrip("\n")


def test_every_place_is_shown_in_source_order() -> None:
    source = "import torch\n\nh = x * 2\ny = h * w\nz = 1\nh.mul_(2)\na = 1\nb = 2\ny.sum().backward()\n"
    report = full(
        source,
        finding(
            span(6, 1, 10),
            Related("needed here", MAIN, span(9, 1, 19)),
            Related("saved for backward here by `*`", MAIN, span(4, 5, 10)),
            help="write `h = h * 2`",
        ),
    )
    assert report == lines(
        """
        train.py:6:1: AGL101 inplace-on-saved-tensor (error)
          `h` is changed after `*` saved it
          |
        4 | y = h * w
          |     ----- saved for backward here by `*`
        5 | z = 1
        6 | h.mul_(2)
          | ^^^^^^^^^
        ...
        9 | y.sum().backward()
          | ------------------ needed here
          |
          = help: write `h = h * 2`

        Found 1 error in 1 file
        """
    )


def test_places_in_other_files_follow() -> None:
    report = full(
        "f(x)\n",
        finding(span(1, 1, 5), Related("changed here", OTHER, span(12, 5, 14))),
        other="\n" * 11 + "    x.mul_(2)\n",
    )
    assert report == lines(
        """
        train.py:1:1: AGL101 inplace-on-saved-tensor (error)
          `h` is changed after `*` saved it
           |
         1 | f(x)
           | ^^^^
          ::: lib/ops.py:12:5
           |
        12 |     x.mul_(2)
           |     --------- changed here

        Found 1 error in 1 file
        """
    )


def test_two_places_in_one_row() -> None:
    report = full("y /= y.max()\n", finding(span(1, 1, 13), Related("saved here", MAIN, span(1, 6, 13))))
    assert report.split("\n")[3:6] == ["1 | y /= y.max()", "  | ^^^^^^^^^^^^", "  |      ------- saved here"]


def test_a_place_of_several_rows_is_underlined_row_by_row() -> None:
    source = "x = f(\n    a,\n    b,\n)\n"
    report = full(source, finding(span(1, 5, 2, end_row=4)))
    assert report.split("\n")[3:11] == [
        "1 | x = f(",
        "  |     ^^",
        "2 |     a,",
        "  |     ^^",
        "3 |     b,",
        "  |     ^^",
        "4 | )",
        "  | ^",
    ]


def test_of_a_long_place_the_ends_are_shown() -> None:
    source = "f(\n" + "    a,\n" * 20 + ")\n"
    report = full(source, finding(span(1, 1, 2, end_row=22), Related("saved here", MAIN, span(1, 1, 2, end_row=22))))
    assert "..." in report
    assert report.count("saved here") == 1
    assert len(report.split("\n")) < 14


@pytest.mark.parametrize(
    ("text", "column", "end", "shown", "underline"),
    [
        pytest.param(
            "s = '\u4f60\u597d'; y.mul_(2)", 10, 19, "s = '\u4f60\u597d'; y.mul_(2)", " " * 11 + "^" * 9, id="wide"
        ),
        pytest.param("\ty.mul_(2)", 2, 11, "    y.mul_(2)", "    " + "^" * 9, id="tab"),
        pytest.param("a\ty.mul_(2)", 3, 12, "a   y.mul_(2)", "    " + "^" * 9, id="tab inside"),
        pytest.param("s = 'e\u0301'; y()", 11, 14, "s = 'e\u0301'; y()", " " * 9 + "^^^", id="combining"),
        pytest.param("s = '\u4f60'", 6, 7, "s = '\u4f60'", " " * 5 + "^^", id="under a wide one"),
        pytest.param("s = '\x1b[2J'; y()", 12, 15, "s = '\u241b[2J'; y()", " " * 11 + "^^^", id="escape"),
        pytest.param("s = '\u202e'; y()", 9, 12, "s = '\ufffd'; y()", " " * 8 + "^^^", id="right to left"),
        pytest.param("y", 2, 2, "y", " ^", id="empty range at the end"),
        pytest.param("y", 40, 44, "y", " ^", id="range beyond the line"),
    ],
)
def test_marks_stand_under_what_they_mark(text: str, column: int, end: int, shown: str, underline: str) -> None:
    report = full(text + "\n", finding(span(1, column, end)))
    assert report.split("\n")[3:5] == [f"1 | {shown}", f"  | {underline}"]


def test_long_lines_are_cut_around_the_mark() -> None:
    text = "x = [" + "1, " * 100_000 + "]; y.mul_(2); z = [" + "2, " * 1000 + "]\n"
    column = text.index("y.mul_") + 1
    source, underline = full(text, finding(span(1, column, column + 9))).split("\n")[3:5]
    assert len(source) < 160
    assert source[underline.index("^") :].startswith("y.mul_(2);")
    assert underline.count("^") == 9


def test_finding_without_text() -> None:
    report = full("", finding(span(1, 1, 2), message="cannot read the file: permission denied", help="look at it"))
    assert report == lines(
        """
        train.py:1:1: AGL101 inplace-on-saved-tensor (error)
          cannot read the file: permission denied
          = help: look at it

        Found 1 error in 1 file
        """
    )


def test_suppressed_findings_are_marked_and_not_counted() -> None:
    report = full("x\n", finding(span(1, 1, 2), suppressed=SuppressionKind.IN_SOURCE), files=3)
    assert "(error, suppressed)" in report
    assert report.endswith("All clear: 3 files checked (1 suppressed)\n")


def test_summary_counts_by_severity() -> None:
    mixed = [
        finding(span(1, 1, 2), severity=level) for level in (*[Severity.ERROR] * 2, Severity.WARNING, Severity.INFO)
    ]
    assert full("x\n", *mixed, files=12).endswith("Found 2 errors, 1 warning, 1 note in 12 files\n")
    assert full("x\n") == "All clear: 1 file checked\n"


def test_colour_only_when_asked_for() -> None:
    plain = full("x = 1\n", finding(span(1, 1, 2), help="look"))
    coloured = full("x = 1\n", finding(span(1, 1, 2), help="look"), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31m^\x1b[0m" in coloured
    assert "\x1b[1;32mhelp:\x1b[0m" in coloured


def test_file_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    evil = f"{FOLDER}/a\n\x1b[31m.py"
    head = full("x\n", finding(span(1, 1, 2), filename=evil)).split("\n")[0]
    assert head == "a\u240a\u241b[31m.py:1:1: AGL101 inplace-on-saved-tensor (error)"

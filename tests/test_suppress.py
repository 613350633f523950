"""Suppression comments: which rows they cover, which codes they name, what is said of them."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_lint.finding import Finding, Position, Range, Severity
from autograd_lint.layout import read_layout
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import SourceFile
from autograd_lint.suppress import apply_suppressions

ALL_CODES = frozenset(rules_by_code())


def finding(row: int, code: str = "AGL103", column: int = 1) -> Finding:
    place = Range(Position(row, column), Position(row, column + 3))
    return Finding(code, rules_by_code()[code].name, Severity.WARNING, "a fault", "f.py", place)


def judged(text: str, *findings: Finding, ran: frozenset[str] = ALL_CODES) -> list[Finding]:
    return apply_suppressions(SourceFile("f.py", dedent(text)), findings, ran=ran)


def hidden_rows(text: str, *, code: str = "AGL103") -> list[int]:
    """The rows of `text` in which a finding is suppressed."""
    rows = range(1, dedent(text).count("\n") + 1)
    results = judged(text, *(finding(row, code) for row in rows))
    return [found.range.start.row for found in results if found.suppressed and found.code == code]


def told(text: str, *findings: Finding, ran: frozenset[str] = ALL_CODES) -> list[tuple[str, int, int, str]]:
    """Code, row, column and message of what is said of the comments themselves."""
    found = judged(text, *findings, ran=ran)[len(findings) :]
    return [(item.code, item.range.start.row, item.range.start.column, item.message) for item in found]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NoQA",
        "# noqa: AGL103",
        "# noqa:AGL103",
        "# noqa: F401,AGL103",
        "# noqa: F401 AGL103",
        "# noqa: agl103",
        "# noqa : AGL103",
        "# noqa: AGL103 because it is so",
        "# type: ignore  # noqa: AGL103",
        "# autograd-lint: ignore[AGL103]",
        "# autograd-lint: ignore[AGL201, AGL103]",
        "# autograd-lint: ignore[AGL1]",
        "# autograd-lint: ignore[inplace-on-graph-tensor]",
        "# autograd-lint: ignore[ALL]",
        "# autograd-lint: ignore",
        "# autograd-lint: ignore[AGL103] -- the old value is not needed",
        "# autograd-lint:ignore[AGL103]",
        "# pylint: disable=x  # autograd-lint: ignore[AGL103]",
    ],
)
def test_comment_hides_finding_of_its_row(comment: str) -> None:
    assert hidden_rows(f"a = 1\ny.mul_(2)  {comment}\nb = 2\n") == [2]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: F401",
        "# noqa: AGL201",
        "# noqa-file",
        "# noqa: see the note",
        "# autograd-lint: ignore[AGL201]",
        "# autograd-lint: ignore[AGL2]",
        "# Autograd-Lint: ignore[AGL103]",
        "# autograd-lint: ignore[]",
        "# autograd-lint: disable[AGL103]",
        "# autograd-lint: ignore AGL103",
        "'# noqa'",
    ],
)
def test_comment_hides_nothing(comment: str) -> None:
    assert hidden_rows(f"a = 1\ny.mul_(2)  {comment}\nb = 2\n") == []


def test_comment_above_covers_the_next_statement() -> None:
    text = """\
        a = 1
        # autograd-lint: ignore[AGL103] -- wanted

        # another comment
        y.mul_(
            2,
        )
        b = 2
        """
    assert [row for row in hidden_rows(text) if row > 4] == [5, 6, 7]


def test_noqa_on_its_own_row_covers_nothing() -> None:
    assert hidden_rows("# noqa\ny.mul_(2)\n") == []


@pytest.mark.parametrize("row", [1, 3])
def test_comment_at_an_edge_of_a_statement_covers_it_whole(row: int) -> None:
    lines = ["y.mul_(", "    2,", ")", "z = 1"]
    lines[row - 1] += "  # autograd-lint: ignore[AGL103]"
    assert hidden_rows("\n".join(lines) + "\n") == [1, 2, 3]


def test_comment_inside_a_statement_covers_its_row() -> None:
    assert hidden_rows("f(\n    a,\n    b,  # noqa: AGL103\n    c,\n)\n") == [3]


def test_own_row_inside_a_statement_covers_the_next_row() -> None:
    text = "f(\n    # autograd-lint: ignore[AGL103]\n    a,\n    b,\n)\n"
    assert 3 in hidden_rows(text)
    assert 4 not in hidden_rows(text)


def test_comment_after_a_string_of_several_rows_covers_it() -> None:
    assert hidden_rows('x = """\ntext # noqa\n"""  # autograd-lint: ignore[AGL103]\ny = 1\n') == [1, 2, 3]


def test_comment_after_continued_rows_covers_them() -> None:
    assert hidden_rows("y = x + \\\n    z  # noqa: AGL103\nw = 1\n") == [1, 2]


def test_comment_above_decorators_covers_them_and_the_header_not_the_body() -> None:
    text = """\
        # autograd-lint: ignore[AGL103]
        @first
        @second(
            1,
        )
        def f(
            x,
        ):
            return x.mul_(2)
        """
    assert hidden_rows(text) == [2, 3, 4, 5, 6, 7, 8]


def test_comment_on_a_decorated_header_covers_the_decorators() -> None:
    assert hidden_rows("@first\ndef f(x):  # autograd-lint: ignore[AGL103]\n    return 1\n") == [1, 2]


def test_comment_on_a_loop_header_does_not_cover_its_body() -> None:
    assert hidden_rows("for x in y:  # autograd-lint: ignore[AGL103]\n    x.mul_(2)\n") == [1]


@pytest.mark.parametrize("comment", ["# autograd-lint: file-ignore", "# autograd-lint: file-ignore[AGL1] -- legacy"])
def test_file_ignore_covers_every_row(comment: str) -> None:
    assert hidden_rows(f"y.mul_(2)\n{comment}\nz.mul_(2)\n") == [1, 2, 3]


def test_file_ignore_of_another_rule() -> None:
    assert hidden_rows("y.mul_(2)\n# autograd-lint: file-ignore[AGL2]\n") == []


def test_internal_errors_cannot_be_hidden() -> None:
    assert hidden_rows("x = 1  # noqa\n# autograd-lint: file-ignore\n", code="AGL003") == []


def test_unused_comment_is_reported() -> None:
    assert told("y = 1  # autograd-lint: ignore[AGL103]\n") == [
        ("AGL001", 1, 32, "`AGL103` in this comment suppresses nothing")
    ]


def test_each_unused_code_is_reported_alone() -> None:
    found = told("y.mul_(2)  # autograd-lint: ignore[AGL103, AGL201]\n", finding(1))
    assert found == [("AGL001", 1, 44, "`AGL201` in this comment suppresses nothing")]


def test_unused_bare_comments() -> None:
    assert told("y = 1  # noqa\n") == []
    assert [item[0] for item in told("y = 1  # autograd-lint: ignore\n")] == ["AGL001"]
    assert [item[0] for item in told("# autograd-lint: file-ignore\n")] == ["AGL001"]


def test_unused_noqa_is_reported_for_our_codes_only() -> None:
    assert told("y = 1  # noqa: F401, AGL103\n") == [("AGL001", 1, 22, "`AGL103` in this comment suppresses nothing")]


def test_used_comment_is_not_reported() -> None:
    assert told("y.mul_(2)  # autograd-lint: ignore[AGL1]\n", finding(1)) == []


def test_comment_for_a_rule_that_did_not_run_is_not_called_unused() -> None:
    assert told("y = 1  # autograd-lint: ignore[AGL103]\n", ran=ALL_CODES - {"AGL103"}) == []
    assert told("y = 1  # autograd-lint: ignore[AGL1]\n", ran=ALL_CODES - {"AGL103"}) == []


def test_rules_that_are_off_do_not_keep_a_prefix_from_being_unused() -> None:
    off = {code for code, rule in rules_by_code().items() if not rule.default}
    assert len(told("y = 1  # autograd-lint: ignore[AGL1]\n", ran=ALL_CODES - off)) == 1


@pytest.mark.parametrize(
    ("comment", "column", "message"),
    [
        ("# autograd-lint: ignore[AGL999]", 32, "no rule is called 'AGL999'"),
        ("# autograd-lint: ignore[inplace-on-graph-tensr]", 32, "did you mean 'inplace-on-graph-tensor'?"),
        ("# noqa: AGL999", 16, "no rule is called 'AGL999'"),
        ("# autograd-lint: ignore[]", 8, "`ignore[]` names no rule"),
        ("# autograd-lint: ignore AGL103", 8, "takes its rules in brackets"),
        ("# autograd-lint: ignore[AGL103", 8, "takes its rules in brackets"),
        ("# autograd-lint: ignored[AGL103]", 8, "unknown directive 'ignored'; did you mean 'ignore'?"),
        ("# autograd-lint: disable=AGL103", 8, "unknown directive 'disable'"),
    ],
)
def test_unknown_comment(comment: str, column: int, message: str) -> None:
    found = told(f"y = 1  {comment}\n")
    assert [item[:3] for item in found] == [("AGL002", 1, column)]
    assert message in found[0][3]


@pytest.mark.parametrize(
    "comment", ["# noqa: XYZ123", "# autograd-lint is a linter", "# autograd-lint: see the README"]
)
def test_prose_and_codes_of_other_tools_are_left_alone(comment: str) -> None:
    assert told(f"y = 1  {comment}\n") == []


def test_findings_about_comments_can_be_suppressed_by_name_only() -> None:
    named = judged("y = 1  # autograd-lint: ignore[AGL103]  # autograd-lint: ignore[AGL001]\n")
    assert [(item.code, item.suppressed is not None) for item in named] == [("AGL001", True)]
    bare = judged("y = 1  # autograd-lint: ignore[AGL103]  # noqa\n")
    assert [(item.code, item.suppressed is not None) for item in bare] == [("AGL001", False)]


@pytest.mark.parametrize(
    "text",
    [
        "x = (1,\ny = 2  # noqa\n",
        "def f():\n    a\n  b  # noqa\nc  # noqa: AGL103\n",
        'x = """open\n# noqa\n',
        "x = 'open\ny = 1  # noqa\n",
        "x = $  # noqa\n",
        "\x0c# noqa\nif 1:\n\t\ty = 1\n        z = 2  # noqa\n",
    ],
)
def test_text_that_tokenize_cannot_read(text: str) -> None:
    with_comment = {row for row, line in enumerate(text.split("\n"), start=1) if "# noqa" in line}
    assert set(hidden_rows(text)) <= with_comment


def test_comments_after_broken_text_still_count() -> None:
    assert 2 in hidden_rows("x = (1,\ny.mul_(2)  # noqa: AGL103\n")


@given(st.text(st.sampled_from("ab()[]\"'#:,\\ \t\n\r\x0c noqaAGL103@def"), max_size=80))
def test_layout_of_any_text(text: str) -> None:
    layout = read_layout(text + "  # noqa\n")
    rows = [line.first for line in layout.lines]
    assert rows == sorted(rows)
    assert all(line.first <= line.last for line in layout.lines)
    judged(text + "  # noqa: AGL103\n", finding(1))


# ------------------------------------------------------- what only a caller elsewhere reaches


LIBRARY = "def scale(x):\n    x.mul_(2)  # autograd-lint: ignore[AGL103]\n    return x\n"


@pytest.mark.parametrize(
    "text",
    [
        LIBRARY,
        "class Net:\n    def f(self, x):\n        if x:\n            x.mul_(2)  # autograd-lint: ignore[AGL103]\n",
        "# autograd-lint: file-ignore[AGL103]\n" + LIBRARY.replace("  # autograd-lint: ignore[AGL103]", ""),
    ],
)
def test_comment_that_a_caller_elsewhere_may_need_is_not_called_unused(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    "text",
    [
        LIBRARY + 'if __name__ == "__main__":\n    scale(1)\n',
        "class Net:\n    x = 1  # autograd-lint: ignore[AGL103]\n",
        "def f():\n    return 1\n\n\ny = f()  # autograd-lint: ignore[AGL103]\n",
    ],
)
def test_comment_that_the_file_alone_decides_is_called_unused(text: str) -> None:
    assert [code for code, *_ in told(text)] == ["AGL001"]

"""Every program of the talk: what the analyzer says about it, and what running it shows.

The programs are in `fixtures/talk`, one or more for each row T1 to T26. What the analyzer must say stands in the
programs, in comments at the end of lines, several of them separated by `;`:

- `# expect: AGL101`: a finding of that code is at this line, with the default rules;
- `# related: AGL101 saved`: a finding of that code in this file has a related place at this line whose message has
  that word;
- `# selected: AGL105`: a finding of that code is at this line once all rules are selected.

Codes are separated by commas. The marks are all there is: no other finding, and no other related place.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograd_lint.engine import check_source
from autograd_lint.finding import Finding, Severity
from autograd_lint.rule import all_rules
from autograd_lint.source import read_source

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

TALK = Path(__file__).parents[1] / "fixtures" / "talk"
PROGRAMS = sorted(TALK.glob("t*.py"))

_MARK = re.compile(r"\b(expect|related|selected): ([^;]+)")


@dataclass(frozen=True)
class Marks:
    """What the comments of a program ask for: (code, row), and (code, row, word) for related places."""

    expected: Counter[tuple[str, int]]
    selected: Counter[tuple[str, int]]
    related: frozenset[tuple[str, int, str]]


def read_marks(path: Path) -> Marks:
    expected: Counter[tuple[str, int]] = Counter()
    selected: Counter[tuple[str, int]] = Counter()
    related = set()
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for kind, items in _MARK.findall(line.partition("# ")[2]):
            for item in items.split(","):
                code, _, word = item.strip().partition(" ")
                if kind == "related":
                    related.add((code, row, word))
                else:
                    (expected if kind == "expect" else selected)[code, row] += 1
    return Marks(expected, selected, frozenset(related))


def find(path: Path, *, default_only: bool) -> list[Finding]:
    rules = [rule for rule in all_rules() if rule.default or not default_only]
    return list(check_source(read_source(str(path)), rules))


def places(findings: list[Finding]) -> Counter[tuple[str, int]]:
    return Counter((finding.code, finding.range.start.row) for finding in findings)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_says(path: Path) -> None:
    marks = read_marks(path)
    assert places(find(path, default_only=True)) == marks.expected


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_says_where_it_comes_from(path: Path) -> None:
    marks = read_marks(path)
    found = {
        (finding.code, related.range.start.row, related.message)
        for finding in find(path, default_only=True)
        for related in finding.related
    }
    for code, row, word in marks.related:
        assert any((code, row) == place[:2] and word in place[2] for place in found), (code, row, word, found)
    for code, row, message in found:
        assert any((code, row) == mark[:2] and mark[2] in message for mark in marks.related), (code, row, message)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_says_with_all_rules_selected(path: Path) -> None:
    marks = read_marks(path)
    assert places(find(path, default_only=False)) == marks.expected + marks.selected


@pytest.mark.parametrize(
    ("stem", "code", "severity"),
    [
        ("t03_gradients_add_up", "AGL302", Severity.WARNING),
        ("t05_square_of_parameter", "AGL401", Severity.ERROR),
        ("t15_detach_is_no_copy", "AGL107", Severity.ERROR),
        ("t18_write_after_save", "AGL101", Severity.ERROR),
        ("t17_write_before_anything_is_saved", "AGL103", Severity.WARNING),
    ],
)
def test_how_bad_it_is(stem: str, code: str, severity: Severity) -> None:
    (finding,) = (f for f in find(TALK / f"{stem}.py", default_only=True) if f.code == code)
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("t07_second_gradient_expected_alone", "sum the losses"),
        ("t10_sum_of_losses", "sum the losses"),
        ("t11_gradient_argument", "pass `gradient=`"),
    ],
)
def test_advice_on_retain_graph(stem: str, words: str) -> None:
    helps = [f.help for f in find(TALK / f"{stem}.py", default_only=True) if f.code == "AGL201"]
    assert helps
    assert all(words in text for text in helps)


# ------------------------------------------------------------------- what running it shows

TWICE = "backward through the graph a second time"
CHANGED = "modified by an inplace operation"
NOT_SCALAR = "grad can be implicitly created only for scalar outputs"


@dataclass(frozen=True)
class Shows:
    """What a program prints, and what torch says when it raises at the end."""

    lines: tuple[str, ...]
    error: str = ""
    warned: int = 0


SHOWS = {
    "t01_product_of_sum": Shows(("7.0 2.0",)),
    "t02_backward_again": Shows(("7.0 2.0",), TWICE),
    "t03_gradients_add_up": Shows(("7.0 2.0", "14.0 4.0")),
    "t04_cleared_by_hand": Shows(("7.0 2.0", "0.0 0.0", "7.0 2.0")),
    "t05_square_of_parameter": Shows(("[]",), NOT_SCALAR),
    "t06_square_shared_by_forwards": Shows(("first round done",), TWICE),
    "t07_second_gradient_expected_alone": Shows(("True", "False")),
    "t08_first_gradient_subtracted": Shows(("True", "True")),
    "t09_cleared_between_roots": Shows(("True", "True")),
    "t10_sum_of_losses": Shows(("True",)),
    "t11_gradient_argument": Shows(("True",)),
    "t12_square_in_forward": Shows(("['weights']", "round 0 True", "round 1 True")),
    "t13_parameter_of_square": Shows(("['weights']", "round 0 True", "round 1 True")),
    "t14_two_roots_share_a_product": Shows((), TWICE),
    "t15_detach_is_no_copy": Shows(("16.0 4.0", "4.0", "8.0")),
    "t16_detach_and_clone": Shows(("16.0 4.0", "4.0", "4.0")),
    "t17_write_before_anything_is_saved": Shows(("16.0 4.0",)),
    "t18_write_after_save": Shows((), CHANGED),
    "t19_augmented_after_save": Shows((), CHANGED),
    "t20_rebound_after_save": Shows(("16.0 4.0",)),
    "t21_filled_by_index": Shows((), CHANGED),
    "t22_joined_once": Shows(("[5.0, 1.0]", "True")),
    "t23_retained_inner_gradients": Shows(("1.0", "[1.0, 1.0, 1.0]", "[2.0, 2.0, 2.0]", "[4.0, 8.0, 12.0]")),
    "t24_inner_gradients_not_kept": Shows(("None", "None", "None", "[4.0, 8.0, 12.0]"), warned=3),
    "t25_hooks": Shows(
        (
            *("total 1.0", "doubled [1.0, 1.0, 1.0]", "squares [2.0, 2.0, 2.0]", "x [4.0, 8.0, 12.0]"),
            *("total 1.0", "doubled [1.0, 1.0, 1.0]", "squares [2.0, 2.0, 2.0]", "x [4.0, 8.0, 12.0]"),
        )
    ),
    "t25_hooks_in_loop": Shows(
        (
            "x, registered in round 0 [4.0, 8.0, 12.0]",
            "x, registered in round 0 [4.0, 8.0, 12.0]",
            "x, registered in round 1 [4.0, 8.0, 12.0]",
        )
    ),
    "t26_indexing_and_dtypes": Shows(
        ("[[0.0, 2.0], [4.0, 6.0], [8.0, 10.0]]", "True", "torch.float32 float64"),
    ),
}


def test_every_row_has_a_program() -> None:
    rows = {int(path.stem[1:3]) for path in PROGRAMS}
    assert rows == set(range(1, 27))
    assert {path.stem for path in PROGRAMS} == set(SHOWS)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_shows(path: Path) -> None:
    expected = SHOWS[path.stem]
    printed = io.StringIO()
    raised = ""
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            runpy.run_path(str(path), run_name="__main__")
        except RuntimeError as error:
            raised = str(error)
    assert tuple(printed.getvalue().splitlines()) == expected.lines
    assert (expected.error in raised) if expected.error else not raised
    assert sum("not a leaf Tensor is being accessed" in str(w.message) for w in warned) == expected.warned


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_raises_at_the_marked_line(path: Path) -> None:
    """Where torch raises, the program's own line is one of those a finding or a related place is at."""
    if not SHOWS[path.stem].error:
        pytest.skip("the program runs to its end")
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(RuntimeError) as caught:
        runpy.run_path(str(path), run_name="__main__")
    rows = [entry.lineno + 1 for entry in caught.traceback if Path(str(entry.path)) == path]
    marks = read_marks(path)
    marked = {row for _, row in marks.expected} | {row for _, row, _ in marks.related}
    assert rows[-1] in marked

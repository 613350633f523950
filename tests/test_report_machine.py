"""The formats that programs read: concise, json, github."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from autograd_lint.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    Position,
    Range,
    Related,
    Severity,
    SuppressionKind,
)
from autograd_lint.report import format_names, render
from autograd_lint.report._view import Texts, View

PLACE = Range(Position(14, 5), Position(14, 15))
SAVED = Related("saved for backward here by `*`", "/project/train.py", Range(Position(12, 9), Position(12, 14)))
FINDING = Finding(
    code="AGL101",
    name="inplace-on-saved-tensor",
    severity=Severity.ERROR,
    message="`h` is changed, 100% surely",
    filename="/project/train.py",
    range=PLACE,
    related=(SAVED,),
    help="write `h = h * 2`",
    fingerprint="v1:0123",
    noqa_row=14,
    url="https://example.invalid/AGL101",
)


def shown(name: str, *findings: Finding) -> str:
    view = View(findings=findings, files=("/project/train.py",), root="/project", texts=Texts(), folder="/project/sub")
    return render(name, view)


def test_formats_are_found() -> None:
    assert {"concise", "full", "github", "json"} <= set(format_names())
    assert not [name for name in format_names() if name.startswith(("_", "-"))]


def test_concise() -> None:
    inside = replace(FINDING, filename="/project/sub/a.py")
    safe = replace(inside, fix=Fix(Applicability.SAFE, "rewrite", ()))
    unsafe = replace(inside, fix=Fix(Applicability.UNSAFE, "rewrite", ()), suppressed=SuppressionKind.IN_SOURCE)
    assert shown("concise", FINDING, inside, safe, unsafe).split("\n") == [
        "/project/train.py:14:5: AGL101 `h` is changed, 100% surely",
        "a.py:14:5: AGL101 `h` is changed, 100% surely",
        "a.py:14:5: AGL101 [*] `h` is changed, 100% surely",
        "a.py:14:5: AGL101 `h` is changed, 100% surely (suppressed)",
        "",
    ]


def test_concise_is_empty_without_findings() -> None:
    assert shown("concise") == ""


def test_json_of_one_finding() -> None:
    assert json.loads(shown("json", FINDING)) == [
        {
            "code": "AGL101",
            "name": "inplace-on-saved-tensor",
            "severity": "error",
            "runtime_only": False,
            "message": "`h` is changed, 100% surely",
            "filename": "/project/train.py",
            "cell": None,
            "noqa_row": 14,
            "location": {"row": 14, "column": 5},
            "end_location": {"row": 14, "column": 15},
            "related": [
                {
                    "message": "saved for backward here by `*`",
                    "filename": "/project/train.py",
                    "cell": None,
                    "location": {"row": 12, "column": 9},
                    "end_location": {"row": 12, "column": 14},
                }
            ],
            "help": "write `h = h * 2`",
            "fix": None,
            "url": "https://example.invalid/AGL101",
            "fingerprint": "v1:0123",
            "suppressed": None,
            "confirmation": None,
        }
    ]


def test_json_of_a_fix() -> None:
    fix = Fix(Applicability.UNSAFE, "use `zero_grad`", (Edit("x", PLACE),))
    found = json.loads(shown("json", replace(FINDING, fix=fix, suppressed=SuppressionKind.IN_SOURCE)))[0]
    assert found["suppressed"] == "inSource"
    assert found["fix"] == {
        "applicability": "unsafe",
        "message": "use `zero_grad`",
        "edits": [{"content": "x", "location": {"row": 14, "column": 5}, "end_location": {"row": 14, "column": 15}}],
    }


def test_json_without_findings_is_an_empty_list() -> None:
    assert json.loads(shown("json")) == []


PLACE_SCHEMA = {
    "type": "object",
    "properties": {"row": {"type": "integer", "minimum": 1}, "column": {"type": "integer", "minimum": 1}},
    "required": ["row", "column"],
    "additionalProperties": False,
}
FINDING_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "severity": {"enum": ["info", "warning", "error"]},
            "runtime_only": {"type": "boolean"},
            "location": PLACE_SCHEMA,
            "end_location": PLACE_SCHEMA,
            "fingerprint": {"type": "string", "pattern": "^v1:"},
            "suppressed": {"enum": [None, "inSource", "baseline"]},
        },
        "required": [
            "code",
            "name",
            "severity",
            "runtime_only",
            "message",
            "filename",
            "cell",
            "noqa_row",
            "location",
            "end_location",
            "related",
            "fix",
            "url",
            "fingerprint",
            "suppressed",
            "confirmation",
        ],
    },
}


def test_json_has_all_keys_of_the_contract() -> None:
    jsonschema.validate(json.loads(shown("json", FINDING, replace(FINDING, related=()))), FINDING_SCHEMA)


def test_github_command() -> None:
    assert shown("github", FINDING) == (
        "::error title=autograd-lint (AGL101 inplace-on-saved-tensor),file=train.py,line=14,endLine=14,col=5,"
        "endColumn=15::train.py:14:5: AGL101 `h` is changed, 100%25 surely"
        "%0Atrain.py:12:9: saved for backward here by `*`%0Ahelp: write `h = h * 2`\n"
    )


def test_github_omits_columns_of_several_rows_and_escapes_properties() -> None:
    place = Range(Position(1, 2), Position(3, 4))
    line = shown("github", replace(FINDING, range=place, related=(), help="", filename="/project/a,b:c%.py"))
    assert line.startswith("::error title=autograd-lint (AGL101 inplace-on-saved-tensor),file=a%2Cb%3Ac%25.py,")
    assert "line=1,endLine=3::" in line
    assert "col" not in line.split("::")[1].lower()


@pytest.mark.parametrize(("severity", "command"), [(Severity.WARNING, "warning"), (Severity.INFO, "notice")])
def test_github_levels(severity: Severity, command: str) -> None:
    assert shown("github", replace(FINDING, severity=severity)).startswith(f"::{command} ")


def test_github_puts_the_worst_first_and_counts_what_is_not_annotated() -> None:
    warnings = [replace(FINDING, severity=Severity.WARNING)] * 13
    lines = shown("github", *warnings, FINDING).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["::error", "::warning", "::warning"]
    assert lines[-1] == "3 more findings in this log only: GitHub annotates 10 of each level in a step"

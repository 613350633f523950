"""Reads the 296 small programs whose outcome under torch was measured: full texts, names and expected outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "measured"
_CELL: Final = re.compile(r"^# %% (\w+): (.+)\n((?:(?!# %% ).*\n)*)", re.MULTILINE)

_IMPORTS: Final = """\
import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

"""

_SETUP: Final = """\
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = torch.tensor([4.0, 5.0, 6.0], requires_grad=True)
c = torch.tensor([7.0, 8.0, 9.0])

"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program. `expected` is the measured outcome:

    `B a->b`: backward raises, saved at version a, found at b; `B2`: second backward; `B:…`, `W:…`: another error in
    backward, or at the statement itself; `SILENT`: the gradient differs from that of `functional`; `ok`: it does not;
    `no raise`: it ran. `functional` is the program without mutation, where copies of what was saved cannot tell.
    """

    name: str
    expected: str
    text: str
    functional: str = ""


@cache
def all_programs() -> tuple[Program, ...]:
    """The programs in the order of the files."""
    return tuple(program for path in sorted(_FOLDER.glob("[a-e].txt")) for program in _read(path))


def _read(path: Path) -> Iterator[Program]:
    functional = {name: body for name, expected, body in _cells(path) if expected == "functional"}
    for name, expected, body in _cells(path):
        if expected != "functional":
            yield Program(name, expected, _full(body), _full(functional[name]) if name in functional else "")


def _cells(path: Path) -> list[tuple[str, str, str]]:
    return [(cell[1], cell[2], cell[3].strip("\n") + "\n") for cell in _CELL.finditer(path.read_text(encoding="utf-8"))]


def _full(body: str) -> str:
    classes = "".join(text for name, text in _function_classes().items() if re.search(rf"\b{name}\.apply", body))
    return f"{_IMPORTS}{classes}{_SETUP}{body}"


@cache
def _function_classes() -> dict[str, str]:
    text = (_FOLDER / "functions.txt").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in re.finditer(r"^class (\w+)(?:.*\n)(?:(?:    .*)?\n)*", text, re.MULTILINE)}

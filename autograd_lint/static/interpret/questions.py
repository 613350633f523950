"""What a text that is not known is asked, `mode == "sum"`: all answers of a path fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autograd_lint.static.interpret.state import Path
from autograd_lint.static.model.values import FALSE, Const, Unknown, Value

_EQUALS = "== "
_AMONG = "among "
_BETWEEN = "\n"


def equals(path: Path, asked: Unknown, text: str) -> Value:
    """`asked == text`."""
    found = text_of(path, asked)
    if found is not None:
        return Const(found == text)
    if any((text in texts) is not answer for texts, answer in _memberships(path, asked)):
        return FALSE
    return asked.attr(_EQUALS + text)


def among(path: Path, asked: Unknown, texts: Sequence[str]) -> Value:
    """`asked in texts`."""
    found = text_of(path, asked)
    return Const(found in texts) if found is not None else asked.attr(_AMONG + _BETWEEN.join(texts))


def text_of(path: Path, asked: Unknown) -> str | None:
    """The text that `asked` was found to equal."""
    return next((text for text, answer in _answers(path, asked, _EQUALS) if answer), None)


def _memberships(path: Path, asked: Unknown) -> Iterator[tuple[list[str], bool]]:
    for texts, answer in _answers(path, asked, _AMONG):
        yield texts.split(_BETWEEN), answer


def _answers(path: Path, asked: Unknown, kind: str) -> Iterator[tuple[str, bool]]:
    """The questions of a kind that this path has decided, with their answers."""
    for label, question in (asked.attrs or {}).items():
        if label.startswith(kind) and id(question) in path.memo:
            yield label.removeprefix(kind), path.memo[id(question)][1]

"""Witnesses: replays that were run with torch in the sandbox and raised what was foretold, one file a finding."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from autograd_lint.atomic import write_whole
from autograd_lint.confirm.replay import REPLAY_NAME, Ran, Replay, Runner
from autograd_lint.confirm.session import Session
from autograd_lint.dynamic.snippets.jobs import Job, Status
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.errors import OutputError
from autograd_lint.finding import Finding
from autograd_lint.selectors import rules_by_code
from autograd_lint.source import STDIN_NAME

_MARK: Final = "# autograd-lint witness\n"
"""How the files begin that may be overwritten."""


def runner_of(pool: Pool) -> Runner:
    """Runs replays in the pool's sandbox, one after the other."""

    def run(text: str) -> Ran:
        result = pool.submit(Job(text, filename=REPLAY_NAME)).result()
        failure = result.failure
        if failure is None:
            return Ran(message="" if result.status is Status.FINISHED else result.reason)
        rows = [frame.row for frame in failure.frames if frame.filename == REPLAY_NAME]
        return Ran(rows[-1] if rows else None, failure.message, failure.type)

    return run


def write_witnesses(folder: str, findings: Iterable[Finding], session: Session) -> list[str]:
    """Write a file for every finding that has a verified replay; their paths, in the order of the findings.

    Raises ConfirmError without torch, OutputError where a file cannot be written.
    """
    wanted = [finding for finding in findings if rules_by_code()[finding.code].on]
    if not wanted:
        return []
    session.interpreter()
    run = runner_of(session.pool)
    written: dict[str, None] = {}
    for finding in wanted:
        replay = session.explorations.replay(finding, run)
        if isinstance(replay, Replay) and replay.raises_at:  # what it shows must be plain to whoever runs it
            path = _free(os.path.join(folder, _stem(finding)), written)
            _write(path, _MARK, replay.text)
            written[path] = None
    return list(written)


def _stem(finding: Finding) -> str:
    name = "stdin" if finding.filename == STDIN_NAME else os.path.splitext(os.path.basename(finding.filename))[0]
    return f"{name}-L{finding.range.start.row}-{finding.code}"


def _free(stem: str, taken: dict[str, None]) -> str:
    """The path of a witness; a second one in the same row, or of a file of the same name, is numbered."""
    number, path = 1, f"{stem}.py"
    while path in taken:
        number += 1
        path = f"{stem}-{number}.py"
    return path


def _write(path: str, mark: str, text: str) -> None:
    """Write a whole file at once. What stands there and is no witness stays; a link is replaced, not followed."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        if os.path.isdir(path) or (os.path.isfile(path) and not _is_witness(path, mark)):
            raise OutputError(f"cannot write {path}: there is another file of that name")
        write_whole(path, (mark + text).encode(), mode=0o644)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _is_witness(path: str, mark: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline() == mark

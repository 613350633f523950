"""What is asked of the pool and what it answers; also as JSON, since the two sides are different interpreters."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from autograd_lint.dynamic.sandbox.limits import Limits


class Status(enum.Enum):
    """How a program ended."""

    FINISHED = "finished"
    RAISED = "raised"
    REFUSED = "refused by the sandbox"
    EXITED = "exited"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    OUTPUT_LIMIT = "too much output"
    DISK_LIMIT = "too much on disk"
    PROCESS_LIMIT = "too many threads"
    KILLED = "killed by a signal"
    NO_RESULT = "no result"
    HOOK_FAILED = "hook failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Job:
    """A program to run: its text and the name it goes by, its arguments, and the hook to run around it.

    `hook` is the dotted name of a function in `autograd_lint.dynamic` that takes a `Program` and returns what JSON can
    say; it runs in the sandbox. `options` are for the hook. `path`: folders that the program may import from, before
    all others. `limits`: instead of the pool's.
    """

    text: str
    filename: str = "<program>"
    argv: tuple[str, ...] = ()
    hook: str = "autograd_lint.dynamic.snippets.program.run_plain"
    options: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One row of a traceback, outermost first: where the program was, and in which function."""

    filename: str
    row: int
    function: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that ended a program."""

    type: str
    message: str
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended. `reason` says it in a sentence; `value` is what the hook returned, if it did.

    `output` is what the program printed, both streams, up to the limit. `notes` tell what else happened: refusals that
    the program got over, threads it left running.
    """

    status: Status
    reason: str
    value: Any = None
    failure: Failure | None = None
    output: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def job_to_json(job: Job, limits: Limits) -> dict[str, Any]:
    """`job` with all its limits, for the wire."""
    fields = {name: getattr(job, name) for name in ("text", "filename", "argv", "hook", "path")}
    return {**fields, "options": dict(job.options), "limits": asdict(job.limits or limits)}


def job_from_json(data: Mapping[str, Any]) -> Job:
    """A job from the wire; its limits are set."""
    fields = {**data, "argv": tuple(data["argv"]), "path": tuple(data["path"]), "limits": Limits(**data["limits"])}
    return Job(**fields)


def result_to_json(result: JobResult) -> dict[str, Any]:
    """`result` for the wire."""
    failure = asdict(result.failure) if result.failure else None
    fields = {name: getattr(result, name) for name in ("reason", "value", "output", "seconds", "notes")}
    return {**fields, "status": result.status.value, "failure": failure}


def result_from_json(data: Mapping[str, Any]) -> JobResult:
    """A result from the wire; KeyError, TypeError or ValueError if that is none."""
    failure = None
    if data["failure"] is not None:
        frames = tuple(Frame(**frame) for frame in data["failure"]["frames"])
        failure = Failure(data["failure"]["type"], data["failure"]["message"], frames)
    fields = {**data, "status": Status(data["status"]), "failure": failure, "notes": tuple(data["notes"])}
    return JobResult(**fields)

"""`autograd-lint run`: a whole program under the observer, and its report at the end, however it ends."""

from __future__ import annotations

import importlib.util
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autograd_lint.dynamic.execute import Program, RunError, execute, find_module, find_script, prepare
from autograd_lint.dynamic.remarks import remarks_of
from autograd_lint.dynamic.static_side import StaticSide
from autograd_lint.dynamic.termination import told_when_terminated
from autograd_lint.errors import SourceError
from autograd_lint.events import IndexRead
from autograd_lint.finding import Finding
from autograd_lint.merging import merged
from autograd_lint.runner import RunResult, finished
from autograd_lint.selectors import rules_by_code
from autograd_lint.settings import Settings
from autograd_lint.source import read_source

if TYPE_CHECKING:
    from autograd_lint.dynamic.observer import Observer


_TERMINATED: Final = 128 + signal.SIGTERM
"""The status that a shell gives a program which that signal has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run: a script, or with `as_module` a module, and its arguments."""

    target: str
    arguments: tuple[str, ...] = ()
    as_module: bool = False
    raise_at_write: bool = False


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """What was found, the program's own exit status, and what the user must know of the run itself."""

    found: RunResult
    status: int
    remarks: tuple[str, ...]

    def exit_status(self, settings: Settings) -> int:
        """The program's own status if it is not 0, else 1 with findings."""
        return self.status or self.found.exit_status(settings.fail_level)


def run_observed(request: RunRequest, settings: Settings, tell: Callable[[ProgramResult], None]) -> ProgramResult:
    """Run the program under the observer. `tell` is given the result where a signal ends the process before that."""
    if importlib.util.find_spec("torch") is None:
        raise RunError(
            f"`run` needs torch in the Python that runs autograd-lint, and {sys.executable} has none: "
            "install autograd-lint beside the torch of the program"
        )
    started = time.monotonic()
    prepare(request.target, request.arguments, as_module=request.as_module)
    program = _find(request)
    if request.as_module:
        sys.argv[0] = program.path
    observer = make_observer(settings, raise_at_write=request.raise_at_write)

    def result(status: int) -> ProgramResult:
        remarks = [remark.finding(program.path) for remark in remarks_of(observer.records)]
        findings = StaticSide(settings).marked(find(observer, settings, remarks))
        files = tuple(dict.fromkeys([program.path, *(finding.filename for finding in findings)]))
        found = RunResult(merged(files, findings), files, time.monotonic() - started)
        return ProgramResult(found, status, tuple(notes(observer)))

    def terminated() -> None:
        observer.stop()
        tell(result(_TERMINATED))

    with told_when_terminated(terminated):
        status = execute(program, lambda body: _observe(observer, body))
    return result(status)


def _find(request: RunRequest) -> Program:
    return find_module(request.target) if request.as_module else find_script(request.target)


def make_observer(settings: Settings, *, raise_at_write: bool = False) -> Observer:
    """An observer for a whole program: by numbers, or by hooks where those are needed."""
    from autograd_lint.dynamic.observer import HookObserver, SequenceObserver, can_count_nodes, is_traced
    from autograd_lint.dynamic.watch import Files

    index_reads = any(IndexRead in rules_by_code()[code].on for code in settings.codes)
    files = Files(foreign=tuple(_entry_point()))
    if raise_at_write or is_traced() or not can_count_nodes():
        return HookObserver(files, index_reads=index_reads, annotate=True, raise_at_write=raise_at_write)
    return SequenceObserver(files, index_reads=index_reads, annotate=True)


def _entry_point() -> Iterator[str]:
    """The script that started this tool, or pytest; they have no suffix, and stand below all that is watched."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is not None and not path.endswith(".py"):
        yield path


def _observe(observer: Observer, body: Callable[[], None]) -> None:
    with observer:
        body()


def find(observer: Observer, settings: Settings, remarks: Sequence[Finding] = ()) -> list[Finding]:
    """What the selected rules say of what was seen, with `remarks`; suppressed and identified as `check` does it."""
    from autograd_lint.dynamic.judge import judge

    rules = [rules_by_code()[code] for code in sorted(settings.codes) if rules_by_code()[code].on]
    by_file: dict[str, list[Finding]] = defaultdict(list)
    for finding in (*judge(observer.events(), rules), *remarks):
        by_file[finding.filename].append(finding)
    result: list[Finding] = []
    for path, findings in by_file.items():
        result += _finished(path, findings, settings)
    return result


def _finished(path: str, findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    try:
        source = read_source(path)
    except SourceError:
        return list(findings)  # typed in, or gone: there are no comments to heed
    return finished(source, findings, settings, ran=frozenset())


def notes(observer: Observer) -> Iterator[str]:
    """What the user must know of the observer itself, a line each."""
    for text in observer.records.crashes:
        yield f"warning: the observer failed: {text} [observer-failed]"
    if observer.records.ran_eagerly:
        yield "note: what was given to torch.compile ran eagerly, so that its lines are known [ran-eagerly]"

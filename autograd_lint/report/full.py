"""The `full` format: a code frame for each finding, with every place that explains it, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

from autograd_lint.finding import Confirmation, Finding, Severity, Verdict
from autograd_lint.report._colour import Paint
from autograd_lint.report._fix import draw_fix
from autograd_lint.report._frame import Frame, Painter, frames_of
from autograd_lint.report._text import count, one_line
from autograd_lint.report._view import View


def render(view: View) -> str:
    """Every finding, then one line that counts them."""
    paint = Paint(view.colour)
    blocks = ["\n".join(_block(finding, view, paint)) + "\n" for finding in view.told]
    return "\n".join([*blocks, summary(view) + "\n"])


def summary(view: View) -> str:
    """What was found, in one line."""
    files = count(len(view.files), "file")
    shown = [finding for finding in view.findings if finding.suppressed is None]
    levels = Counter(finding.severity for finding in shown if not finding.refuted)
    hidden = sum(finding.suppressed is not None for finding in view.findings)
    verdicts = Counter(finding.confirmation.verdict for finding in shown if finding.confirmation)
    if not levels:
        told = "Nothing found in what ran" if view.ran else f"All clear: {files} checked"
    else:
        words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
        counts = ", ".join(count(levels[level], word) for level, word in words.items() if levels[level])
        told = f"Found {counts} in {files}"
    told += f" ({hidden} suppressed)" if hidden else ""
    counted = [f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdicts[verdict]]
    return told + (f": {', '.join(counted)}" if counted else "")


def _block(finding: Finding, view: View, paint: Paint) -> Iterator[str]:
    colour = partial(paint.severity, finding.severity)
    place = f"{one_line(view.shown_path(finding.filename))}:{finding.range.start.row}:{finding.range.start.column}"
    hidden = (", suppressed" if finding.suppressed else "") + (
        ", seen only at run time" if finding.runtime_only else ""
    )
    yield f"{paint.bold(place)}: {colour(finding.code)} {paint.bold(finding.name)} ({finding.severity.label}{hidden})"
    yield "  " + one_line(finding.message)
    frames = [frame for frame in frames_of(finding) if _has_text(frame, view)]
    width = max((len(str(mark.range.end.row)) for frame in frames for mark in frame.marks), default=1)
    painter = Painter(view.texts, paint, width, colour)
    for frame in frames:
        if frame.path != finding.filename:
            start = frame.marks[0].range.start
            path = one_line(view.shown_path(frame.path))
            yield f"{' ' * width}{paint.gutter(':::')} {path}:{start.row}:{start.column}"
        yield from painter.draw(frame)
    if finding.help:
        if frames:
            yield painter.gutter()
        yield f"{' ' * width} {paint.gutter('=')} {paint.help('help:')} {one_line(finding.help)}"
    if finding.fix is not None:
        yield from draw_fix(finding, finding.fix, view.texts, paint, width=width)
    if finding.confirmation:
        if frames and not finding.help:
            yield painter.gutter()
        yield f"{' ' * width} {paint.gutter('=')} {_verdict(finding.confirmation, paint)}"


def _verdict(confirmation: Confirmation, paint: Paint) -> str:
    by = f" by {confirmation.how}" if confirmation.how else ""
    verdict = paint.verdict(confirmation.verdict, f"{confirmation.verdict.value}{by}:")
    return f"{verdict} {one_line(confirmation.evidence)}{_made_up(confirmation)}"


def _made_up(confirmation: Confirmation) -> str:
    """What of the run was not the program's own: the reader judges whether it matters."""
    invented = confirmation.details.get("invented")
    if confirmation.verdict is not Verdict.CONFIRMED or not isinstance(invented, list) or not invented:
        return ""
    more = ", …" if len(invented) > _NAMED else ""
    return f" (made up for the run: {', '.join(one_line(str(name)) for name in invented[:_NAMED])}{more})"


_NAMED: Final = 3


def _has_text(frame: Frame, view: View) -> bool:
    return any(view.texts.line(frame.path, mark.range.start.row) for mark in frame.marks)

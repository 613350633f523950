"""One file to findings: parse, lower, execute abstractly, judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from autograd_lint.errors import FactsError, SourceError
from autograd_lint.events import Event, Site
from autograd_lint.finding import Finding, Range, Related, Severity
from autograd_lint.rule import Report, Rule
from autograd_lint.run_findings import crashed, describe_crash, unreadable
from autograd_lint.source import SourceFile, has_torch_sign
from autograd_lint.static.syntax.stack import with_room

if TYPE_CHECKING:
    from autograd_lint.static.importing.places import Places

Place: TypeAlias = tuple[str, object]


class JudgedPath(Protocol):
    """One execution, abstract or real: its events, each with whether it came after a failure, and where it has been."""

    @property
    def events(self) -> Sequence[tuple[Event, bool]]:
        """What happened."""

    @property
    def reached(self) -> Container[object]:
        """The tokens of the places that were reached."""

    @property
    def failed(self) -> bool:
        """Whether torch raised."""


class Ranges(Protocol):
    """Finds the places that events name by tokens."""

    def range_of(self, node: object) -> Range:
        """Where `node` stands."""

    def statement_range_of(self, node: object) -> Range:
        """Where the statement around `node` stands."""


def check_source(source: SourceFile, rules: Sequence[type[Rule]]) -> list[Finding]:
    """What is wrong in one file, before suppression, in no order. A file without a sign of torch is not parsed."""
    if not has_torch_sign(source.text):
        return []
    try:
        return with_room(lambda: _check(source, rules))
    except SourceError as error:
        return [unreadable(source.path, error)]
    except FactsError:
        raise
    except Exception as error:  # one file must not end the run: reported with the place in the tool
        return [crashed(source.path, describe_crash(error))]


def _check(source: SourceFile, rules: Sequence[type[Rule]]) -> list[Finding]:
    from autograd_lint.static.importing.places import Places
    from autograd_lint.static.interpret.explore import explore, project_of
    from autograd_lint.static.syntax.lower import lower_module
    from autograd_lint.static.syntax.parse import parse

    tree = parse(source.text)
    verdicts = Verdicts(rules)
    project = project_of(source.path)
    for paths in explore(lower_module(tree, source.path), project):
        verdicts.add(paths)
    findings = _with_fixes(verdicts, source, Places(tree, project, source.text)) if verdicts.found else []
    project.close()
    return [*_of_this_file(findings, source.path), *(crashed(source.path, text) for text in verdicts.crashes)]


def _of_this_file(findings: Iterable[Finding], path: str) -> list[Finding]:
    """The findings in this file, and those in imported ones that a place of this file has to do with, each once.

    A file that is imported back by what it imports is met as a stranger there.
    """
    kept: dict[tuple[str, Range, str], Finding] = {}
    for finding in findings:
        if path not in (finding.filename, *(related.filename for related in finding.related)):
            continue
        key = (finding.filename, finding.range, finding.code)
        if key not in kept or finding.severity > kept[key].severity:
            kept[key] = finding
    return list(kept.values())


def _with_fixes(verdicts: Verdicts, source: SourceFile, places: Places) -> list[Finding]:
    """The findings, each with the fix of its rule; nothing is computed for what is not reported."""
    from autograd_lint.fixing.code import Code

    code = Code(source, places.own, verdicts.reported)
    findings = []
    for verdict in verdicts.kept():
        found = _finding(verdict, places)
        if not places.own.holds(verdict.report.site.token):
            findings.append(found)  # an imported file is mended when it is checked itself
            continue
        try:
            fix = with_room(partial(verdict.rule().fix, verdict.event, code))
        except LookupError:  # a place of it is in an imported file
            fix = None
        except Exception as error:  # a fault in a fix must not hide the finding: reported as AGL003
            verdicts.crashes.append(f"{found.code}: the fix: {describe_crash(error)}")
            fix = None
        findings.append(found if fix is None else replace(found, fix=fix))
    return findings


@dataclass(slots=True)
class Verdict:
    """What one rule says of one place, over all paths of one program."""

    rule: type[Rule]
    report: Report
    event: Event
    places: frozenset[object]
    seen: int = 0
    severity: Severity = Severity.INFO
    doubtful: bool = False


@dataclass(slots=True)
class Verdicts:
    """The reports of all rules, joined over the paths of a program and over the programs of a file."""

    rules: Sequence[type[Rule]]
    found: dict[tuple[str, Place], Verdict] = field(default_factory=dict)
    reported: dict[Place, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """The events that were reported at each place, on whatever path: a fix must be right for all of them."""
    crashes: list[str] = field(default_factory=list)

    def add(self, paths: Sequence[JudgedPath]) -> None:
        """Judge the paths of one program. An error must hold on every path that reaches all its places."""
        judges: dict[type[Event], list[Rule]] = defaultdict(list)
        for rule in self.rules:
            for kind in rule.on:
                judges[kind].append(rule())
        here: dict[tuple[str, Place], Verdict] = {}
        holding: dict[tuple[str, Place], set[int]] = defaultdict(set)
        for number, path in enumerate(paths):
            for event, late in path.events:
                for judge in judges.get(type(event), ()):
                    self._judge(judge, event, late=late, here=here, holding=holding, number=number)
        for key, verdict in here.items():
            if verdict.severity is Severity.ERROR:
                verdict.doubtful = _missing_somewhere(verdict, holding[key], paths)
            self._merge(key, verdict)

    def _judge(
        self,
        judge: Rule,
        event: Event,
        *,
        late: bool,
        here: dict[tuple[str, Place], Verdict],
        holding: dict[tuple[str, Place], set[int]],
        number: int,
    ) -> None:
        try:
            reports = list(judge.judge(event))
        except Exception as error:  # one rule must not silence the others: reported as AGL003
            self.crashes.append(f"{judge.code}: {describe_crash(error)}")
            return
        for report in reports:
            severity = judge.severity if report.severity is None else min(report.severity, judge.severity)
            if late and severity is Severity.ERROR:
                continue
            key = (judge.code, report.site.key)
            holding[key].add(number)
            self.reported[report.site.key].append(event)
            known = here.get(key)
            if known is None or severity > known.severity:
                places = frozenset(site.token for site in (report.site, *(site for _, site in report.related)))
                here[key] = Verdict(type(judge), report, event, places, severity=severity)

    def _merge(self, key: tuple[str, Place], verdict: Verdict) -> None:
        if verdict.doubtful:
            verdict.severity = Severity.WARNING
        known = self.found.get(key)
        if known is None or verdict.severity > known.severity:
            self.found[key] = verdict

    def findings(self, positions: Ranges) -> list[Finding]:
        """The findings with their ranges."""
        return [_finding(verdict, positions) for verdict in self.kept()]

    def kept(self) -> list[Verdict]:
        """What is told: a rule's finding hides those of the rules it supersedes at that place."""
        codes_at: dict[Place, set[str]] = defaultdict(set)
        for (_, place), verdict in self.found.items():
            codes_at[place].update(verdict.rule.supersedes)
        return [v for (code, place), v in self.found.items() if code not in codes_at[place]]


def _missing_somewhere(verdict: Verdict, holding: set[int], paths: Iterable[JudgedPath]) -> bool:
    """Some path reaches all the places of the report, and torch does not raise there."""
    return any(
        number not in holding and not path.failed and all(place in path.reached for place in verdict.places)
        for number, path in enumerate(paths)
    )


def _finding(verdict: Verdict, positions: Ranges) -> Finding:
    report, rule = verdict.report, verdict.rule
    message = f"{report.message} (on some paths)" if verdict.doubtful else report.message
    place = positions.range_of(report.site.token)
    related = tuple(_related(text, site, positions) for text, site in report.related)
    statement = positions.statement_range_of(report.site.token)
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=verdict.severity,
        message=message,
        filename=report.site.filename,
        range=place,
        related=related,
        help=report.help,
        noqa_row=statement.end.row,
    )


def _related(text: str, site: Site, positions: Ranges) -> Related:
    return Related(text, site.filename, positions.range_of(site.token))

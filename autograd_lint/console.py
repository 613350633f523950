"""What the commands print: reports, files, settings and rules on standard output, words about the run on the other."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autograd_lint.discovery import repository_root
from autograd_lint.errors import ConfigError, OutputError
from autograd_lint.links import rule_url
from autograd_lint.report import render
from autograd_lint.report._colour import wants_colour
from autograd_lint.report._text import count, one_line
from autograd_lint.report._view import Texts, View
from autograd_lint.rule import Rule, all_rules
from autograd_lint.runner import RunResult, list_files
from autograd_lint.selectors import did_you_mean
from autograd_lint.settings import Settings
from autograd_lint.streams import print_error, print_out


def make_view(result: RunResult, *, show_suppressed: bool, show_refuted: bool, ran: bool = False) -> View:
    """What the formats are given."""
    return View(
        findings=result.findings if show_suppressed else result.visible,
        files=result.files,
        root=os.environ.get("GITHUB_WORKSPACE") or repository_root(os.getcwd()) or os.getcwd(),
        texts=Texts([result.stdin] if result.stdin else ()),
        colour=wants_colour(sys.stdout),
        show_refuted=show_refuted,
        ran=ran,
    )


def print_report(view: View, name: str, *, statistics: bool, to_error: bool = False) -> None:
    """The report on standard output; with `statistics`, counts in its place.

    `to_error`: on standard error, where the other stream is taken by the fixed text.
    """
    text = _statistics(view, as_json=name == "json") if statistics else render(name, view)
    if not to_error:
        print_out(text)
    elif text:
        print_error(text.rstrip("\n"))


def write_file(path: str, name: str, view: View) -> None:
    """A report in a file, without colour."""
    plain = replace(view, colour=False)
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(render(name, plain))
    except OSError as error:
        raise OutputError(f"cannot write the {name} report to {path}: {error.strerror or error}") from error


def tell_before(settings: Settings, *, verbose: bool) -> None:
    """Warn of what the configuration asks for in vain; when verbose, say what is used."""
    for key in settings.without_effect:
        path = one_line(settings.config_path)
        print_error(f"warning: {path}: `{key}` has no effect in this version [unsupported-key]")
    if verbose:
        print_error(f"configuration: {one_line(settings.config_path) or 'none'}")
        print_error(f"rules: {', '.join(sorted(settings.codes))}")


def tell_after(result: RunResult, *, verbose: bool) -> None:
    """Warn of a run that checked nothing; when verbose, say how long it took."""
    if not result.files:
        print_error("warning: no Python files found under the given paths [no-files]")
    if verbose:
        print_error(f"checked {count(len(result.files), 'file')} in {result.seconds:.2f} s")
        print_error(f"{count(len(result.findings) - len(result.visible), 'finding')} suppressed by comments")


def show_files(paths: Sequence[str], settings: Settings) -> int:
    """List the files that a run would check."""
    print_out("".join(target.path + "\n" for target in list_files(paths, settings)))
    return 0


def show_settings(settings: Settings) -> int:
    """The effective settings, one a line."""
    shown = {
        "configuration": settings.config_path or None,
        "root": settings.root,
        "rules": sorted(settings.codes),
        "per-file-ignores": {pattern: sorted(codes) for pattern, codes in settings.per_file_ignores},
        "exclude": list(settings.search.exclude),
        "respect-gitignore": settings.search.respect_gitignore,
        "force-exclude": settings.search.force_exclude,
        "output-format": settings.output_format,
        "fail-level": settings.fail_level.label,
        "jobs": settings.jobs,
        "confirm.python": settings.confirm.python,
        "confirm.timeout": settings.confirm.timeout,
        "confirm.memory": settings.confirm.memory,
        "confirm.jobs": settings.confirm.jobs,
    }
    print_out("".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in shown.items()))
    return 0


def show_rules(name: str | None, *, as_json: bool) -> int:
    """The documentation of one rule, or of all."""
    rules = all_rules() if name is None else (_find_rule(name),)
    if as_json:
        listed = [_rule_to_json(rule) for rule in rules]
        print_out(json.dumps(listed if name is None else listed[0], indent=2) + "\n")
    else:
        print_out("\n\n".join(_rule_to_text(rule) for rule in rules))
    return 0


def _find_rule(name: str) -> type[Rule]:
    for rule in all_rules():
        if name.lower() in (rule.code.lower(), rule.name):
            return rule
    known = [word for rule in all_rules() for word in (rule.code, rule.name)]
    raise ConfigError(f"no rule is called {name!r}{did_you_mean(name, known)}")


def _rule_to_json(rule: type[Rule]) -> dict[str, object]:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.label,
        "default": rule.default,
        "talk": rule.talk,
        "since": rule.since,
        "fixable": rule.fix is not Rule.fix,
        "url": rule_url(rule.code, rule.name),
        "summary": rule.documentation().split("\n", 1)[0],
        "documentation": rule.documentation(),
    }


def _rule_to_text(rule: type[Rule]) -> str:
    default = "" if rule.default else ", off unless selected"
    return f"# {rule.code} {rule.name} ({rule.severity.label}{default})\n\n{rule.documentation()}\n"


def _statistics(view: View, *, as_json: bool) -> str:
    counts = Counter((finding.code, finding.name) for finding in view.told)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if as_json:
        listed = [{"code": code, "name": name, "count": count} for (code, name), count in ordered]
        return json.dumps(listed, indent=2) + "\n"
    width = len(str(max(counts.values(), default=0)))
    return "".join(f"{count:>{width}}  {code}  {name}\n" for (code, name), count in ordered)

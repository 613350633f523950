"""The command line: options, commands, exit status; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from autograd_lint import __version__
from autograd_lint.errors import AutogradLintError, OutputError
from autograd_lint.streams import flush, print_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograd_lint.runner import RunResult
    from autograd_lint.settings import Options, Settings

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; ends the process with the exit status of the contract."""
    status = _run(arguments)
    try:
        flush()
    except OutputError as error:
        print_error(f"error: {error}")
        status = _FAILED
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = cli.main(
            args=None if arguments is None else list(arguments), prog_name="autograd-lint", standalone_mode=False
        )
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.ClickException as error:
        from autograd_lint.usage import describe_usage

        print_error(describe_usage(error))
        return _FAILED
    except (click.Abort, KeyboardInterrupt):
        print_error("interrupted")
        return _INTERRUPTED
    except AutogradLintError as error:
        print_error(f"error: {error}")
        return _FAILED
    except Exception as error:  # the border of the command: reported, exit status 2
        from autograd_lint.run_findings import describe_crash

        print_error(f"error: internal error: {describe_crash(error)}\nplease report it")
        return _FAILED
    return result if isinstance(result, int) else 0


class _DefaultCommand(click.Group):
    """A group in which `check` is meant when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h", "--version", "-V")):
            self._refuse_misspelt(ctx, args)
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def _refuse_misspelt(self, ctx: click.Context, args: list[str]) -> None:
        from autograd_lint.usage import misspelt_command

        meant = misspelt_command(args[0], self.commands) if args else None
        if meant is not None:
            raise click.UsageError(f"no file or command is called {args[0]!r}; did you mean {meant!r}?", ctx)


@click.group(cls=_DefaultCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, "-V", "--version", message="autograd-lint %(version)s")
def cli() -> None:
    """Find the places where a PyTorch program misuses autograd.

    `autograd-lint PATH` is `autograd-lint check PATH`; see `autograd-lint check --help`.
    """


if TYPE_CHECKING:
    _StrType = click.ParamType[str]
else:
    _StrType = click.ParamType  # not generic in older versions of click


class _Lazy(_StrType):
    """A choice whose values are looked up, and whose errors name the nearest one, only when it is used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def values(self) -> Sequence[str]:
        """What may be chosen."""
        if self.name == "level":
            from autograd_lint.finding import Severity

            return [level.label for level in Severity]
        if self.name == "way":
            from autograd_lint.confirm.command import WAYS

            return ["all", *WAYS]
        from autograd_lint.report import format_names

        return format_names()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from autograd_lint.selectors import did_you_mean

        if value not in self.values():
            self.fail(f"unknown {self.name} {value!r}{did_you_mean(value, self.values())}", param, ctx)
        return str(value)


_FORMAT: Final = _Lazy("format")
_LEVEL: Final = _Lazy("level")
_PATHS: Final = click.Path(path_type=str)


class _Check(click.Command):
    """`check`, in whose arguments a bare `--confirm` does not swallow the path behind it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        args = ["--confirm=all" if arg == "--confirm" else arg for arg in args[:end]] + args[end:]
        return super().parse_args(ctx, args)


@cli.command(cls=_Check, short_help="Check files and folders; what is done when no command is named.")
@click.argument("paths", nargs=-1, type=_PATHS, metavar="[PATH]...")
@click.option("--select", multiple=True, metavar="RULES", help="Run only these rules: codes, prefixes, names, ALL.")
@click.option("--extend-select", multiple=True, metavar="RULES", help="Run these rules too.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Do not run these rules.")
@click.option(
    "--per-file-ignores", multiple=True, metavar="PATTERN:RULES", help="Ignore rules in files that match a pattern."
)
@click.option("--output-format", type=_FORMAT, help="full (default), concise, json, github, ...")
@click.option(
    "--output-file", multiple=True, metavar="[FORMAT=]PATH", help="Write a report to a file too; may be repeated."
)
@click.option("--fail-level", type=_LEVEL, help="Least severity that makes the exit status 1 (default: warning).")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even with findings.")
@click.option("--config", type=_PATHS, metavar="FILE", help="Use this configuration file.")
@click.option("--isolated", is_flag=True, help="Use no configuration file.")
@click.option("--force-exclude", is_flag=True, help="Apply exclusions to files named on the command line too.")
@click.option("--stdin-filename", type=_PATHS, metavar="NAME", help="What to call standard input (`-`).")
@click.option("--fix", is_flag=True, help="Apply the safe fixes; with --confirm not those of refuted findings.")
@click.option("--unsafe-fixes", is_flag=True, help="Apply the unsafe fixes too, which change what is computed.")
@click.option("--fix-only", is_flag=True, help="Apply the safe fixes, and report nothing of what is left.")
@click.option("--diff", is_flag=True, help="Show what the fixes would change as a diff; change and report nothing.")
@click.option("--show-suppressed", is_flag=True, help="Show findings that comments suppress too.")
@click.option(
    "--confirm",
    type=_Lazy("way"),
    metavar="[=program|slice|replay]",
    help="Execute the code, in a sandbox, to see whether torch agrees with each finding; all ways, or one.",
)
@click.option(
    "--python", type=_PATHS, metavar="PATH", help="The Python that has torch, for --confirm and --witness-dir."
)
@click.option(
    "--witness-dir", type=_PATHS, metavar="DIR", help="Write a small torch program that fails for each finding."
)
@click.option("--statistics", is_flag=True, help="Show how often each rule reported, not the findings.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked, and stop.")
@click.option("--show-settings", is_flag=True, help="Show the settings that would be used, and stop.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Number of processes.")
@click.option("--verbose", "-v", is_flag=True, help="Say on standard error what is done; show refuted findings.")
def check(paths: tuple[str, ...], **options: Any) -> int:
    """Check files and folders (default: the current folder); `-` is standard input.

    Nothing is executed without --confirm, which runs the code of the files that have findings.

    Exit status: 0 no finding, 1 findings of at least the fail level, 2 the command or the tool failed.
    """
    from autograd_lint import console
    from autograd_lint.settings import resolve_settings

    if options["config"] and options["isolated"]:
        raise click.UsageError("--config and --isolated exclude each other")
    settings = resolve_settings(paths or (".",), _options(options))
    files = [_output_file(value, settings.output_format) for value in options["output_file"]]
    if options["show_settings"]:
        return console.show_settings(settings)
    if options["show_files"]:
        return console.show_files(paths or (".",), settings)
    return _check(paths or (".",), settings, files=files, options=options)


def _check(paths: tuple[str, ...], settings: Settings, *, files: list[tuple[str, str]], options: dict[str, Any]) -> int:
    from autograd_lint import console
    from autograd_lint.runner import run

    console.tell_before(settings, verbose=options["verbose"])
    with ExitStack() as ends:
        if options["confirm"] is not None:
            from autograd_lint.confirm.session import Session

            # Torch takes seconds to load: it does so while the files are checked.
            session = ends.enter_context(Session(settings, keep=options["witness_dir"] is not None))
            options = {**options, "session": session}
        result: RunResult = run(paths, settings)
        console.tell_after(result, verbose=options["verbose"])
        if options["confirm"] is not None:
            from autograd_lint.confirm.command import Request, confirmed

            only = "" if options["confirm"] == "all" else options["confirm"]
            result = confirmed(result, settings, Request(only, options["verbose"]), session)
        if any(options[name] for name in _FIXING):
            return _fix(result, settings, files=files, options=options)
        return _report(result, settings, files=files, options=options)


_FIXING: Final = ("fix", "unsafe_fixes", "fix_only", "diff")


def _fix(result: RunResult, settings: Settings, *, files: list[tuple[str, str]], options: dict[str, Any]) -> int:
    from autograd_lint import console_fixes
    from autograd_lint.fixing.run import fix_run

    write = not options["diff"]
    fixed = fix_run(result, settings, unsafe=options["unsafe_fixes"], write=write)
    if not write:
        console_fixes.print_diffs(fixed)
        status = result.exit_status(settings.fail_level, exit_zero=options["exit_zero"])
    else:
        if fixed.after.stdin is not None:
            console_fixes.print_fixed(fixed.after.stdin)
        quiet = options["fix_only"]
        status = 0 if quiet else _report(fixed.after, settings, files=files, options=options)
    console_fixes.tell_fixed(fixed, written=write)
    return _FAILED if fixed.failures or fixed.after.failed else status


def _report(result: RunResult, settings: Settings, *, files: list[tuple[str, str]], options: dict[str, Any]) -> int:
    from autograd_lint import console

    view = console.make_view(result, show_suppressed=options["show_suppressed"], show_refuted=options["verbose"])
    to_error = "-" in result.files and any(options[name] for name in _FIXING)
    console.print_report(view, settings.output_format, statistics=options["statistics"], to_error=to_error)
    for name, path in files:
        console.write_file(path, name, view)
    if options["witness_dir"] is not None:
        _write_witnesses(result, settings, options)
    return result.exit_status(settings.fail_level, exit_zero=options["exit_zero"])


def _write_witnesses(result: RunResult, settings: Settings, options: dict[str, Any]) -> None:
    from autograd_lint.confirm.session import Session
    from autograd_lint.confirm.witness import write_witnesses

    if not result.visible:
        return
    with ExitStack() as ends:
        session = options.get("session") or ends.enter_context(Session(settings))
        if "session" not in options or any(options[name] for name in _FIXING):
            session.use(result.stdin)
        write_witnesses(options["witness_dir"], result.visible, session)


def _options(options: dict[str, Any]) -> Options:
    from autograd_lint.selectors import Layer
    from autograd_lint.settings import Options

    return Options(
        rules=Layer(
            select=_selected(options["select"]),
            extend_select=_split(options["extend_select"]),
            ignore=_split(options["ignore"]),
        ),
        per_file_ignores=tuple(_per_file(item) for item in _split(options["per_file_ignores"])),
        **{key: options[key] for key in _PLAIN_OPTIONS},
    )


_PLAIN_OPTIONS: Final = (
    "output_format",
    "fail_level",
    "config",
    "isolated",
    "force_exclude",
    "jobs",
    "stdin_filename",
    "python",
)


def _selected(values: Sequence[str]) -> tuple[str, ...] | None:
    selectors = _split(values)
    if values and not selectors:  # `--select "$UNSET"` must not look like a clean run
        raise click.UsageError("--select names no rule")
    return selectors or None


def _split(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _per_file(item: str) -> tuple[str, tuple[str, ...]]:
    pattern, _, selector = item.rpartition(":")
    if not pattern or not selector:
        raise click.UsageError(f"--per-file-ignores: {item!r} is not of the form PATTERN:RULE[,PATTERN:RULE]")
    return pattern, (selector,)


def _output_file(value: str, usual: str) -> tuple[str, str]:
    """Format and path of an `--output-file`; a wrong folder is told before the work rather than after it."""
    from os.path import dirname, isdir

    name, path = _format_and_path(value, usual)
    if not path:
        raise click.UsageError(f"--output-file: {value!r} names no file")
    if not isdir(dirname(path) or "."):
        raise click.UsageError(f"--output-file: cannot write {path}: there is no folder {dirname(path)}")
    return name, path


def _format_and_path(value: str, usual: str) -> tuple[str, str]:
    from autograd_lint.report import format_names
    from autograd_lint.selectors import did_you_mean, nearest

    name, separator, path = value.partition("=")
    if not separator:
        return usual, value
    if name in format_names():
        return name, path
    if name.isidentifier() and nearest(name, format_names()) is not None:
        raise click.UsageError(f"--output-file: unknown format {name!r}{did_you_mean(name, format_names())}")
    return usual, value  # a file whose name has an equals sign


@cli.command(context_settings={"allow_interspersed_args": False})
@click.option("-m", "as_module", is_flag=True, help="TARGET is a module, as with `python -m`.")
@click.option("--raise-at-write", is_flag=True, help="Stop at a write to a tensor that is saved for backward.")
@click.option("--select", multiple=True, metavar="RULES", help="Judge by these rules only.")
@click.option("--extend-select", multiple=True, metavar="RULES", help="Judge by these rules too.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Do not judge by these rules.")
@click.option("--output-format", type=_FORMAT, help="full (default), concise, json, github, ...")
@click.option("--output-file", multiple=True, metavar="[FORMAT=]PATH", help="Write a report to a file too.")
@click.option("--fail-level", type=_LEVEL, help="Least severity that makes the exit status 1 (default: warning).")
@click.option("--exit-code", type=int, metavar="N", help="Exit with N whatever happens.")
@click.option("--config", type=_PATHS, metavar="FILE", help="Use this configuration file.")
@click.option("--isolated", is_flag=True, help="Use no configuration file.")
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(target: str, arguments: tuple[str, ...], **options: Any) -> int:
    """Run a program under the observer: this executes it. TARGET is a script, with -m a module; its ARGUMENTS follow.

    The report comes when the program ends, also by an exception, Ctrl-C or SIGTERM; under `torchrun` one report for
    the ranks of a machine. Exit status: the program's own if that is not 0, else 1 with findings of at least the fail
    level.
    """
    from autograd_lint import console
    from autograd_lint.beginning import Beginning
    from autograd_lint.dynamic.ranks import joined
    from autograd_lint.dynamic.run import ProgramResult, RunRequest, run_observed
    from autograd_lint.settings import resolve_settings

    defaults = {"per_file_ignores": (), "force_exclude": False, "jobs": None, "stdin_filename": None, "python": None}
    settings = resolve_settings(("." if options["as_module"] else target,), _options(defaults | options))
    files = [_output_file(value, settings.output_format) for value in options["output_file"]]
    request = RunRequest(
        target=target,
        arguments=arguments,
        as_module=options["as_module"],
        raise_at_write=options["raise_at_write"],
    )
    beginning = Beginning()

    def tell(result: ProgramResult) -> None:
        with beginning.again(), joined(result) as told:
            if told is not None:
                for remark in told.remarks:
                    print_error(remark)
                view = console.make_view(told.found, show_suppressed=False, show_refuted=False, ran=True)
                console.print_report(view, settings.output_format, statistics=False)
                for name, path in files:
                    console.write_file(path, name, view)

    result = run_observed(request, settings, tell)
    if not beginning.is_of_this_process:
        return result.status
    tell(result)
    return result.exit_status(settings) if options["exit_code"] is None else int(options["exit_code"])


@cli.command()
@click.argument("rule", required=False)
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rule(rule: str | None, *, every: bool, output_format: str) -> int:
    """Explain a RULE, given by code or name."""
    from autograd_lint import console

    if (rule is None) != every:
        raise click.UsageError("name one rule (`autograd-lint rule AGL101`), or give --all")
    return console.show_rules(rule, as_json=output_format == "json")


if __name__ == "__main__":
    main()

"""What one run does: the configuration file and the command line put together, checked and resolved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from autograd_lint.config import Config, ConfirmConfig, find_config, load_config
from autograd_lint.discovery import DEFAULT_EXCLUDE, Search, repository_root
from autograd_lint.finding import Severity
from autograd_lint.patterns import matches_file
from autograd_lint.selectors import Layer, require_codes, selected_codes
from autograd_lint.source import STDIN_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; None or empty where it is silent."""

    rules: Layer
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    output_format: str | None = None
    fail_level: str | None = None
    config: str | None = None
    isolated: bool = False
    force_exclude: bool = False
    jobs: int | None = None
    stdin_filename: str | None = None
    python: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmSettings:
    """How programs are run to confirm findings: in which Python (None: one is looked for), within which limits."""

    python: str | None = None
    timeout: float = 10.0
    memory: int = 2 << 30
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run needs to know. `root`: what patterns and fingerprints are relative to."""

    root: str
    config_path: str = ""
    codes: frozenset[str]
    per_file_ignores: tuple[tuple[str, frozenset[str]], ...] = ()
    search: Search
    output_format: str = "full"
    fail_level: Severity = Severity.WARNING
    jobs: int | None = None
    stdin_filename: str | None = None
    confirm: ConfirmSettings = field(default_factory=ConfirmSettings)
    without_effect: tuple[str, ...] = ()

    def codes_for(self, path: str) -> frozenset[str]:
        """The codes reported in the file `path`."""
        codes = self.codes
        for pattern, ignored in self.per_file_ignores:
            if path != STDIN_NAME and matches_file(self.root, pattern, path):
                codes -= ignored
        return codes


def resolve_settings(paths: Sequence[str], options: Options) -> Settings:
    """The settings for a run over `paths`. Raises ConfigError when an option or the configuration is wrong."""
    start = _common_folder(paths, options.stdin_filename)
    config = _config(start, options)
    for key, selectors in _option_selectors(options):
        for selector in selectors:
            require_codes(selector, where=key)
    root = os.path.dirname(config.path) if config.path else repository_root(start) or os.getcwd()
    return Settings(
        root=root,
        config_path=config.path,
        codes=selected_codes([config.rules, options.rules]),
        per_file_ignores=tuple(
            (pattern, frozenset().union(*(require_codes(selector, where=pattern) for selector in selectors)))
            for pattern, selectors in (*config.per_file_ignores, *options.per_file_ignores)
        ),
        search=Search(
            root=root,
            exclude=(*(DEFAULT_EXCLUDE if config.exclude is None else config.exclude), *config.extend_exclude),
            respect_gitignore=config.respect_gitignore is not False,
            force_exclude=options.force_exclude,
            stdin_name=options.stdin_filename,
        ),
        output_format=options.output_format or config.output_format or "full",
        fail_level=Severity[(options.fail_level or config.fail_level or "warning").upper()],
        jobs=options.jobs,
        stdin_filename=options.stdin_filename,
        confirm=_confirm(config.confirm, options.python),
        without_effect=config.without_effect,
    )


def _confirm(config: ConfirmConfig, python: str | None) -> ConfirmSettings:
    usual = ConfirmSettings()
    return ConfirmSettings(
        python=python or config.python,
        timeout=config.timeout or usual.timeout,
        memory=config.memory or usual.memory,
        jobs=config.jobs,
    )


def _config(start: str, options: Options) -> Config:
    if options.config is not None:
        return load_config(options.config)
    return Config() if options.isolated else find_config(start)


def _option_selectors(options: Options) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("--select", options.rules.select or ()),
        ("--extend-select", options.rules.extend_select),
        ("--ignore", options.rules.ignore),
        *(("--per-file-ignores", selectors) for _, selectors in options.per_file_ignores),
    ]


def _common_folder(paths: Sequence[str], stdin_filename: str | None) -> str:
    """The innermost folder that holds all `paths`: where the search for a configuration begins."""
    names = [stdin_filename if path == STDIN_NAME else path for path in paths]
    folders = [_folder_of(name) if name is not None else os.getcwd() for name in names]
    try:
        return os.path.commonpath(folders) if folders else os.getcwd()
    except ValueError:  # different drives
        return os.getcwd()


def _folder_of(path: str) -> str:
    full = os.path.abspath(path)
    return full if os.path.isdir(full) else os.path.dirname(full)

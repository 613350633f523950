"""The exception tree: every error the tool raises on purpose, each saying what, where and what to do."""

from __future__ import annotations


class AutogradLintError(Exception):
    """Base of every error that autograd-lint raises on purpose; ends a command with exit status 2."""


class ConfigError(AutogradLintError):
    """An option, a configuration file or a selector is wrong."""


class SourceError(AutogradLintError):
    """A file cannot be read, decoded or parsed; becomes an AGL000 finding, never ends the run.

    `row` and `column` count from 1 (columns in code points).
    """

    def __init__(self, message: str, *, row: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class OutputError(AutogradLintError):
    """A report cannot be written."""


class RuleError(AutogradLintError):
    """A rule file breaks the contract of `autograd_lint.rule.Rule`."""


class FactsError(AutogradLintError):
    """The shipped table of measured facts is missing or damaged."""


class ConfirmError(AutogradLintError):
    """The interpreter that should run programs cannot be used: it is missing, too old, or has no torch."""

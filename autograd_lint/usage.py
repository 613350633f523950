"""What is said of a command line that makes no sense: what is wrong, the nearest thing that is right, where to read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Final

import click

_CUTOFF: Final = 0.7
"""How alike (0 to 1) two words must be for one to be taken for the other. Words are short: less would be guessing."""


def describe_usage(error: click.ClickException) -> str:
    """The lines that tell of an error in the command line."""
    lines = [f"error: {_without_capital(_message(error))}"]
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        lines.append(f"see `{ctx.command_path} --help`")
    return "\n".join(lines)


def misspelt_command(word: str, commands: Iterable[str]) -> str | None:
    """The command that was meant by `word`, which is neither a command nor a file; None when it is a path."""
    if not word.isidentifier() or os.path.lexists(word):
        return None
    return _nearest(word, commands)


def _message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        meant = _nearest(error.option_name, _options(error.ctx))
        if meant == error.option_name:
            return f"option {meant!r} must stand alone"
        return f"no such option {error.option_name!r}" + (f"; did you mean {meant!r}?" if meant else "")
    return error.format_message().rstrip(".")


def _options(ctx: click.Context | None) -> list[str]:
    """The long options of the command, and of the commands it belongs to."""
    found: list[str] = []
    while ctx is not None:
        found += [name for option in ctx.command.get_params(ctx) for name in option.opts if name.startswith("--")]
        ctx = ctx.parent
    return found


def _nearest(word: str, known: Iterable[str]) -> str | None:
    # Two dashes in common are no likeness.
    bare = {name.lstrip("-"): name for name in known}
    found = difflib.get_close_matches(word.lstrip("-").lower(), bare, n=1, cutoff=_CUTOFF)
    return bare[found[0]] if found else None


def _without_capital(text: str) -> str:
    return text[:1].lower() + text[1:]

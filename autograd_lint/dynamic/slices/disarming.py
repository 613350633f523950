"""Takes away what a program could only wait for or fail at: sleeps, prints, data, command lines, devices."""

from __future__ import annotations

import argparse
import builtins
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.inventing import by_name

_BATCHES: Final = 2
_HERE: Final = {
    "num_workers": 0,
    "prefetch_factor": None,
    "timeout": 0,
    "_DataLoader__multiprocessing_context": None,
    "pin_memory": False,
    "persistent_workers": False,
}
"""What makes a DataLoader load in this process."""
_WORDS: Final = {"int": 2, "float": 0.5, "str": "name", None: "name"}


def disarm(guesses: Guesses) -> None:
    """Replace what is named above, for good: the process ends with the program."""
    parser: Any = argparse.ArgumentParser
    replaced: tuple[tuple[Any, str, Any], ...] = (
        (time, "sleep", _nothing),
        (builtins, "print", _nothing),
        (builtins, "input", lambda *_: ""),
        (torch, "save", _nothing),
        (torch.Tensor, "cuda", _itself),
        (torch.nn.Module, "cuda", _itself),
        (DataLoader, "__iter__", _few_batches(DataLoader.__iter__, guesses)),
        (parser, "parse_args", _parse),
        (parser, "parse_known_args", lambda given, *_, **__: (_parse(given), [])),
        *((torch.cuda, name, _nothing) for name in ("synchronize", "set_device", "empty_cache", "init")),
    )
    for owner, name, value in replaced:
        setattr(owner, name, value)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _itself(value: Any, *_: Any, **__: Any) -> Any:
    return value


def _parse(parser: Any, *_: Any, **__: Any) -> argparse.Namespace:
    """What an empty command line gives; what is required is made up."""
    found = argparse.Namespace(**parser._defaults)
    for action in parser._actions:
        if action.dest not in ("help", "version", argparse.SUPPRESS) and not hasattr(found, action.dest):
            wanted = action.required and action.default is None
            setattr(found, action.dest, _made_up(action) if wanted else _default(action))
    return found


def _default(action: argparse.Action) -> Any:
    default = action.default
    if isinstance(default, str) and default.partition(":")[0] in ("cuda", "mps"):
        return "cpu"
    return action.type(default) if isinstance(default, str) and action.type in (int, float) else default


def _made_up(action: argparse.Action) -> Any:
    if action.choices:
        return next(iter(action.choices))
    named = by_name(action.dest)
    value = named if named is not None else _WORDS.get(getattr(action.type, "__name__", None), "name")
    return [value] if action.nargs in ("+", "*") or isinstance(action.nargs, int) else value


def _few_batches(original: Callable[..., Any], guesses: Guesses) -> Callable[..., Any]:
    """Two batches; made up where the data set is not here."""

    def iterate(loader: Any) -> Iterator[Any]:
        loader.__dict__.update(_HERE)
        try:
            return iter(list(islice(original(loader), _BATCHES)))
        except (Exception, SystemExit):  # whatever the data set wants, it is not here
            return iter(guesses.batches("loader"))

    return iterate

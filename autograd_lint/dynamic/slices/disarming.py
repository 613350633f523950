"""Takes away what a program could only wait for or fail at: sleeps, prints, data, command lines, devices."""

from __future__ import annotations

import argparse
import builtins
import json
import os
import pickle
import random
import time
import unittest
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.slices.stubs import Options, Stub, StubModule, batches
from autograd_lint.dynamic.slices.words import by_name

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
        (time, "sleep", _does_nothing()),
        (builtins, "print", _does_nothing()),
        (builtins, "open", _open_what_is_there(guesses)),
        (json, "load", _of_what_is_read(json.load, guesses)),
        (json, "loads", _of_what_is_read(json.loads, guesses)),
        (pickle, "load", _of_what_is_read(pickle.load, guesses)),
        (builtins, "input", lambda *_: ""),
        (torch, "save", _does_nothing()),
        (torch.Tensor, "cuda", _itself),
        (torch.nn.Module, "cuda", _itself),
        (os._Environ, "get", _get_variable),
        (os._Environ, "__contains__", lambda given, key: _get_variable(given, key) is not None),
        (os._Environ, "__getitem__", lambda given, key: _get_variable(given, key, "1")),
        *((torch, name, _of_known(getattr(torch, name))) for name in ("tensor", "as_tensor", "from_numpy")),
        (DataLoader, "__init__", _built_of_anything(DataLoader.__init__)),
        (DataLoader, "__iter__", _few_batches(DataLoader.__iter__, guesses)),
        (random, "sample", _sample),
        (unittest, "main", _does_nothing()),
        (parser, "parse_args", _parse),
        (parser, "parse_known_args", lambda given, *_, **__: (_parse(given), [])),
        *((torch.cuda, name, getattr(torch, name)) for name in dir(torch.cuda) if name.endswith("Tensor")),
        *((torch.cuda, name, _does_nothing()) for name in ("synchronize", "set_device", "empty_cache", "init")),
    )
    for owner, name, value in replaced:
        setattr(owner, name, value)


def _does_nothing() -> Callable[..., None]:
    """Another function each time: torch's compiler tells its functions by identity."""
    return lambda *_, **__: None


def _open_what_is_there(guesses: Guesses) -> Callable[..., Any]:
    original = builtins.open

    def open_it(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        try:
            return original(file, mode, *args, **named)
        except (OSError, TypeError):
            if "r" not in mode:
                raise
            return Stub("open()", guesses)

    return open_it


def _of_what_is_read(original: Callable[..., Any], guesses: Guesses) -> Callable[..., Any]:
    """A reader that makes settings up where the file is not here."""

    def read(source: Any, *args: Any, **named: Any) -> Any:
        return Options("settings", guesses) if isinstance(source, Stub) else original(source, *args, **named)

    return read


def _itself(value: Any, *_: Any, **__: Any) -> Any:
    return value


_original: Final = os._Environ.__getitem__


def _get_variable(environ: Any, key: str, otherwise: Any = None) -> Any:
    """A variable of the environment; one that is asked for and not there is given."""
    try:
        return _original(environ, key)
    except KeyError:
        return otherwise


def _of_known(original: Callable[..., Any]) -> Callable[..., Any]:
    """A maker of tensors that takes what is not known, too."""

    def make(data: Any, *args: Any, **named: Any) -> Any:
        if isinstance(data, StubModule):
            data = data.values
        return torch.as_tensor(data._tensor()) * 1 if isinstance(data, Stub) else original(data, *args, **named)

    return make


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


_original_sample: Final = random.sample


def _sample(population: Any, k: int, **named: Any) -> list[Any]:
    """As many as there are, and some twice: loops that were to fill a memory were cut."""
    if 0 < len(population) < k:
        return random.choices(list(population), k=k)
    return _original_sample(population, k, **named)


def _built_of_anything(original: Callable[..., None]) -> Callable[..., None]:
    """A loader of whatever there is; of data that is not here, it is one that has nothing to give."""

    def build(loader: Any, *args: Any, **named: Any) -> None:
        try:
            original(loader, *args, **named)
        except (Exception, SystemExit):  # whatever it wants of the data set, that is not here
            original(loader, [])

    return build


def _few_batches(original: Callable[..., Any], guesses: Guesses) -> Callable[..., Any]:
    """Two batches; made up where the data set is not here."""

    def iterate(loader: Any) -> Iterator[Any]:
        loader.__dict__.update(_HERE)
        try:
            found = list(islice(original(loader), _BATCHES))
        except (Exception, SystemExit):  # whatever the data set wants, it is not here
            found = []
        return iter(found or batches(guesses, "loader"))

    return iterate

"""The configuration file: found, read and validated; every error names the file, the key and the nearest known one."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.errors import ConfigError
from autograd_lint.finding import Severity
from autograd_lint.selectors import Layer, did_you_mean, require_codes

OWN_FILE: Final = "autograd-lint.toml"
PROJECT_FILE: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class ConfirmConfig:
    """What `[tool.autograd-lint.confirm]` says; None where it is silent. `memory` is in bytes."""

    python: str | None = None
    timeout: float | None = None
    memory: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says; None where it is silent. `path` is empty when there is no file."""

    path: str = ""
    rules: Layer = field(default_factory=Layer)
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] = ()
    respect_gitignore: bool | None = None
    output_format: str | None = None
    fail_level: str | None = None
    confirm: ConfirmConfig = field(default_factory=ConfirmConfig)
    without_effect: tuple[str, ...] = ()


def find_config(start: str) -> Config:
    """The configuration nearest to the folder `start`: its own, else its parents'."""
    folder = os.path.abspath(start)
    while True:
        own = os.path.join(folder, OWN_FILE)
        if os.path.isfile(own):
            return load_config(own)
        project = os.path.join(folder, PROJECT_FILE)
        if os.path.isfile(project) and _own_table(project, _read(project)) is not None:
            return load_config(project)
        parent = os.path.dirname(folder)
        if parent == folder:
            return Config()
        folder = parent


def load_config(path: str) -> Config:
    """The configuration in the file `path`, which must have one."""
    table = _own_table(path, _read(path))
    if table is None:
        raise ConfigError(f"{path}: has no [tool.autograd-lint] table")
    return _Reader(path).config(table)


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _own_table(path: str, data: dict[str, object]) -> Mapping[str, object] | None:
    """The table that is ours: all of `autograd-lint.toml`, else `[tool.autograd-lint]`."""
    tool = data.get("tool")
    own = tool.get("autograd-lint") if isinstance(tool, dict) else None
    if own is not None:
        if not isinstance(own, dict):
            raise ConfigError(f"{path}: `tool.autograd-lint` must be a table, not {_kind(own)}")
        return own
    if os.path.basename(path) == PROJECT_FILE:
        return None
    return data


_KEYS: Final = (
    "select",
    "extend-select",
    "ignore",
    "per-file-ignores",
    "exclude",
    "extend-exclude",
    "respect-gitignore",
    "output-format",
    "fail-level",
    "baseline",
    "cache-dir",
    "confirm",
)
_CONFIRM_KEYS: Final[dict[str, tuple[type, ...]]] = {
    "python": (str,),
    "timeout": (int, float),
    "memory": (int, str),
    "jobs": (int,),
}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_WITHOUT_EFFECT: Final = ("baseline", "cache-dir")
"""Keys of the contract whose features this version does not have: checked, and said to be without effect."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the table of one file into a Config."""

    path: str

    def config(self, table: Mapping[str, object]) -> Config:
        self._check_keys(table, _KEYS, prefix="")
        self._check_later_keys(table)
        select = self._selectors(table, "select")
        return Config(
            path=os.path.abspath(self.path),
            rules=Layer(
                select=select,
                extend_select=self._selectors(table, "extend-select") or (),
                ignore=self._selectors(table, "ignore") or (),
            ),
            per_file_ignores=self._per_file_ignores(table),
            exclude=self._strings(table, "exclude"),
            extend_exclude=self._strings(table, "extend-exclude") or (),
            respect_gitignore=self._boolean(table, "respect-gitignore"),
            output_format=self._choice(table, "output-format", self._formats(table)),
            fail_level=self._choice(table, "fail-level", tuple(level.label for level in Severity)),
            confirm=self._confirm(table),
            without_effect=tuple(key for key in _WITHOUT_EFFECT if key in table),
        )

    def _check_keys(self, table: Mapping[str, object], known: tuple[str, ...], *, prefix: str) -> None:
        for key in table:
            if key not in known:
                raise ConfigError(f"{self.path}: unknown key `{prefix}{key}`{did_you_mean(key, known)}")

    def _check_later_keys(self, table: Mapping[str, object]) -> None:
        self._value(table, "baseline", str, "a string")
        self._value(table, "cache-dir", str, "a string")

    def _confirm(self, table: Mapping[str, object]) -> ConfirmConfig:
        confirm = self._value(table, "confirm", dict, "a table")
        if not isinstance(confirm, dict):
            return ConfirmConfig()
        self._check_keys(confirm, tuple(_CONFIRM_KEYS), prefix="confirm.")
        for key, value in confirm.items():
            if isinstance(value, bool) or not isinstance(value, _CONFIRM_KEYS[key]):
                raise self._wrong(f"confirm.{key}", "a string" if key == "python" else "a number", value)
            if isinstance(value, int | float) and value <= 0:
                raise ConfigError(f"{self.path}: `confirm.{key}` must be more than 0, not {value}")
        python, memory = confirm.get("python"), confirm.get("memory")
        if isinstance(python, str) and os.sep in python:
            # As other paths in this file: relative to it.
            python = os.path.join(os.path.dirname(os.path.abspath(self.path)), python)
        return ConfirmConfig(python, confirm.get("timeout"), self._memory(memory), confirm.get("jobs"))

    def _memory(self, value: object) -> int | None:
        if not isinstance(value, str):
            return value if isinstance(value, int) else None
        found = _SIZE.fullmatch(value.strip())
        if found is None or not float(found[1]):
            raise ConfigError(f'{self.path}: `confirm.memory` must be a number of bytes or as `"2 GiB"`, not {value!r}')
        return int(float(found[1]) * _UNITS[found[2].upper()])

    def _formats(self, table: Mapping[str, object]) -> tuple[str, ...]:
        if "output-format" not in table:
            return ()
        from autograd_lint.report import format_names

        return format_names()

    def _value(self, table: Mapping[str, object], key: str, kind: type, what: str) -> object:
        value = table.get(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, what, value)
        return value

    def _wrong(self, key: str, what: str, value: object) -> ConfigError:
        return ConfigError(f"{self.path}: `{key}` must be {what}, not {_kind(value)}")

    def _strings(self, table: Mapping[str, object], key: str) -> tuple[str, ...] | None:
        return None if key not in table else self._string_list(key, table[key])

    def _string_list(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of strings", value)
        return tuple(value)

    def _selectors(self, table: Mapping[str, object], key: str) -> tuple[str, ...] | None:
        found = self._strings(table, key)
        for selector in found or ():
            require_codes(selector, where=f"{self.path}: `{key}`")
        return found

    def _per_file_ignores(self, table: Mapping[str, object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        value = self._value(table, "per-file-ignores", dict, "a table of patterns and lists of selectors")
        result = []
        for pattern, selectors in value.items() if isinstance(value, dict) else ():
            key = f"per-file-ignores.{pattern}"
            listed = self._string_list(key, selectors)
            for selector in listed:
                require_codes(selector, where=f"{self.path}: `{key}`")
            result.append((pattern, listed))
        return tuple(result)

    def _boolean(self, table: Mapping[str, object], key: str) -> bool | None:
        value = self._value(table, key, bool, "true or false")
        return value if isinstance(value, bool) else None

    def _choice(self, table: Mapping[str, object], key: str, known: tuple[str, ...]) -> str | None:
        value = self._value(table, key, str, "a string")
        if not isinstance(value, str):
            return None
        if value not in known:
            raise ConfigError(f"{self.path}: unknown value {value!r} of `{key}`{did_you_mean(value, known)}")
        return value


def _kind(value: object) -> str:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", dict: "a table"}
    if isinstance(value, list):
        odd = next((item for item in value if not isinstance(item, str)), None)
        return "a list" if odd is None else f"a list with {_kind(odd)} in it"
    return names.get(type(value), f"a {type(value).__name__}")

"""Names for the values of a replay: those the user gave them, each as long as its value is needed."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.static.model.tape import Tape
from autograd_lint.static.model.values import Distribution, NNModule, OptimizerValue, Tensor, Unknown, Value

_RESERVED: Final = frozenset(
    {"torch", "nn", "before", "F", "math", "len", "int", "float", "sum", "max", "min", "abs", "round"}
)
_LAST_NAME: Final = re.compile(r"(?:^|\.)([A-Za-z_]\w*)$")


@dataclass(slots=True)
class Names:
    """Which names are taken, and until which step."""

    tape: Tape
    _until: dict[str, int] = field(default_factory=dict)

    def take(self, value: Value, *, now: int, until: int) -> str:
        """A name for `value`, made at step `now` and last used at step `until`."""
        base = name = self.wish(value) or _usual(value)
        number = 1
        while self._until.get(name, -1) > now:
            number += 1
            name = f"{base}{number}" if not base[-1].isdigit() else f"{base}_{number}"
        self._until[name] = until
        return name

    def wish(self, value: Value) -> str:
        """The name that the program gives `value`, if it gives one."""
        given = self.tape.names.get(id(value), "")
        if not given and isinstance(value, Tensor | Unknown):
            given = value.name
        match = _LAST_NAME.search(given)
        name = match[1] if match else ""
        return "" if name in _RESERVED or name == "_" or keyword.iskeyword(name) else name


def _usual(value: Value) -> str:
    if isinstance(value, NNModule | Distribution):
        return value.name.rpartition(".")[2].lower()
    if isinstance(value, OptimizerValue):
        return "optimizer"
    return "t" if isinstance(value, Tensor) else "value"

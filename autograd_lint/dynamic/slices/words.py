"""What names tell of the values that go by them: sizes, rates, switches, paths."""

from __future__ import annotations

import re
from typing import Any, Final

from autograd_lint.dynamic.slices.lessons import SIZE

_NUMBERS: Final[tuple[tuple[str, object], ...]] = (
    ("head", 2),
    ("kernel", 3),
    ("stride", 1),
    ("pad", 1),
    ("dilation", 1),
    ("group", 1),
    ("layer", 2),
    ("depth", 2),
    ("drop", 0.1),
    ("prob", 0.1),
    ("momentum", 0.9),
    ("decay", 0.0),
    ("eps", 1e-5),
    ("epsilon", 1e-5),
    ("clip", 1.0),
    ("lr", 0.1),
    ("learning_rate", 0.1),
    ("alpha", 0.5),
    ("beta", 0.5),
    ("gamma", 0.5),
    ("lambda", 0.5),
    ("weight_", 0.5),
    ("temperature", 1.0),
    ("bias", True),
    ("use_", True),
    ("is_", True),
    ("verbose", False),
    ("device", "cpu"),
    ("path", "file"),
    ("file", "file"),
    ("dir", "folder"),
    ("name", "name"),
    ("mode", "train"),
    ("seed", 0),
    ("vocab", 10),
    ("class", SIZE),
    ("accum", 2),
    ("accumulate", 2),
    ("accumulation", 2),
    ("iteration", 2),
    ("latent", SIZE),
    ("interval", 1),
    ("every", 1),
    ("freq", 1),
    ("epoch", 2),
    ("step", 2),
    ("iter", 2),
    ("batch", 2),
    ("num", 2),
    ("rank", 0),
    ("world", 1),
    ("dim", SIZE),
    ("size", SIZE),
    ("hidden", SIZE),
    ("channel", SIZE),
    ("feature", SIZE),
    ("width", SIZE),
    ("height", SIZE),
    ("len", SIZE),
    ("seqlen", SIZE),
)
_EXCEPTIONS: Final = {"num_workers": 0, "max_grad_norm": 1.0, "max_norm": 1.0}
_COUNTS: Final = (
    "n",
    "k",
    "d",
    "h",
    "w",
    "c",
    "in_",
    "out",
    "inp",
    "n_in",
    "n_out",
    "planes",
    "units",
    "length",
    "nf",
    "nhid",
    "ninp",
)
OPTION_NAMES: Final = ("args", "cfg", "config", "opt", "opts", "options", "hparams", "hp", "params", "conf", "flags")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_BEGINNINGS: Final = ("", "n", "nb", "num", "em", "d", "in", "out", "max")
_ENDINGS: Final = ("", "s", "es", "out", "rate", "size", "ing", "dim")


def by_name(name: str) -> Any:
    """A number or a text for something of this name; None if the name tells nothing."""
    low = name.lower()
    if low in _EXCEPTIONS:
        return _EXCEPTIONS[low]
    if low in _COUNTS or (low.startswith(("in_", "out_", "n_", "num_", "max_", "d_")) and "head" not in low):
        return 2 if "layer" in low or "epoch" in low else SIZE
    words = [word.lower() for word in _WORD.findall(name)]
    return next((value for word, value in _NUMBERS if _has(low, words, word)), None)


def _has(name: str, words: list[str], word: str) -> bool:
    """Whether a name is about `word`: a model has no mode, and a profile is no file."""
    if "_" in word:
        return word in name
    parts = (each.partition(word) for each in words)
    return any(found and first in _BEGINNINGS and rest in _ENDINGS for first, found, rest in parts)

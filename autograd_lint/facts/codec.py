"""How effects are written in `ops.json`: short strings, everything usual left out."""

from __future__ import annotations

from typing import Any, Final

from autograd_lint.facts.model import Alias, Effect, Output, Saved, When

_ALIASES: Final = {
    Alias.FRESH: "",
    Alias.SELF: "=",
    Alias.VIEW: "v",
    Alias.SHARED: "d",
    Alias.MEMORY: "m",
    Alias.MAYBE: "?",
}
_USUAL_OUTPUT: Final = ";;;broadcast;same"
_ALIAS_OF: Final = {mark: alias for alias, mark in _ALIASES.items()}


def encode(effect: Effect) -> dict[str, Any]:
    """An effect as JSON; fields that are as usual are left out."""
    row: dict[str, Any] = {
        "s": [_encode_saved(saved) for saved in effect.saved],
        "o": [_encode_output(out) for out in effect.outputs],
        "c": effect.container,
        "w": list(effect.written),
        "p": list(effect.perhaps_written),
        "q": list(effect.silent),
        "f": effect.frees,
        "g": _encode_when(effect.frees_when),
        "d": effect.derivative,
        "h": effect.higher,
        "k": _encode_when(effect.higher_when),
        "x": list(effect.spread),
        "i": list(effect.ignored),
        "e": list(effect.expandable),
        "m": list(effect.sharing),
        "a": list(effect.apart),
        "y": list(effect.exchanged),
    }
    usual = {"s": [], "o": [_USUAL_OUTPUT], "c": ".", "w": [], "p": [], "q": [], "f": True, "g": "", "d": True}
    usual |= {"h": True, "k": "", "x": [], "i": [], "e": [], "m": [], "a": [], "y": []}
    return {key: value for key, value in row.items() if value != usual[key]}


def decode(row: dict[str, Any]) -> Effect:
    """The effect that `encode` wrote."""
    return Effect(
        saved=tuple(map(_decode_saved, row.get("s", ()))),
        outputs=tuple(map(_decode_output, row.get("o", (_USUAL_OUTPUT,)))),
        container=row.get("c", "."),
        written=tuple(row.get("w", ())),
        perhaps_written=tuple(row.get("p", ())),
        silent=tuple(row.get("q", ())),
        frees=row.get("f", True),
        frees_when=_decode_when(row.get("g", "")),
        derivative=row.get("d", True),
        higher=row.get("h", True),
        higher_when=_decode_when(row.get("k", "")),
        spread=tuple(row.get("x", ())),
        ignored=tuple(row.get("i", ())),
        expandable=tuple(row.get("e", ())),
        sharing=tuple(row.get("m", ())),
        apart=tuple(row.get("a", ())),
        exchanged=tuple(row.get("y", ())),
    )


def _encode_saved(saved: Saved) -> str:
    """`input?other~`: when `other` requires grad, and not for certain."""
    when = _encode_when(saved.when)
    return saved.label + (f"?{when}" if when else "") + ("" if saved.certain else "~")


def _decode_saved(text: str) -> Saved:
    label, _, when = text.removesuffix("~").partition("?")
    return Saved(label, _decode_when(when), certain=not text.endswith("~"))


def _encode_when(when: When) -> str:
    return "|".join("&".join(sorted(alternative)) for alternative in when)


def _decode_when(text: str) -> When:
    return tuple(frozenset(alternative.split("&")) for alternative in text.split("|")) if text else ()


def _encode_output(out: Output) -> str:
    flags = ("" if out.differentiable else "n") + ("m" if out.multi_view else "")
    return ";".join((_ALIASES[out.alias], out.of, flags, out.shape, out.dtype)).rstrip(";")


def _decode_output(text: str) -> Output:
    alias, of, flags, shape, dtype = (text.split(";") + [""] * 5)[:5]
    return Output(_ALIAS_OF[alias], of, "n" not in flags, "m" in flags, shape, dtype)

"""Replaces attributes of torch for as long as the observer is on, and puts them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_ABSENT: Final = object()


class Patches:
    """Attributes that were replaced, and items that were added, in order."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any]] = []
        self._actions: list[Callable[[], object]] = []
        self._items: list[tuple[dict[Any, Any], Any]] = []
        self._latest: dict[tuple[int, str], tuple[Any, Any]] = {}

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of `owner` itself; one that it only inherits is hidden."""
        self._done.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, value)
        self._latest[id(owner), name] = owner, value

    def keep_an_eye_on(self, owner: Any, name: str) -> None:
        """Count an attribute among those that nobody else should replace, and leave it as it is."""
        self._latest[id(owner), name] = owner, vars(owner).get(name)

    def displaced(self) -> tuple[str, ...]:
        """The attributes that somebody else has replaced since."""
        return tuple(
            f"{_shown(owner)}.{name}"
            for (_, name), (owner, value) in self._latest.items()
            if vars(owner).get(name) is not value
        )

    def set_item(self, owner: dict[Any, Any], key: Any, value: Any) -> None:
        """Add an item to a dictionary that must not have it yet."""
        self._items.append((owner, key))
        owner[key] = value

    def on_undo(self, action: Callable[[], object]) -> None:
        """Call `action` when everything is put back."""
        self._actions.append(action)

    def undo(self) -> None:
        """Put everything back, the latest first."""
        self._latest.clear()
        while self._actions:
            self._actions.pop()()
        while self._items:
            items, key = self._items.pop()
            items.pop(key, None)
        while self._done:
            owner, name, old = self._done.pop()
            if old is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, old)


def _shown(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else getattr(owner, "__name__", "")


def dressed(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """`wrapper` with the name and documentation of what it wraps. (`functools.update_wrapper` is slower.)"""
    wrapper.__wrapped__ = original  # type: ignore[attr-defined]
    wrapper.__name__, wrapper.__doc__ = getattr(original, "__name__", ""), original.__doc__
    return wrapper

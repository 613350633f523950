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

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of `owner` itself; one that it only inherits is hidden."""
        self._done.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, value)

    def set_item(self, owner: dict[Any, Any], key: Any, value: Any) -> None:
        """Add an item to a dictionary that must not have it yet."""
        self._items.append((owner, key))
        owner[key] = value

    def on_undo(self, action: Callable[[], object]) -> None:
        """Call `action` when everything is put back."""
        self._actions.append(action)

    def undo(self) -> None:
        """Put everything back, the latest first."""
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


def dressed(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """`wrapper` with the name and documentation of what it wraps. (`functools.update_wrapper` is slower.)"""
    wrapper.__wrapped__ = original  # type: ignore[attr-defined]
    wrapper.__name__, wrapper.__doc__ = getattr(original, "__name__", ""), original.__doc__
    return wrapper

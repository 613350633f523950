"""Families of random scripts, each about one thing people do: two networks, cells, lists of losses, aliases, helpers."""

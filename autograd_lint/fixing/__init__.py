"""Fixes: what rules write them with (`code`, `names`, `calls`, `outofplace`), and how they are applied (`apply`)."""

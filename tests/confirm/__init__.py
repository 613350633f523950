"""Tests of `check --confirm`."""

"""Tests of the pool, and the hostile programs that it must bear."""

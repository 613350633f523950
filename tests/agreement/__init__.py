"""Torch as the judge of the static verdict: what really happens to a program, and random programs to compare on."""

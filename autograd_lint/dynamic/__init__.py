"""Runs programs under torch and watches autograd: the second witness.

What runs in the user's interpreter imports torch and the standard library alone.
"""
